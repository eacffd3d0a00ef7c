//! One tunnel from its start to its end, as one task; dropping it ends `ssh`.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::command::arguments;
use super::listeners::{Owner, Ownership, ownership};
use super::{TunnelEvent, TunnelPlan, TunnelSender};
use crate::sanitize::sanitize_log;

/// How long `ssh` may take until its near end listens, and how often that is looked at. ref: §24
const START: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(50);
/// What is kept of that which `ssh` says on stderr.
const STDERR: u64 = 2_048;

pub(crate) async fn run(plan: TunnelPlan, events: TunnelSender) {
    let id = plan.id;
    let error = match start(&plan).await {
        Ok((mut child, local_port, owner)) => {
            // A driver that is gone has dropped this task as well.
            drop(
                events
                    .send((id, TunnelEvent::Up { local_port, owner }))
                    .await,
            );
            ended(&mut child).await
        }
        Err(error) => error,
    };
    drop(events.send((id, TunnelEvent::Down { error })).await);
}

/// Starts `ssh` and waits until the near end is its own, or says why not.
async fn start(plan: &TunnelPlan) -> Result<(Child, u16, Owner), String> {
    let port = free_port(plan)?;
    let arguments = arguments(&plan.spec, port, plan.ssh.config_file.as_deref())
        .map_err(|error| error.to_string())?;
    let mut child = Command::new(&plan.ssh.program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("start {}: {error}", plan.ssh.program.display()))?;
    let owner = child.id().and_then(|pid| plan.ssh.listeners.process(pid));
    let Some(owner) = owner else {
        return Err(ended(&mut child).await);
    };
    let listens = tokio::select! {
        biased;
        _ = child.wait() => return Err(ended(&mut child).await),
        listens = timeout(START, until_it_listens(plan, port, owner)) => listens,
    };
    match listens {
        Ok(Ok(())) => Ok((child, port, owner)),
        Ok(Err(error)) => Err(error),
        Err(_elapsed) => Err(format!(
            "ssh did not listen on port {port} within {} s",
            START.as_secs()
        )),
    }
}

/// The near end's port. Nobody may listen there on loopback: a squatter would get the credentials.
fn free_port(plan: &TunnelPlan) -> Result<u16, String> {
    let port = match plan.spec.local_port {
        0 => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|socket| socket.local_addr())
            .map_err(|error| format!("find a free port: {error}"))?
            .port(),
        port => port,
    };
    let nobody = Owner { pid: 0, started: 0 };
    let found = plan.ssh.listeners.on_port(port);
    let found = found.map_err(|error| format!("look who listens on port {port}: {error}"))?;
    match ownership(&found, nobody) {
        Ownership::Nobody => Ok(port),
        Ownership::Ours | Ownership::Foreign => Err(format!(
            "local port {port} is in use; credentials were not sent"
        )),
    }
}

async fn until_it_listens(plan: &TunnelPlan, port: u16, owner: Owner) -> Result<(), String> {
    let mut polls = interval(POLL);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        polls.tick().await;
        let found = plan.ssh.listeners.on_port(port);
        let found = found.map_err(|error| format!("look who listens on port {port}: {error}"))?;
        match ownership(&found, owner) {
            Ownership::Ours => return Ok(()),
            Ownership::Nobody => {}
            Ownership::Foreign => {
                return Err(format!(
                    "local port {port} was taken by another process; credentials were not sent"
                ));
            }
        }
    }
}

/// Waits for the end of `ssh`; its own words say best what happened.
async fn ended(child: &mut Child) -> String {
    let mut said = Vec::new();
    let stderr = child.stderr.take();
    if let Some(stderr) = stderr {
        // Read to the end, so that ssh never blocks on a full pipe; what is too much is dropped.
        let mut kept = stderr.take(STDERR);
        drop(kept.read_to_end(&mut said).await);
        drop(tokio::io::copy(&mut kept.into_inner(), &mut tokio::io::sink()).await);
    }
    let code = child.wait().await.ok().as_ref().and_then(ExitStatus::code);
    let code = code.map_or_else(|| "a signal".to_owned(), |code| format!("code {code}"));
    let said = sanitize_log(String::from_utf8_lossy(&said).trim());
    if said.is_empty() {
        format!("ssh ended with {code}")
    } else {
        format!("ssh ended with {code}: {said}")
    }
}
