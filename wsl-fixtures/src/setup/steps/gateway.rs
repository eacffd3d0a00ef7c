//! The gateway: configured, installed as a service, started and healthy.

use serde_json::Value;

use super::super::context::Context;
use super::super::engine::StepError;
use super::super::mutation::Mutation;
use super::super::scripts;
use super::distro::is_there;
use crate::output::decode;

/// How long the gateway may take until it answers.
const HEALTH_SECONDS: u64 = 90;

pub(super) fn configure(context: &mut Context<'_>) -> Result<(), StepError> {
    if context.token.is_empty() {
        let token = context.peer.fresh_token();
        context.token = token.map_err(|error| StepError::Terminal(error.to_string()))?;
    }
    let lines = scripts::config_lines(&context.config);
    // A fixed limit would cut off a slow machine after its work was done.
    let limit = if context.errs(Mutation::FixedTime) {
        30
    } else {
        180.max(45 + 15 * u64::try_from(lines.len()).unwrap_or(u64::MAX))
    };
    let script = format!(
        "openclaw plugins registry --refresh && {} && echo GATEWAY_CONFIGURED",
        lines.join(" && ")
    );
    let done = context.cli(&script, None, limit);
    if done.success() && done.text().contains("GATEWAY_CONFIGURED") {
        return Ok(());
    }
    Err(context.again("the gateway's configuration", &done))
}

pub(super) fn install_service(context: &mut Context<'_>) -> Result<(), StepError> {
    let done = context.cli("openclaw gateway install --force", None, 60);
    if done.success() {
        Ok(())
    } else {
        Err(context.again("openclaw gateway install", &done))
    }
}

pub(super) fn remove_service(context: &mut Context<'_>) -> Result<(), String> {
    if !is_there(context) {
        return Ok(());
    }
    let done = context.cli("openclaw gateway uninstall", None, 30);
    if done.success() {
        Ok(())
    } else {
        Err(context.said("openclaw gateway uninstall", &done))
    }
}

pub(super) fn start(context: &mut Context<'_>) -> Result<(), StepError> {
    let port = context.config.gateway_port;
    let listeners = context.script(None, "ss -tlnp", 10);
    let line = decode(&listeners.stdout)
        .lines()
        .find(|line| {
            line.split_whitespace()
                .any(|word| word.ends_with(&format!(":{port}")))
        })
        .map(ToOwned::to_owned);
    if let Some(line) = line {
        let is_ours = line.contains("openclaw")
            || context.errs(Mutation::AnyOwnerWillDo)
            || guest_owns(context);
        if !is_ours {
            return Err(StepError::again(format!(
                "port {port} in the distro belongs to somebody else: {}",
                line.trim()
            )));
        }
    }
    let mut started = context.cli("openclaw gateway start", None, 30);
    if !started.success() && started.text().contains("start-limit") {
        context.script(
            None,
            "systemctl --user reset-failed openclaw-gateway.service",
            15,
        );
        context.seconds(2);
        started = context.cli("openclaw gateway start", None, 30);
    }
    if !started.success() {
        return Err(context.again("openclaw gateway start", &started));
    }
    wait_until_healthy(context)
}

pub(super) fn wait_until_healthy(context: &mut Context<'_>) -> Result<(), StepError> {
    let script = scripts::health(context.config.gateway_port);
    let deadline = context.now() + std::time::Duration::from_secs(HEALTH_SECONDS);
    loop {
        let status = decode(&context.script(None, &script, 10).stdout);
        if matches!(status.trim(), "200" | "401" | "403") {
            context.is_healthy = true;
            return Ok(());
        }
        if context.now() >= deadline {
            break;
        }
        context.seconds(2);
    }
    let journal = context.script(None, "systemctl --user status openclaw-gateway; journalctl --user-unit openclaw-gateway.service -n 30", 15);
    let text = shorten_hex(&context.clean(&journal.text()));
    Err(StepError::again(format!(
        "the gateway did not answer within {HEALTH_SECONDS} s; its journal ends with: {}",
        text.trim()
    )))
}

/// Runs of 32 hex digits and more may be tokens: eight digits are enough to compare them.
fn shorten_hex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| !c.is_ascii_hexdigit()) {
        let digits = piece.trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        let head = if digits.len() >= 32 {
            digits.get(..8)
        } else {
            None
        };
        match head {
            Some(head) => {
                out.push_str(head);
                out.push_str("...");
                out.push_str(piece.get(digits.len()..).unwrap_or_default());
            }
            None => out.push_str(piece),
        }
    }
    out
}

/// Whether the service's main process is the one that listens: proven inside the distro.
pub(super) fn guest_owns(context: &mut Context<'_>) -> bool {
    let port = context.config.gateway_port;
    let script = format!(
        "pid=$(systemctl --user show -p MainPID --value openclaw-gateway)\n[ -n \"$pid\" ] && [ \"$pid\" != 0 ] || exit 1\nss -ltnp | grep -F \":{port} \" | grep -qF \"pid=$pid,\"\n"
    );
    context.stdin_script(&script, 5).success()
}

pub(super) fn stop(context: &mut Context<'_>) -> Result<(), String> {
    context.is_healthy = false;
    let name = context.config.distro_name.clone();
    let runs = context.wsl.list().is_ok_and(|rows| {
        rows.iter()
            .any(|row| row.name == name && row.state == "Running")
    });
    if !runs {
        return Ok(());
    }
    let stopped = context.script(None, "systemctl --user stop openclaw-gateway", 5);
    if stopped.success() {
        Ok(())
    } else {
        Err(context.said("systemctl --user stop", &stopped))
    }
}

pub(super) fn mint(context: &mut Context<'_>) -> Result<(), StepError> {
    let said = context.cli("openclaw qr --json", None, 30);
    if !said.success() {
        return Err(context.again("openclaw qr", &said));
    }
    let json: Value = serde_json::from_str(decode(&said.stdout).trim())
        .map_err(|error| StepError::again(format!("openclaw qr printed no JSON: {error}")))?;
    let code = ["bootstrapToken", "setupCode"]
        .iter()
        .find_map(|key| json.get(key)?.as_str());
    // The shared token never stands in for it.
    let code = code
        .ok_or_else(|| StepError::again("openclaw qr gave neither bootstrapToken nor setupCode"))?;
    code.clone_into(&mut context.bootstrap);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_hex_is_shortened_and_the_rest_stays() {
        let token = "a1".repeat(32);
        assert_eq!(
            shorten_hex(&format!("token={token}, pid 12ab")),
            "token=a1a1a1a1..., pid 12ab"
        );
        assert_eq!(shorten_hex(&"f".repeat(31)), "f".repeat(31));
    }
}
