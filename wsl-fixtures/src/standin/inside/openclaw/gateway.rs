//! `openclaw gateway`: the service as a user unit, and calls to it.

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::super::control::Control;
use super::super::unit::Place;
use super::super::{Failed, Said, units};
use super::config;

/// What starts the gateway: a JSON array of words, `{port}` and `{token}` standing for the configured ones.
const COMMAND: &str = "/etc/clawproof/gateway.json";
const UNIT: &str = "openclaw-gateway";

/// Install, uninstall, start, stop, restart.
pub(super) fn service(verb: &str) -> Said {
    let place = Place::of(UNIT)?;
    match verb {
        "install" => install(&place),
        "uninstall" => {
            units::systemctl(&words(&["--user", "disable", "--now", UNIT]))?;
            if place.file().exists() {
                std::fs::remove_file(place.file())?;
            }
            Ok("Gateway service removed.\n".to_owned())
        }
        verb => {
            if !place.file().exists() {
                return Err(Failed(
                    1,
                    "Gateway service not installed.\nhint: openclaw gateway install".to_owned(),
                ));
            }
            units::systemctl(&words(&["--user", verb, UNIT]))
        }
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn install(place: &Place) -> Said {
    let text = std::fs::read_to_string(COMMAND).map_err(|error| {
        Failed(
            1,
            format!(
                "{COMMAND}: {error}\nhint: it is a JSON array with the words that start a gateway"
            ),
        )
    })?;
    let command: Vec<String> = serde_json::from_str(&text).map_err(|error| {
        Failed(
            1,
            format!(
                "{COMMAND}: {error}\nhint: it is a JSON array with the words that start a gateway"
            ),
        )
    })?;
    let (port, token) = (port()?, configured("gateway.auth.token")?);
    let exec: Vec<String> = command
        .iter()
        .map(|word| {
            format!(
                "\"{}\"",
                word.replace("{port}", &port).replace("{token}", &token)
            )
        })
        .collect();
    let file = place.file();
    let folder = file.parent().unwrap_or_else(|| Path::new("/"));
    std::fs::create_dir_all(folder)?;
    let mut draft = tempfile::NamedTempFile::new_in(folder)?;
    write!(
        draft,
        "[Unit]\nDescription=OpenClaw Gateway\n\n[Service]\nExecStart={}\nRestart=always\n{}\n[Install]\nWantedBy=default.target\n",
        exec.join(" "),
        units::output(place)?
    )?;
    draft
        .persist(file)
        .map_err(|error| Failed(1, error.to_string()))?;
    units::systemctl(&words(&["--user", "daemon-reload"]))?;
    units::systemctl(&words(&["--user", "enable", UNIT]))?;
    Ok("Installed systemd service.\n".to_owned())
}

/// A value as text; empty when there is none.
fn configured(key: &str) -> Result<String, Failed> {
    let value = config::value(key)?;
    Ok(value.map_or_else(String::new, |value| {
        let text = value.as_str().map(ToOwned::to_owned);
        text.unwrap_or_else(|| value.to_string())
    }))
}

/// The configured port, or the one that a gateway takes by itself.
fn port() -> Result<String, Failed> {
    let port = configured("gateway.port")?;
    Ok(if port.is_empty() {
        "18789".to_owned()
    } else {
        port
    })
}

/// `gateway status --json`.
pub(super) fn status() -> Said {
    let place = Place::of(UNIT)?;
    let pid = units::main_pid(&place)?;
    let word = if pid == 0 { "stopped" } else { "running" };
    let status = json!({"service": {"loaded": place.file().exists(), "runtime": {"status": word, "pid": pid}}});
    Ok(format!("{status}\n"))
}

/// `qr --json`: the address in the code is that of the configured port, whatever the gateway knows of it.
pub(super) fn qr() -> Said {
    let url = format!("ws://localhost:{}", port()?);
    let order = json!({"verb": "mint_setup_code", "url": url});
    Ok(format!("{}\n", Control::find()?.order(&order)?))
}

/// `gateway call METHOD --params JSON --json --timeout MS`.
pub(super) fn call(method: &str, words: &[&str]) -> Said {
    let option = |name: &str| -> Option<&str> {
        words
            .iter()
            .position(|word| *word == name)
            .and_then(|at| words.get(at + 1).copied())
    };
    let params: Value = serde_json::from_str(option("--params").unwrap_or("{}"))?;
    let control = Control::find()?;
    match method {
        "health" => Ok(format!(
            "{}\n",
            json!({"ok": true, "payload": control.state("devices").map(|_| json!({"status": "ok"}))?})
        )),
        "node.invoke" => {
            let mut order = json!({"verb": "invoke"});
            for (key, name) in [
                ("node_id", "nodeId"),
                ("command", "command"),
                ("params", "params"),
                ("timeout_ms", "timeoutMs"),
                ("idempotency_key", "idempotencyKey"),
            ] {
                if let (Some(value), Some(order)) = (params.get(name), order.as_object_mut()) {
                    order.insert(key.to_owned(), value.clone());
                }
            }
            Ok(format!("{}\n", control.order(&order)?))
        }
        method => Err(Failed(
            1,
            format!(
                "gateway call {method}: this stand-in calls health and node.invoke\nhint: install the real openclaw for the rest"
            ),
        )),
    }
}
