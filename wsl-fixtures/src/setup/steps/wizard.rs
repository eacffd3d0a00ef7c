//! The gateway's own wizard, over the operator's connection.
//!
//! The wizard writes the gateway's configuration, and a gateway that follows its file restarts for that. So following is
//! switched off first and back on at the end, however the wizard ends; and a gateway that restarts all the same is met
//! again from the wizard's beginning, twice at most.
//!
//! ref: setup-and-wsl.md §7

use std::time::Duration;

use serde_json::{Value, json};

use super::super::context::{Context, Credential};
use super::super::engine::StepError;
use super::super::mutation::Mutation;
use super::super::peer::{Asked, Connection, Role};
use super::super::scripts;
use super::super::wizard::{Dialogue, Move, slug};
use super::gateway::wait_until_healthy;
use super::pairing::{approve_latest, check_release, prove_endpoint};
use crate::wsl::Finished;

const CONNECT: Duration = Duration::from_secs(20);
const RECONNECT: Duration = Duration::from_secs(30);
const ASK: Duration = Duration::from_secs(30);
const CANCEL: Duration = Duration::from_secs(10);
/// How often a wizard is begun again because its gateway restarted.
const REPLAYS: u32 = 2;
/// How long the owner of the port may be unknown while the gateway restarts.
const OWNER_SECONDS: u32 = 30;
/// How long the way the gateway follows its file may take to be set again.
const RESTORE: Duration = Duration::from_secs(15);
/// What the gateway's command line says while another start holds the state directory.
const LEASE: &str = "OpenClaw startup migrations are already running for this state directory;";
/// A release whose wizard restarts the gateway with its last question, and that question.
const ENDS_EARLY: (&str, &str) = ("2026.7.1", "model-check");
/// What a person fills in who wants other answers.
const TEMPLATE: &str = "wizard-answers.template.json";

pub(super) fn run(context: &mut Context<'_>) -> Result<(), StepError> {
    prove_endpoint(context)?;
    connect(context, CONNECT)?;
    suspend(context)?;
    context.peer.disconnect(Role::Operator);
    let ended = with_replays(context);
    if context.errs(Mutation::LeavesReloadOff) {
        return ended;
    }
    // However the wizard ended, the gateway follows its file again.
    match (ended, restore(context)) {
        (ended, Ok(())) => ended,
        (Ok(()), Err(said)) => Err(StepError::Terminal(said)),
        (Err(StepError::Cancelled), Err(_)) => Err(StepError::Cancelled),
        (Err(StepError::Again(first) | StepError::Terminal(first)), Err(then)) => {
            Err(StepError::Terminal(format!("{first}; and then: {then}")))
        }
    }
}

fn connect(context: &mut Context<'_>, limit: Duration) -> Result<(), StepError> {
    let credential = Credential::Device;
    let mut connection = context.peer.connect(Role::Operator, &credential, limit);
    if matches!(connection, Connection::PairingRequired(_)) {
        context.peer.disconnect(Role::Operator);
        approve_latest(context)?;
        context.seconds(2);
        connection = context.peer.connect(Role::Operator, &credential, limit);
    }
    let (protocol, version) = connection
        .connected()
        .map_err(|said| StepError::terminal(format!("the wizard's connection: {said}")))?;
    check_release(context, protocol, &version)
}

fn set_reload(context: &mut Context<'_>, mode: &str, limit: u64) -> Finished {
    context.cli(&scripts::reload(mode), None, limit)
}

/// A gateway does not follow its file from here on.
fn suspend(context: &mut Context<'_>) -> Result<(), StepError> {
    let done = set_reload(context, "off", 15);
    if !done.success() {
        return Err(StepError::terminal(
            context.said("openclaw config set gateway.reload.mode", &done),
        ));
    }
    wait_until_healthy(context)?;
    wait_for_owner(context)
}

/// A gateway that restarts has no listener for a while.
fn wait_for_owner(context: &mut Context<'_>) -> Result<(), StepError> {
    let mut left = OWNER_SECONDS;
    loop {
        match prove_endpoint(context) {
            Err(StepError::Again(_)) if left > 0 => {
                left -= 1;
                context.seconds(1);
            }
            proven => return proven,
        }
    }
}

/// What is in the way of a wizard.
enum Trouble {
    /// The gateway went away at this step, with this close code.
    Restarted(String, Option<u16>),
    /// It can't go on, or must not.
    Ended(StepError),
}

impl From<StepError> for Trouble {
    fn from(error: StepError) -> Self {
        Self::Ended(error)
    }
}

fn with_replays(context: &mut Context<'_>) -> Result<(), StepError> {
    let mut replays = 0;
    loop {
        let (at, code) = match once(context) {
            Ok(()) => return Ok(()),
            Err(Trouble::Ended(error)) => return Err(error),
            Err(Trouble::Restarted(at, code)) => (at, code),
        };
        if (context.config.version.as_str(), at.as_str()) == ENDS_EARLY {
            let remark = format!("the gateway restarted at {at}, its last question");
            context.remarks.push(remark);
            return wait_for_owner(context);
        }
        if replays == REPLAYS || context.errs(Mutation::NeverReplays) {
            let how = code.map_or_else(String::new, |code| format!(" ({code})"));
            return Err(StepError::terminal(format!(
                "the gateway went away{how} at '{at}' of its wizard, after {replays} replays"
            )));
        }
        replays += 1;
        context.peer.disconnect(Role::Operator);
        context.seconds(3);
    }
}

/// One wizard, from a connection of its own to its end.
fn once(context: &mut Context<'_>) -> Result<(), Trouble> {
    wait_for_owner(context)?;
    connect(context, RECONNECT)?;
    let mut open = None;
    let result = talk(context, &mut open);
    if let (Err(Trouble::Ended(_)), Some(open)) = (&result, open) {
        // The gateway has one wizard at a time: the next one would find this one in its way.
        let params = json!({ "sessionId": open });
        context.peer.ask("wizard.cancel", params, CANCEL);
    }
    context.peer.disconnect(Role::Operator);
    result
}

fn talk(context: &mut Context<'_>, open: &mut Option<String>) -> Result<(), Trouble> {
    let config = context.config.clone();
    let mut dialogue = Dialogue::new(&config);
    let mut payload = start(context)?;
    let id = payload.get("sessionId").and_then(Value::as_str);
    let id = id.ok_or_else(|| failed("the wizard gave no sessionId"))?;
    *open = Some(id.to_owned());
    let id = json!(id);
    loop {
        if context.peer.is_cancelled() {
            return Err(Trouble::Ended(StepError::Cancelled));
        }
        let is_over = payload.get("done") == Some(&Value::Bool(true));
        let (params, limit) = match dialogue.next(&payload) {
            Ok(Move::Done(remark)) => {
                context.remarks.extend(remark);
                return Ok(());
            }
            Ok(Move::Poll) => {
                context.seconds(1);
                (json!({ "sessionId": id }), ASK)
            }
            Ok(Move::Answer { answer, limit }) => {
                (json!({ "sessionId": id, "answer": answer }), limit)
            }
            Err(said) if is_over => return Err(failed(&said)),
            Err(said) => return Err(unanswered(context, &dialogue, &said)),
        };
        let at = at(&payload);
        payload = ask(context, "wizard.next", params, limit, &at)?;
    }
}

fn failed(said: &str) -> Trouble {
    Trouble::Ended(StepError::terminal(said))
}

/// Somebody has to say more: they find the questions so far in a file.
fn unanswered(context: &Context<'_>, dialogue: &Dialogue<'_>, said: &str) -> Trouble {
    let written = context.save(TEMPLATE, &format!("{:#}\n", dialogue.template()));
    let hint = match written {
        Ok(()) => format!("fill in {TEMPLATE} and give its members as WizardAnswers"),
        Err(error) => format!("give WizardAnswers ({TEMPLATE} could not be written: {error})"),
    };
    failed(&format!("{said}\nhint: {hint}"))
}

/// What the step is called that the gateway has asked.
fn at(payload: &Value) -> String {
    let text = |key: &str| payload.pointer(key).and_then(Value::as_str);
    let names = ["/step/title", "/step/message", "/step/id"];
    let name = names.into_iter().filter_map(text).find(|it| !it.is_empty());
    slug(name.unwrap_or("the start"))
}

fn start(context: &mut Context<'_>) -> Result<Value, Trouble> {
    let first = context
        .peer
        .ask("wizard.start", json!({ "installDaemon": false }), ASK);
    match first {
        // An older release does not know the member, and installs nothing anyway.
        Asked::Refused(said) if said.contains("unexpected property 'installDaemon'") => {
            ask(context, "wizard.start", json!({}), ASK, "the-start")
        }
        first @ (Asked::Answered(_) | Asked::Refused(_) | Asked::Lost(_) | Asked::TimedOut) => {
            told(first, "wizard.start", "the-start")
        }
    }
}

fn ask(
    context: &mut Context<'_>,
    method: &str,
    params: Value,
    limit: Duration,
    at: &str,
) -> Result<Value, Trouble> {
    let asked = context.peer.ask(method, params, limit);
    told(asked, method, at)
}

fn told(asked: Asked, method: &str, at: &str) -> Result<Value, Trouble> {
    match asked {
        Asked::Answered(payload) => Ok(payload),
        Asked::Lost(code) => Err(Trouble::Restarted(at.to_owned(), code)),
        Asked::Refused(said) if is_restart(&said) => Err(Trouble::Restarted(at.to_owned(), None)),
        Asked::Refused(said) => Err(failed(&format!("{method}: {said}"))),
        Asked::TimedOut => Err(failed(&format!("{method}: no answer in time at '{at}'"))),
    }
}

fn is_restart(said: &str) -> bool {
    ["connection lost", "gateway restarting", "service restart"]
        .iter()
        .any(|words| said.contains(words))
}

/// The gateway follows its file again, and has done so once.
fn restore(context: &mut Context<'_>) -> Result<(), String> {
    let deadline = context.now() + RESTORE;
    let mut wait = Duration::from_millis(250);
    loop {
        let left = deadline.saturating_sub(context.now());
        let done = set_reload(context, scripts::RELOAD, left.as_secs().max(1));
        if done.success() {
            break;
        }
        let may_pass = done.text().contains(LEASE) && !context.errs(Mutation::RestoresOnce);
        if !may_pass || context.now() + wait >= deadline {
            return Err(context.said("openclaw config set gateway.reload.mode", &done));
        }
        context.wsl.pause(wait);
        wait = (wait * 2).min(Duration::from_secs(2));
    }
    let done = context.cli("openclaw gateway restart", None, 30);
    if !done.success() {
        return Err(context.said("openclaw gateway restart", &done));
    }
    let stands = wait_until_healthy(context).and_then(|()| wait_for_owner(context));
    stands.map_err(|error| match error {
        StepError::Again(said) | StepError::Terminal(said) => said,
        StepError::Cancelled => "cancelled".to_owned(),
    })
}
