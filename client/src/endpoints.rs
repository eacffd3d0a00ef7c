//! The looks at managed ports of one client: started and awaited for its driver.

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
    /// The input for which it is looked, and the gateways nothing is known of yet.
    held: Option<(Input, Vec<String>)>,
}

impl Endpoints {
    pub(crate) fn new(probe: Option<Arc<dyn OwnerProbe>>) -> Self {
        Self {
            probe,
            looks: JoinSet::new(),
            found: Vec::new(),
            held: None,
        }
    }

    pub(crate) fn is_looking(&self) -> bool {
        self.held.is_some()
    }

    /// Holds the input until these have been looked at; gives it back when there is nothing to look at.
    pub(crate) fn look(&mut self, endpoints: Vec<ManagedEndpoint>, input: Input) -> Option<Input> {
        let probe = self.probe.clone().filter(|_| !endpoints.is_empty());
        let Some(probe) = probe else {
            return Some(input);
        };
        let ids = endpoints.iter().map(|it| it.gateway_id.clone()).collect();
        for endpoint in endpoints {
            let (id, probe) = (endpoint.gateway_id.clone(), Arc::clone(&probe));
            self.looks.spawn(async move {
                let owner = timeout(LOOK, probe.look(endpoint)).await;
                (id, owner.unwrap_or(EndpointOwner::Foreign))
            });
        }
        self.held = Some((input, ids));
        None
    }

    /// Waits for all looks; what was found, and the input that waited. May be called again when it was dropped.
    pub(crate) async fn found(&mut self) -> Option<(Vec<Input>, Input)> {
        while let Some(look) = self.looks.join_next().await {
            let (Some((_, missing)), Ok((gateway_id, owner))) = (&mut self.held, look) else {
                continue;
            };
            missing.retain(|id| *id != gateway_id);
            self.found.push(Input::EndpointOwner { gateway_id, owner });
        }
        let (input, missing) = self.held.take()?;
        let mut found = std::mem::take(&mut self.found);
        // A probe that broke has proven nothing.
        found.extend(missing.into_iter().map(|gateway_id| Input::EndpointOwner {
            gateway_id,
            owner: EndpointOwner::Foreign,
        }));
        Some((found, input))
    }

    pub(crate) async fn shutdown(&mut self) {
        self.held = None;
        self.looks.shutdown().await;
    }
}
