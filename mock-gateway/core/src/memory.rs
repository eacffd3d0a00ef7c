//! What a gateway knows after its process has ended: paired devices, requests, setup codes, nodes.
//!
//! The real gateway has it in six JSON files (2026.6.34) or a database (2026.9.6); the form here is ours. Sessions, the agent's
//! talk and counters of failed attempts are not part of it. ref: gateway-behaviour.md §9, row 15

use std::collections::BTreeMap;

use gateway_protocol::{Keypair, NodeId, SecretKind, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bootstrap::SetupTokens;
use crate::devices::Devices;
use crate::gateway::Gateway;
use crate::nodes::{NodeRecord, PendingNode, Seen};
use crate::pairing::PendingDevices;

/// Of the form below; a memory of another version is refused.
const VERSION: u32 = 1;

/// What is kept, to be printed and read as JSON. It holds tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Memory {
    #[serde(deserialize_with = "this_version")]
    version: u32,
    /// Of the gateway's own device key.
    seed: [u8; 32],
    devices: Devices,
    pending_devices: PendingDevices,
    setup_tokens: SetupTokens,
    completed_setups: BTreeMap<String, Value>,
    node_records: BTreeMap<NodeId, NodeRecord>,
    pending_nodes: Vec<PendingNode>,
    nodes_seen: BTreeMap<NodeId, Seen>,
    node_names: BTreeMap<NodeId, String>,
}

fn this_version<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let version = u32::deserialize(deserializer)?;
    if version == VERSION {
        return Ok(version);
    }
    let message = format!("a memory of version {version}; this gateway reads version {VERSION}");
    Err(serde::de::Error::custom(message))
}

impl Gateway {
    /// What the gateway would find on its disk if its process ended now.
    pub fn memory(&self) -> Memory {
        Memory {
            version: VERSION,
            seed: self.identity.seed(),
            devices: self.devices.clone(),
            pending_devices: self.pending_devices.clone(),
            setup_tokens: self.setup_tokens.clone(),
            completed_setups: self.completed_setups.clone(),
            node_records: self.nodes.records.clone(),
            pending_nodes: self.nodes.pending.clone(),
            nodes_seen: self.nodes.seen.clone(),
            node_names: self.nodes.names.clone(),
        }
    }

    /// Begins with what another process knew; before anything is handled. What was connected is not any more.
    pub fn remember(&mut self, memory: Memory, now: UnixMillis) {
        self.identity = Keypair::from_seed(memory.seed);
        self.devices = memory.devices;
        self.pending_devices = memory.pending_devices;
        self.setup_tokens = memory.setup_tokens;
        self.completed_setups = memory.completed_setups;
        self.nodes.records = memory.node_records;
        self.nodes.pending = memory.pending_nodes;
        self.nodes.seen = memory.nodes_seen;
        self.nodes.names = memory.node_names;
        let connected = self.nodes.seen.iter();
        let connected = connected.filter(|(_, seen)| seen.connected_at.is_some());
        let connected: Vec<NodeId> = connected.map(|(node, _)| node.clone()).collect();
        for node in connected {
            self.nodes.note_disconnected(&node, now);
        }
        let tokens = self.devices.oldest_first();
        let tokens = tokens.flat_map(|device| device.tokens.values());
        let tokens = tokens.map(|token| (SecretKind::DeviceToken, token.value.expose().to_owned()));
        let codes = self.setup_tokens.iter();
        let codes = codes.map(|code| (SecretKind::BootstrapToken, code.token.expose().to_owned()));
        let nodes = self.nodes.records.values();
        let nodes = nodes.filter_map(|node| Some((SecretKind::NodeToken, node.token.clone()?)));
        let known: Vec<_> = tokens.chain(codes).chain(nodes).collect();
        for (kind, secret) in known {
            self.remember_secret(kind, secret);
        }
    }
}
