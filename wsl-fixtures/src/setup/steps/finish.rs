//! The proof that everything works, the files that the app reads, and what keeps the distro alive.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::context::{Context, Credential};
use super::super::engine::StepError;
use super::super::mutation::Mutation;
use super::super::peer::{Connection, Role};
use super::super::scripts;
use super::distro::is_there;
use super::pairing::{approve_latest, drain_devices, drain_nodes};
use crate::argv::{Run, Verb};
use crate::output::decode;
use crate::wsl::Call;

const CONNECT: Duration = Duration::from_secs(15);
const STATE: &str = "setup-state.json";
const SETTINGS: &str = "settings.json";
const CONTEXT: &str = "windows-node-context.json";
const KEEPALIVE: &str = "keepalive.json";

pub(super) fn verify(context: &mut Context<'_>) -> Result<(), StepError> {
    let status = context.cli("openclaw gateway status --json", None, 15);
    if !status.text().to_ascii_lowercase().contains("running") {
        return Err(context.again("openclaw gateway status", &status));
    }
    let has_token = context
        .peer
        .has_operator_token()
        .map_err(|error| StepError::terminal(error.to_string()))?;
    if has_token && !context.errs(Mutation::NodeConnectsLast) {
        restore_operator(context)?;
    }
    write_files(context)?;
    drain_devices(context)?;
    drain_nodes(context)?;
    if context.errs(Mutation::KeepsTheBootstrapToken) {
        return Ok(());
    }
    context
        .peer
        .clear_bootstrap()
        .map_err(|error| StepError::again(error.to_string()))
}

/// The node has connected last: the operator connects once more, so that the device is known as an operator's.
fn restore_operator(context: &mut Context<'_>) -> Result<(), StepError> {
    context.seconds(5);
    let mut connection = context
        .peer
        .connect(Role::Operator, &Credential::Device, CONNECT);
    if matches!(connection, Connection::PairingRequired(_)) {
        context.peer.disconnect(Role::Operator);
        approve_latest(context)?;
        context.seconds(2);
        // The approval has replaced the token.
        context
            .peer
            .clear_operator_token()
            .map_err(|error| StepError::again(error.to_string()))?;
        let shared = Credential::Shared(context.token.clone());
        connection = context.peer.connect(Role::Operator, &shared, CONNECT);
    }
    connection
        .connected()
        .map(drop)
        .map_err(|said| StepError::again(format!("the last operator connection: {said}")))
}

fn write_files(context: &Context<'_>) -> Result<(), StepError> {
    let state = json!({
        "SchemaVersion": 2, "Phase": 13, "Status": 7,
        "DistroName": context.config.distro_name, "GatewayUrl": context.config.url(),
        "IsLocalOnly": context.config.bind == "loopback", "TailscaleEnabled": false,
        "FailureCode": null, "UserMessage": null, "Issues": [], "History": [],
    });
    let settings = merged_settings(context)?;
    let save = |name, value: &Value| context.save(name, &format!("{value:#}\n"));
    save(STATE, &state)
        .and_then(|()| save(SETTINGS, &settings))
        .map_err(|error| StepError::again(error.to_string()))
}

/// Members that are not the set-up's stay; a damaged file is set aside.
fn merged_settings(context: &Context<'_>) -> Result<Value, StepError> {
    let path = context.data.join(SETTINGS);
    let mut settings: Map<String, Value> = match std::fs::read_to_string(&path) {
        Err(_) => Map::new(),
        Ok(text) => serde_json::from_str(&text).map_err(|error| {
            let backup = path.with_extension("json.damaged");
            match std::fs::rename(&path, &backup) {
                Ok(()) => StepError::terminal(format!(
                    "{}: {error}; it was set aside as {}",
                    path.display(),
                    backup.display()
                )),
                Err(why) => StepError::terminal(format!(
                    "{}: {error}, and could not be set aside: {why}",
                    path.display()
                )),
            }
        })?,
    };
    settings.insert("EnableNodeMode".to_owned(), Value::Bool(true));
    settings
        .entry("EnableManagedLocalGatewayAutoRepair")
        .or_insert(Value::Bool(true));
    Ok(Value::Object(settings))
}

pub(super) fn remove_files(context: &mut Context<'_>) -> Result<(), String> {
    context.remove(STATE).map_err(|error| error.to_string())
}

pub(super) fn node_context(context: &mut Context<'_>) -> Result<(), StepError> {
    let workspace = workspace(context)?;
    let done = context.stdin_script(&scripts::node_context(&workspace, true), 180);
    match done.exit {
        Some(0) if done.text().contains("WINDOWS_NODE_CONTEXT_READY") => {}
        Some(2) => {
            return Err(StepError::terminal(format!(
                "{workspace}/AGENTS.md leads elsewhere: expected a plain file"
            )));
        }
        Some(4) => {
            return Err(StepError::terminal(format!(
                "{workspace}/AGENTS.md: expected one pair of markers, or none"
            )));
        }
        _ => return Err(context.again("the node context", &done)),
    }
    let state = json!({"targets": [workspace]});
    context
        .save(CONTEXT, &format!("{state}\n"))
        .map_err(|error| StepError::again(error.to_string()))
}

/// The workspace of the default agent. It comes from the gateway: a quote in it would end the script's string.
fn workspace(context: &mut Context<'_>) -> Result<String, StepError> {
    let list = context.cli("openclaw agents list --json", None, 30);
    let agents: Value = serde_json::from_str(decode(&list.stdout).trim())
        .map_err(|_| context.again("openclaw agents list", &list))?;
    let all = agents.as_array().cloned().unwrap_or_default();
    let is_default = |agent: &&Value| {
        agent.get("isDefault") == Some(&Value::Bool(true))
            || agent.get("id") == Some(&Value::from("main"))
    };
    let found = all
        .iter()
        .find(is_default)
        .and_then(|agent| agent.get("workspace")?.as_str());
    let user = &context.config.user;
    let path = found.map_or_else(
        || format!("/home/{user}/.openclaw/workspace"),
        ToOwned::to_owned,
    );
    if path.starts_with('/') && !path.contains(['\'', '\n', '\r']) {
        return Ok(path);
    }
    Err(StepError::terminal(format!(
        "the agent's workspace is no path that can be used: {path}"
    )))
}

pub(super) fn remove_context(context: &mut Context<'_>) -> Result<(), String> {
    let text = std::fs::read_to_string(context.data.join(CONTEXT)).unwrap_or_default();
    let state: Value = serde_json::from_str(&text).unwrap_or_default();
    let targets = state
        .get("targets")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if is_there(context) {
        for target in targets.iter().filter_map(Value::as_str) {
            let done = context.stdin_script(&scripts::node_context(target, false), 180);
            if !done.success() {
                return Err(context.said("the removal of the node context", &done));
            }
        }
    }
    context.remove(CONTEXT).map_err(|error| error.to_string())
}

pub(super) fn keepalive(context: &mut Context<'_>) -> Result<(), StepError> {
    if context.data.join(KEEPALIVE).exists() || context.errs(Mutation::NoKeepalive) {
        return Ok(());
    }
    let name = context.config.distro_name.clone();
    let call = Call::verb(&Verb::Run(Run::command(&name, &["sleep", "infinity"])));
    // Without it the distro may stop when idle: an inconvenience, no failure of the set-up.
    if let Ok(pid) = context.wsl.start(&call) {
        let marker = json!({"pid": pid, "distro": name});
        context
            .save(KEEPALIVE, &format!("{marker}\n"))
            .map_err(|error| StepError::again(error.to_string()))?;
    }
    Ok(())
}

/// The distro is stopped right after this, and its keepalive ends with it: only the marker is left to remove.
pub(super) fn stop_keepalive(context: &mut Context<'_>) -> Result<(), String> {
    context.remove(KEEPALIVE).map_err(|error| error.to_string())
}
