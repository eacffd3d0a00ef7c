//! `openclaw` over the mock gateway: the commands that a set-up calls, with the JSON that it reads.
//!
//! The configuration is a file, the service is a user unit, and everything about devices is asked of the running
//! gateway, so that both sides of a pairing are the same.
//!
//! ref: setup-and-wsl.md §6

mod config;
mod gateway;
mod pairing;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Failed, Said};

/// The version that is installed when nothing says which.
const VERSION: &str = "2026.6.34";

fn home() -> PathBuf {
    std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default()
        .join(".openclaw")
}

fn version() -> String {
    let text = std::fs::read_to_string(home().join("version")).unwrap_or_default();
    if text.trim().is_empty() {
        VERSION.to_owned()
    } else {
        text.trim().to_owned()
    }
}

pub(super) fn run(words: &[String]) -> Said {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["--version" | "-V"] => Ok(format!("OpenClaw {} (clawproof stand-in)\n", version())),
        ["plugins", "registry", "--refresh"] => Ok("Plugin registry refreshed.\n".to_owned()),
        ["config", "set", key, value, ..] => config::set(key, value),
        ["config", "get", key, rest @ ..] => config::get(key, rest.contains(&"--json")),
        ["gateway", verb @ ("install" | "uninstall" | "start" | "stop" | "restart"), ..] => gateway::service(verb),
        ["gateway", "status", ..] => gateway::status(),
        ["gateway", "call", method, rest @ ..] => gateway::call(method, rest),
        ["qr", "--json", ..] => gateway::qr(),
        ["devices", "list", ..] => pairing::list("pending_devices", "devices"),
        ["devices", "approve", "--latest", ..] => pairing::preview(),
        ["devices", "approve", id, ..] => pairing::approve("approve", id),
        ["devices", "remove", id, ..] => pairing::remove(id),
        ["nodes", "list" | "status", ..] => pairing::list("pending_nodes", "nodes"),
        ["nodes", "approve", id, ..] => pairing::approve("approve_node", id),
        ["agents", "list", ..] => Ok(agents()),
        ["setup", "--help"] => Ok("Usage: openclaw setup [options]\n  --baseline          write the baseline configuration\n  --workspace <path>  folder of the agent\n".to_owned()),
        ["setup", rest @ ..] => setup(rest),
        _ => Err(Failed(1, format!("error: unknown command '{}'\nhint: clawproof's stand-in knows what a set-up calls; install the real openclaw for the rest", words.join(" ")))),
    }
}

fn workspace() -> String {
    match config::value("agents.defaults.workspace") {
        Ok(Some(Value::String(path))) => path,
        _ => home().join("workspace").display().to_string(),
    }
}

fn agents() -> String {
    let agents = json!([{"id": "main", "isDefault": true, "workspace": workspace()}]);
    format!("{agents}\n")
}

fn setup(words: &[&str]) -> Said {
    let at = words.iter().position(|word| *word == "--workspace");
    if let Some(path) = at.and_then(|at| words.get(at + 1)) {
        config::set("agents.defaults.workspace", path)?;
    }
    std::fs::create_dir_all(workspace())?;
    Ok("Setup complete.\n".to_owned())
}
