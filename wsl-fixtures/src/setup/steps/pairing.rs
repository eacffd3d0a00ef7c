//! The app's operator and node, paired with the gateway.

use std::time::Duration;

use serde_json::Value;

use super::super::context::{Context, Credential};
use super::super::engine::StepError;
use super::super::mutation::Mutation;
use super::super::peer::{Connection, Owner, PeerError, Role};
use super::gateway::guest_owns;
use crate::output::decode;
use crate::wsl::Finished;

/// Rounds after which something keeps asking.
const ROUNDS: usize = 10;
/// The generation that the app speaks. ref: setup-and-wsl.md §9
const PROTOCOL: u32 = 4;
const CONNECT: Duration = Duration::from_secs(15);
const RECONNECT: Duration = Duration::from_secs(20);

pub(super) fn operator(context: &mut Context<'_>) -> Result<(), StepError> {
    if !context.pairing.remembered {
        let (url, distro) = (context.config.url(), context.config.distro_name.clone());
        let (shared, bootstrap) = (context.token.clone(), context.bootstrap.clone());
        context
            .peer
            .remember(&url, &distro, &shared, &bootstrap)
            .map_err(|error| match error {
                PeerError::Corrupt(said) => StepError::Terminal(said),
                PeerError::Failed(said) => StepError::Again(said),
            })?;
        context.pairing.remembered = true;
    }
    let credential = credential(context);
    prove_endpoint(context)?;
    let mut connection = context.peer.connect(Role::Operator, &credential, CONNECT);
    if matches!(connection, Connection::PairingRequired(_)) {
        context.peer.disconnect(Role::Operator);
        approve_latest(context)?;
        context.seconds(2);
        prove_endpoint(context)?;
        connection = context.peer.connect(Role::Operator, &credential, RECONNECT);
    }
    let (protocol, version) = connection
        .connected()
        .map_err(|said| StepError::again(format!("operator: {said}")))?;
    check_release(context, protocol, &version)
}

fn credential(context: &Context<'_>) -> Credential {
    if context.token.is_empty() {
        Credential::Bootstrap(context.bootstrap.clone())
    } else {
        Credential::Shared(context.token.clone())
    }
}

pub(super) fn check_release(
    context: &Context<'_>,
    protocol: u32,
    version: &str,
) -> Result<(), StepError> {
    let selected = &context.config.version;
    let is_fine = protocol == PROTOCOL && version == selected;
    if is_fine || context.errs(Mutation::AnyReleaseWillDo) {
        return Ok(());
    }
    Err(StepError::terminal(format!(
        "CompatibilityFailure: expected protocol {PROTOCOL} and gateway {selected}, got protocol {protocol} and gateway {version}"
    )))
}

/// No credential goes to a port whose owner is not proven.
pub(super) fn prove_endpoint(context: &mut Context<'_>) -> Result<(), StepError> {
    let url = context.config.url().replacen("ws://", "http://", 1);
    if !context.peer.reaches(&url) {
        return Err(StepError::again(format!(
            "{url} is not reachable from Windows"
        )));
    }
    let port = context.config.gateway_port;
    match context.peer.owner(port) {
        Owner::Expected => {}
        Owner::NoListener if context.errs(Mutation::NobodyListensForGood) => {
            return Err(StepError::terminal(format!(
                "nobody listens on port {port}"
            )));
        }
        Owner::NoListener => {
            return Err(StepError::again(format!("nobody listens on port {port}")));
        }
        Owner::Unknown(_) if context.errs(Mutation::AnyOwnerWillDo) => {}
        Owner::Unknown(who) => {
            return Err(StepError::terminal(format!(
                "port {port} belongs to {who}: no credential was sent"
            )));
        }
    }
    if guest_owns(context) {
        Ok(())
    } else {
        Err(StepError::again(format!(
            "port {port} in the distro is not held by the gateway's main process: no credential was sent"
        )))
    }
}

/// Ids are put into a shell's command line: anything else is never run.
fn safe<'id>(context: &Context<'_>, id: &'id str) -> Result<&'id str, StepError> {
    let mut chars = id.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest = chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-'));
    if (first && rest && id.len() <= 128) || context.errs(Mutation::RunsAnyRequestId) {
        return Ok(id);
    }
    Err(StepError::terminal(
        "the gateway named a request id that is not safe to run: nothing was approved",
    ))
}

fn json(finished: &Finished) -> Option<Value> {
    serde_json::from_str(decode(&finished.stdout).trim()).ok()
}

fn refuse_missing_plugin(context: &Context<'_>, finished: &Finished) -> Result<(), StepError> {
    if context.errs(Mutation::PluginIsTriedAgain) {
        return Ok(());
    }
    let text = finished.text().to_ascii_lowercase();
    if text.contains("plugin not found") && text.contains("device-pair") {
        return Err(StepError::terminal(
            "the gateway has no device-pair plugin\nhint: upgrade OpenClaw in the distro",
        ));
    }
    Ok(())
}

/// Approves the latest pending device; `false` when nothing is pending. `--latest` only says which it would be.
pub(super) fn approve_one(context: &mut Context<'_>) -> Result<bool, StepError> {
    if !context.config.auto_approve_pairing {
        return Err(StepError::terminal(
            "the gateway wants an approval, and AutoApprovePairing is off",
        ));
    }
    let preview = context.cli("openclaw devices approve --latest --json", None, 30);
    refuse_missing_plugin(context, &preview)?;
    let answer = json(&preview);
    if answer.is_none() && preview.text().contains("No pending") {
        return Ok(false);
    }
    let id = |path: &str| Some(answer.as_ref()?.pointer(path)?.as_str()?.to_owned());
    if let Some(selected) = id("/selected/requestId") {
        let id = safe(context, &selected)?;
        approve(context, "devices", id)?;
        return Ok(true);
    }
    match id("/requestId") {
        Some(direct) if preview.success() => safe(context, &direct).map(|_| true),
        _ => Err(context.again("openclaw devices approve --latest", &preview)),
    }
}

fn approve(context: &mut Context<'_>, what: &str, id: &str) -> Result<(), StepError> {
    let done = context.cli(
        &format!("openclaw {what} approve \"$OPENCLAW_APPROVAL_REQUEST_ID\" --json"),
        Some(id),
        30,
    );
    refuse_missing_plugin(context, &done)?;
    if done.success() {
        Ok(())
    } else {
        Err(context.again(&format!("openclaw {what} approve"), &done))
    }
}

pub(super) fn approve_latest(context: &mut Context<'_>) -> Result<(), StepError> {
    if approve_one(context)? {
        Ok(())
    } else {
        Err(StepError::again(
            "the gateway wants an approval, and nothing is pending",
        ))
    }
}

/// Approves devices until none is pending.
pub(super) fn drain_devices(context: &mut Context<'_>) -> Result<(), StepError> {
    for _ in 0..ROUNDS {
        if !approve_one(context)? {
            return Ok(());
        }
    }
    Err(StepError::again(format!(
        "after {ROUNDS} approvals there is still a pending device"
    )))
}

/// Ids of nodes that are pending.
fn pending_nodes(context: &mut Context<'_>) -> Result<Vec<String>, StepError> {
    let list = context.cli("openclaw nodes list --json", None, 30);
    let Some(list) = json(&list).filter(|_| list.success()) else {
        return Err(context.again("openclaw nodes list", &list));
    };
    let pending = list
        .get("pending")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    Ok(pending
        .iter()
        .filter_map(|request| Some(request.get("requestId")?.as_str()?.to_owned()))
        .collect())
}

/// Approves nodes until none is pending.
pub(super) fn drain_nodes(context: &mut Context<'_>) -> Result<(), StepError> {
    for _ in 0..ROUNDS {
        let pending = pending_nodes(context)?;
        if pending.is_empty() {
            return Ok(());
        }
        for id in pending {
            let id = safe(context, &id)?;
            approve(context, "nodes", id)?;
        }
    }
    Err(StepError::again(format!(
        "after {ROUNDS} rounds there is still a pending node"
    )))
}

pub(super) fn node(context: &mut Context<'_>) -> Result<(), StepError> {
    prove_endpoint(context)?;
    if !context.errs(Mutation::DrainsNothing) {
        drain_devices(context)?;
    }
    prove_endpoint(context)?;
    let credential = credential(context);
    let mut connection = context.peer.connect(Role::Node, &credential, CONNECT);
    if let Connection::PairingRequired(request) = connection {
        context.peer.disconnect(Role::Node);
        approve_node(context, request)?;
        context.seconds(2);
        connection = context.peer.connect(Role::Node, &credential, RECONNECT);
    }
    if context.peer.is_cancelled() {
        return Err(StepError::Cancelled);
    }
    connection
        .connected()
        .map(drop)
        .map_err(|said| StepError::again(format!("node: {said}")))
}

fn approve_node(context: &mut Context<'_>, request: Option<String>) -> Result<(), StepError> {
    if let Some(id) = request.filter(|id| safe(context, id).is_ok()) {
        return approve(context, "devices", &id);
    }
    match pending_nodes(context)?.as_slice() {
        [one] => {
            let id = safe(context, one)?;
            approve(context, "nodes", id)
        }
        [first, ..] if context.errs(Mutation::ApprovesTheFirst) => approve(context, "nodes", first),
        [] => Err(StepError::again(
            "the gateway wants an approval, and no node is pending",
        )),
        many => Err(StepError::again(format!(
            "{} nodes are pending: it can't be told which is this one",
            many.len()
        ))),
    }
}

pub(super) fn forget(context: &mut Context<'_>) -> Result<(), String> {
    context.peer.disconnect(Role::Node);
    context.peer.disconnect(Role::Operator);
    context.pairing.remembered = false;
    let distro = context.config.distro_name.clone();
    context
        .peer
        .forget(&distro)
        .map_err(|error| error.to_string())
}
