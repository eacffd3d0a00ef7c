//! The looks at managed ports of one client: started and awaited for its driver, and what has to wait for them.
//!
//! A look may take seconds, because a distribution is asked. Only what it is for waits, and what must not overtake that:
//! later messages of the same socket, and later wishes about connections.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use client_core::{EndpointOwner, Input, ManagedEndpoint};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::owner::OwnerProbe;

/// How long a probe may take; a little more than it gives a distribution.
const LOOK: Duration = Duration::from_secs(6);

pub(crate) struct Endpoints {
    probe: Option<Arc<dyn OwnerProbe>>,
    looks: JoinSet<(String, EndpointOwner)>,
    found: Vec<Input>,
    look: Option<Look>,
    /// What came behind the input of the look and keeps its place.
    waiting: VecDeque<Input>,
}

/// What all the looks that run are for.
struct Look {
    /// `None` when a deadline is to open a socket.
    input: Option<Input>,
    /// The gateways nothing is known of yet.
    missing: Vec<String>,
}

/// What a look found.
pub(crate) struct Found {
    pub(crate) findings: Vec<Input>,
    /// What waited for it; `None` for a deadline.
    pub(crate) input: Option<Input>,
    /// What waited behind that, in its order.
    pub(crate) waiting: VecDeque<Input>,
}

impl Endpoints {
    pub(crate) fn new(probe: Option<Arc<dyn OwnerProbe>>) -> Self {
        Self {
            probe,
            looks: JoinSet::new(),
            found: Vec::new(),
            look: None,
            waiting: VecDeque::new(),
        }
    }

    pub(crate) fn is_looking(&self) -> bool {
        self.look.is_some()
    }

    /// Looks before an input, or a deadline, goes on; false when there is nothing to look at or nobody to do it.
    pub(crate) fn look(
        &mut self,
        endpoints: Vec<ManagedEndpoint>,
        input: &mut Option<Input>,
    ) -> bool {
        let Some(probe) = self.probe.clone().filter(|_| !endpoints.is_empty()) else {
            return false;
        };
        let missing = endpoints.iter().map(|it| it.gateway_id.clone()).collect();
        for endpoint in endpoints {
            let (id, probe) = (endpoint.gateway_id.clone(), Arc::clone(&probe));
            self.looks.spawn(async move {
                let owner = timeout(LOOK, probe.look(endpoint)).await;
                (id, owner.unwrap_or(EndpointOwner::Foreign))
            });
        }
        let input = input.take();
        self.look = Some(Look { input, missing });
        true
    }

    /// Whether an input has to stay behind what waits for the look that runs.
    pub(crate) fn is_ahead_of(&self, input: &Input) -> bool {
        let first = self.look.iter().filter_map(|look| look.input.as_ref());
        let mut earlier = first.chain(&self.waiting);
        match input {
            Input::User(intent) if intent.is_about_connections() => {
                earlier.any(|earlier| matches!(earlier, Input::User(_)))
            }
            Input::Message { socket, .. } | Input::Closed { socket, .. } => earlier.any(
                |earlier| matches!(earlier, Input::Message { socket: same, .. } if same == socket),
            ),
            Input::User(_)
            | Input::Opened { .. }
            | Input::OpenFailed { .. }
            | Input::Stored { .. }
            | Input::IdentityRead { .. }
            | Input::EndpointOwner { .. }
            | Input::TunnelUp { .. }
            | Input::TunnelDown { .. }
            | Input::Probed { .. }
            | Input::Restarted { .. }
            | Input::InvokeDone { .. }
            | Input::Woke => false,
        }
    }

    /// Keeps an input until the look that runs is over.
    pub(crate) fn wait(&mut self, input: Input) {
        self.waiting.push_back(input);
    }

    /// Waits for all looks, or for ever when nobody looks. May be called again when it was dropped.
    pub(crate) async fn found(&mut self) -> Found {
        let Some(look) = &mut self.look else {
            return std::future::pending().await;
        };
        while let Some(seen) = self.looks.join_next().await {
            let Ok((gateway_id, owner)) = seen else {
                continue;
            };
            look.missing.retain(|id| *id != gateway_id);
            self.found.push(Input::EndpointOwner { gateway_id, owner });
        }
        // A probe that broke has proven nothing.
        let missing = std::mem::take(&mut look.missing);
        self.found
            .extend(missing.into_iter().map(|gateway_id| Input::EndpointOwner {
                gateway_id,
                owner: EndpointOwner::Foreign,
            }));
        Found {
            findings: std::mem::take(&mut self.found),
            input: self.look.take().and_then(|look| look.input),
            waiting: std::mem::take(&mut self.waiting),
        }
    }

    pub(crate) async fn shutdown(&mut self) {
        self.look = None;
        self.looks.shutdown().await;
    }
}
