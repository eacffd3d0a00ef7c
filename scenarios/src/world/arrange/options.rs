//! What a client is told once.

use client_core::{ClientOptions, NodeSurface};

use super::ArrangeError;
use crate::scenario::{ClientActor, Policy, Scenario};
use crate::world::draw::Draw;

pub(super) const fn policy(policy: Policy) -> client_core::Policy {
    match policy {
        Policy::Pr741 => client_core::Policy::Pr741,
        Policy::Hardened => client_core::Policy::Hardened,
    }
}

/// The chance of a client.
pub(crate) fn client_seed(draw: Draw, name: &str) -> u64 {
    draw.seed(&format!("client {name}"))
}

/// What a client is told once.
pub(super) fn options(
    draw: Draw,
    scenario: &Scenario,
    name: &str,
    actor: &ClientActor,
) -> Result<ClientOptions, ArrangeError> {
    let chosen = actor.policy.or(scenario.policy).unwrap_or_default();
    let mut options = ClientOptions {
        policy: policy(chosen),
        seed: client_seed(draw, name),
        node_enabled: actor.node,
        node: surface(actor),
        probes_owners: actor.holds.managed,
        keeps_services: actor.service.is_some(),
        tunnels: actor.ssh,
        ..ClientOptions::default()
    };
    if let Some(platform) = &actor.platform {
        options.platform.clone_from(platform);
    }
    if let Some(mutation) = &actor.mutation {
        let known = serde_json::from_value(serde_json::Value::from(mutation.as_str()));
        options
            .mutations
            .push(known.map_err(|_unknown| ArrangeError::Mutation(mutation.clone()))?);
    }
    Ok(options)
}

/// What the node offers: what the scenario says, else a small set that every machine has.
fn surface(actor: &ClientActor) -> NodeSurface {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    NodeSurface {
        caps: actor
            .caps
            .clone()
            .unwrap_or_else(|| owned(&["system", "device"])),
        commands: actor.commands.clone().unwrap_or_else(|| {
            owned(&[
                "system.notify",
                "system.which",
                "device.info",
                "device.status",
            ])
        }),
        ..NodeSurface::default()
    }
}
