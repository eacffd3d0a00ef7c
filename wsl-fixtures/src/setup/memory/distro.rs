//! The distro: it knows the scripts of the set-up by the words in them.

use serde_json::json;

use super::{Pending, Shared, World};
use crate::machine::{Change, Execution};
use crate::model::Inside;
use crate::wsl::Finished;

/// What is in the distro.
#[derive(Debug)]
pub struct MemoryDistro(Shared);

impl MemoryDistro {
    pub(super) fn new(world: Shared) -> Self {
        Self(world)
    }
}

fn says(text: &str) -> Finished {
    Finished {
        exit: Some(0),
        stdout: format!("{text}\n").into_bytes(),
        ..Finished::default()
    }
}

fn fails(exit: i32, text: &str) -> Finished {
    Finished {
        exit: Some(exit),
        stderr: format!("{text}\n").into_bytes(),
        ..Finished::default()
    }
}

/// Success in silence, or failure.
fn ends(ok: bool) -> Finished {
    Finished {
        exit: Some(i32::from(!ok)),
        ..Finished::default()
    }
}

impl Inside for MemoryDistro {
    fn run(&mut self, execution: &Execution, stdin: &[u8]) -> Finished {
        let mut world = self.0.borrow_mut();
        let input = String::from_utf8_lossy(stdin);
        let last = execution.words.last().map_or("", String::as_str);
        let script = if last == "-s" { input.as_ref() } else { last };
        let answer = system(&mut world, script)
            .or_else(|| service(&mut world, execution, script))
            .or_else(|| pairing(&mut world, script));
        answer.unwrap_or_else(|| fails(127, &format!("bash: {script}: command not found")))
    }

    fn follow(&mut self, change: &Change) {
        let mut world = self.0.borrow_mut();
        match change {
            Change::Stopped(_) => world.stop(),
            Change::Made(_) | Change::Removed(_) => world.forget_distro(),
            Change::Exported(..) | Change::Imported(..) => {}
        }
    }
}

/// User, files and the installer.
fn system(world: &mut World, script: &str) -> Option<Finished> {
    let has = |words: &str| script.contains(words);
    Some(if has("OPENCLAW_FRESH_WSL_READY") {
        says("0\nOPENCLAW_FRESH_WSL_READY")
    } else if has("CONFIGURED_OK") {
        world.guest.conf = script
            .split('\'')
            .skip(3)
            .step_by(2)
            .fold(String::new(), |conf, line| conf + line + "\n");
        says("CONFIGURED_OK")
    } else if has("cat /etc/wsl.conf") {
        if world.guest.conf.is_empty() {
            fails(1, "cat: /etc/wsl.conf: No such file or directory")
        } else {
            says(&world.guest.conf)
        }
    } else if has("LOCKDOWN_VALID") {
        if world.guest.conf.is_empty() {
            fails(1, "USER_MISSING")
        } else {
            says("LOCKDOWN_VALID")
        }
    } else if has("install-cli.sh") {
        world.guest.installed = script.rsplit('\'').nth(1).map(ToOwned::to_owned);
        says("installed")
    } else if has("OPENCLAW_PATH_READY") {
        world.guest.linked = true;
        says("OPENCLAW_PATH_READY")
    } else if has("--version") {
        let finds = world.guest.linked || has("/.openclaw/bin/openclaw");
        match &world.guest.installed {
            Some(version) if finds => says(&format!("OpenClaw {version}")),
            _ => fails(127, "openclaw: command not found"),
        }
    } else if has("rm -rf /opt/openclaw") {
        (world.guest.installed, world.guest.linked) = (None, false);
        ends(true)
    } else {
        return None;
    })
}

/// Configuration, service, health.
fn service(world: &mut World, execution: &Execution, script: &str) -> Option<Finished> {
    let has = |words: &str| script.contains(words);
    Some(if has("GATEWAY_CONFIGURED") {
        for line in script
            .split(" && ")
            .filter_map(|line| line.strip_prefix("openclaw config set "))
        {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            let value = value.trim_matches(['\'', '"']).replace(
                "$OPENCLAW_GATEWAY_TOKEN",
                execution
                    .env
                    .get("OPENCLAW_GATEWAY_TOKEN")
                    .map_or("", String::as_str),
            );
            world.guest.config.insert(key.to_owned(), value);
        }
        says("GATEWAY_CONFIGURED")
    } else if let Some(line) = script.split("openclaw config set ").nth(1) {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = value.trim_matches(['\'', '"']).to_owned();
        world.guest.config.insert(key.to_owned(), value);
        ends(true)
    } else if let Some(key) = script.split("openclaw config get ").nth(1) {
        let key = key.split_whitespace().next().unwrap_or_default();
        match world.guest.config.get(key) {
            Some(value) => says(value),
            None => fails(1, &format!("Config path not found: {key}")),
        }
    } else if has("openclaw gateway install") {
        world.guest.service = true;
        ends(true)
    } else if has("openclaw gateway uninstall") {
        world.stop();
        world.guest.service = false;
        ends(true)
    } else if has("openclaw gateway start") {
        ends(world.start())
    } else if has("openclaw gateway restart") {
        world.stop();
        ends(world.start())
    } else if has("openclaw gateway status") {
        says(if world.guest.runs {
            "{\"runtime\":\"running\"}"
        } else {
            "{\"runtime\":\"stopped\"}"
        })
    } else if has("MainPID") {
        ends(world.guest.runs)
    } else if has("ss -tlnp") {
        says("State Recv-Q Send-Q Local Address:Port Peer Address:Port Process")
    } else if has("%{http_code}") {
        says(if world.guest.runs { "200" } else { "000" })
    } else if has("systemctl --user stop") {
        world.stop();
        ends(true)
    } else if has("reset-failed") {
        ends(true)
    } else if has("systemctl --user status") {
        says("inactive (dead)")
    } else {
        return None;
    })
}

/// Codes, devices, nodes, agents.
fn pairing(world: &mut World, script: &str) -> Option<Finished> {
    let has = |words: &str| script.contains(words);
    // wsl.exe has put the id where the variable stood.
    let id = || {
        script
            .rsplit("approve \"")
            .next()
            .and_then(|rest| rest.split('"').next())
            .unwrap_or_default()
            .to_owned()
    };
    let approved = |world: &mut World, what| {
        let id = id();
        match world.approve(what, &id) {
            Ok(()) => says(&json!({"requestId": id}).to_string()),
            Err(said) => fails(1, &said),
        }
    };
    Some(if has("openclaw qr --json") {
        match world.code() {
            Ok(code) => says(&code),
            Err(said) => fails(1, &said),
        }
    } else if has("devices approve --latest") {
        match world.pending(Pending::Device).last() {
            Some(id) => says(&json!({"selected": {"requestId": id}}).to_string()),
            None => fails(1, "No pending device pairing requests."),
        }
    } else if has("devices approve") {
        approved(world, Pending::Device)
    } else if has("nodes approve") {
        approved(world, Pending::Node)
    } else if has("nodes list") {
        let pending: Vec<_> = world
            .pending(Pending::Node)
            .iter()
            .map(|id| json!({"requestId": id}))
            .collect();
        says(&json!({"pending": pending, "paired": []}).to_string())
    } else if has("agents list") {
        says(r#"[{"id":"main","isDefault":true,"workspace":"/home/openclaw/.openclaw/workspace"}]"#)
    } else if has("WINDOWS_NODE_CONTEXT_READY") {
        world.guest.context = true;
        says("WINDOWS_NODE_CONTEXT_READY")
    } else if has("WINDOWS_NODE_CONTEXT_REMOVED") {
        world.guest.context = false;
        says("WINDOWS_NODE_CONTEXT_REMOVED")
    } else {
        return None;
    })
}
