//! What the gateway's administrator or host does: approve, revoke, restart, mint a code.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::gateway::On;
use super::lapse::Lapse;
use super::listener::Listener;
use super::pattern::RoleName;

/// One administrative act (`control = { approve = "latest" }`). Exactly one of the verbs is given.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word that a file may say or not"
)]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Approve a device request: its id, `latest`, or `any`: the latest where there is one, and nothing where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approve: Option<String>,
    /// Reject a device request: its id, `latest`, or `any`: the latest where there is one, and nothing where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject: Option<String>,
    /// Remove a device: its id (`"$companion.device"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove_device: Option<String>,
    /// Revoke a device's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoke_token: Option<TokenOf>,
    /// Replace a device's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate_token: Option<TokenOf>,
    /// Approve a node request: its id, `latest`, or `any`: the latest where there is one, and nothing where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approve_node: Option<String>,
    /// Reject a node request: its id, `latest`, or `any`: the latest where there is one, and nothing where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject_node: Option<String>,
    /// Remove a node: its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove_node: Option<String>,
    /// Restart the gateway: shutdown event, close 1012, down for a while, state kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// Stop the gateway's service; `start` brings it back.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
    /// Start the gateway's service again after `stop`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub start: bool,
    /// Make a setup code. Captures: `/setupCode`, `/bootstrapToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mint_setup_code: Option<MintSetupCode>,
    /// Replace the shared token (`"$gateway.token"` becomes the new one).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rotate_shared_token: bool,
    /// Edit the gateway's configuration file while it runs, in the real gateway's own keys: what is given is put over what
    /// is there (`{ gateway = { trustedProxies = ["10.0.0.0/8"] } }`). The gateway goes on, sends away whom the change
    /// concerns, or restarts, as its release does. Captures: `/mode`, `/changed`, `/effect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload: Option<Value>,
    /// Invoke a command on a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoke: Option<Invoke>,
    /// Cancel an invocation: its id, or `latest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_invoke: Option<String>,
    /// Let everything that is pending expire now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub expire_pending: bool,
    /// Mount a behaviour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<On>,
    /// Take a mounted behaviour away, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off: Option<String>,
    /// Send an event to everyone who may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<Broadcast>,
    /// Somebody listens at the gateway's address on this client's machine; not an order for the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listener: Option<Listener>,
    /// Something happens to the ssh of this client, or will; not an order for the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<Tunnel>,
    /// Names for parts of the answer: JSON pointers.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub capture: BTreeMap<String, String>,
    /// The act must be refused, with a text that contains this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fails: Option<String>,
}

/// What happens to a client's SSH tunnels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tunnel {
    /// The client; it must have `ssh = true`.
    pub of: String,
    /// What.
    pub is: TunnelName,
}

/// A turn of a client's SSH tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TunnelName {
    /// The tunnels that run end by themselves. What goes through them is not touched.
    Ended,
    /// The ones that the client has stopped are gone only now.
    EndedLate,
    /// From now on none can be started.
    Broken,
    /// From now on they can be started again.
    Mended,
}

/// A token by its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenOf {
    /// Device id (`"$companion.device"`).
    pub device: String,
    /// Whose role's token.
    pub role: RoleName,
}

/// A restart of the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Restart {
    /// How long it is down; 2 s when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down_for: Option<Lapse>,
    /// The reason it gives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A setup code to make.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MintSetupCode {
    /// The address inside; the gateway's own, as `ws://localhost:PORT`, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How long it lives; ten minutes when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Lapse>,
}

/// A command to invoke on a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Invoke {
    /// Node id (`"$companion.device"`).
    pub node: String,
    /// The command.
    pub command: String,
    /// Its params.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
    /// The gateway's time-out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Lapse>,
}

/// An event for everyone who may see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Broadcast {
    /// Name of the event.
    pub event: String,
    /// Its payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// Only to connections of this role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// Without `seq`, as events for one connection are.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub targeted: bool,
    /// Why it says what the published schema does not allow; the referee then expects that it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lies: Option<String>,
}

impl Control {
    /// Whether it is a decision about whatever is pending, if anything is.
    pub fn takes_any(&self) -> bool {
        let ids = [
            &self.approve,
            &self.reject,
            &self.approve_node,
            &self.reject_node,
        ];
        ids.into_iter().any(|id| id.as_deref() == Some("any"))
    }

    /// The verbs that are given; a valid control has exactly one.
    pub fn verbs(&self) -> Vec<&'static str> {
        let all = [
            ("approve", self.approve.is_some()),
            ("reject", self.reject.is_some()),
            ("remove_device", self.remove_device.is_some()),
            ("revoke_token", self.revoke_token.is_some()),
            ("rotate_token", self.rotate_token.is_some()),
            ("approve_node", self.approve_node.is_some()),
            ("reject_node", self.reject_node.is_some()),
            ("remove_node", self.remove_node.is_some()),
            ("restart", self.restart.is_some()),
            ("stop", self.stop),
            ("start", self.start),
            ("mint_setup_code", self.mint_setup_code.is_some()),
            ("rotate_shared_token", self.rotate_shared_token),
            ("reload", self.reload.is_some()),
            ("invoke", self.invoke.is_some()),
            ("cancel_invoke", self.cancel_invoke.is_some()),
            ("expire_pending", self.expire_pending),
            ("on", self.on.is_some()),
            ("off", self.off.is_some()),
            ("broadcast", self.broadcast.is_some()),
            ("listener", self.listener.is_some()),
            ("tunnel", self.tunnel.is_some()),
        ];
        all.into_iter()
            .filter_map(|(name, given)| given.then_some(name))
            .collect()
    }
}
