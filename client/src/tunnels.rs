//! The tunnels of one client: started, watched and stopped for its driver.

use std::collections::BTreeMap;

use client_core::{EndpointOwner, Input, SshTunnel, TunnelId};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::tunnel::{Owner, Ssh, TunnelEvent, TunnelPlan, TunnelSender, run};

/// News of tunnels that wait for the core; each tunnel has two in its life.
const EVENTS: usize = 16;

pub(crate) struct Tunnels {
    ssh: Option<Ssh>,
    running: BTreeMap<TunnelId, Running>,
    tasks: JoinSet<()>,
    /// Made with the first tunnel: most clients have none.
    news: Option<(TunnelSender, mpsc::Receiver<(TunnelId, TunnelEvent)>)>,
}

struct Running {
    gateway_id: String,
    /// A tunnel on a port of its own, for a validation.
    is_trial: bool,
    task: AbortHandle,
    up: Option<(u16, Owner)>,
    was_foreign: bool,
}

impl Tunnels {
    pub(crate) fn new(ssh: Option<Ssh>) -> Self {
        Self {
            ssh,
            running: BTreeMap::new(),
            tasks: JoinSet::new(),
            news: None,
        }
    }

    pub(crate) fn start(
        &mut self,
        id: TunnelId,
        gateway_id: String,
        spec: SshTunnel,
    ) -> Result<(), String> {
        let ssh = self.ssh.clone().ok_or("this client runs no ssh")?;
        let is_trial = spec.local_port == 0;
        let plan = TunnelPlan { id, spec, ssh };
        let (sender, _) = self.news.get_or_insert_with(|| mpsc::channel(EVENTS));
        let task = self.tasks.spawn(run(plan, sender.clone()));
        let running = Running {
            gateway_id,
            is_trial,
            task,
            up: None,
            was_foreign: false,
        };
        self.running.insert(id, running);
        Ok(())
    }

    pub(crate) fn stop(&mut self, id: TunnelId) {
        if let Some(tunnel) = self.running.remove(&id) {
            tunnel.task.abort();
        }
    }

    /// Waits for the next news. `None` when it concerns a tunnel that was stopped.
    pub(crate) async fn next(&mut self) -> Option<Input> {
        let Some((_, news)) = &mut self.news else {
            return std::future::pending().await;
        };
        let (tunnel, event) = tokio::select! {
            biased;
            Some(news) = news.recv() => news,
            Some(_) = self.tasks.join_next() => return None,
            else => std::future::pending().await,
        };
        let running = self.running.get_mut(&tunnel)?;
        match event {
            TunnelEvent::Up { local_port, owner } => {
                running.up = Some((local_port, owner));
                Some(Input::TunnelUp { tunnel, local_port })
            }
            TunnelEvent::Down { error } => {
                self.running.remove(&tunnel);
                Some(Input::TunnelDown { tunnel, error })
            }
        }
    }

    /// Looks again who owns the near ends, and tells what has changed.
    pub(crate) fn findings(&mut self) -> Vec<Input> {
        let Some(ssh) = &self.ssh else {
            return Vec::new();
        };
        let mut findings = Vec::new();
        let mut lost = Vec::new();
        for (id, tunnel) in &mut self.running {
            let Some((port, owner)) = tunnel.up else {
                continue;
            };
            let is_foreign = !ssh.still_owns(port, owner);
            if is_foreign && tunnel.is_trial {
                lost.push(*id);
            } else if is_foreign != tunnel.was_foreign {
                tunnel.was_foreign = is_foreign;
                let owner = if is_foreign {
                    EndpointOwner::Foreign
                } else {
                    EndpointOwner::Expected { proof: id.0 }
                };
                let gateway_id = tunnel.gateway_id.clone();
                findings.push(Input::EndpointOwner { gateway_id, owner });
            }
        }
        for tunnel in lost {
            self.stop(tunnel);
            let error = "the near end's owner changed; credentials were not sent".to_owned();
            findings.push(Input::TunnelDown { tunnel, error });
        }
        findings
    }

    pub(crate) async fn shutdown(&mut self) {
        self.running.clear();
        self.tasks.shutdown().await;
    }
}
