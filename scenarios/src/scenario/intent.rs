//! What a client's user wants.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::pattern::RoleName;

/// A user's intent (`do = { actor = "companion", intent = "reconnect" }`).
///
/// The intents are those of `client_core::Intent`; the other fields are their arguments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Do {
    /// The client.
    pub actor: String,
    /// What its user wants.
    pub intent: IntentName,
    /// `apply_setup_code`: the code, usually a capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// `connect_shared_token`: the address; the gateway's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `connect_shared_token`: the token; `"$gateway.token"` is the right one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// `approve`, `reject`: what kind of request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<PairingKind>,
    /// `approve`, `reject`: its id, usually a capture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// `request`: on which role's connection; `operator` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<RoleName>,
    /// `request`: the method. `node_event`: the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// `request`: the params. `node_event`: the payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
    /// `run`: the words of the command, as a shell would read them. `repeat`: the step. `script`: the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// `switch_gateway`: the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// `connect_shared_token`: whether the gateway lies behind the tunnel of `holds = { tunnel = true }`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tunnel: bool,
    /// `add_gateway`: the record, with the members that `gateways.json` has (`id`, `url`, `sharedGatewayToken` ...). One
    /// with the id of a known record replaces it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Value>,
    /// Captures from the finished intent's report: JSON pointers.
    #[serde(default, skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    pub capture: std::collections::BTreeMap<String, String>,
}

/// The intents by name.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum IntentName {
    /// Connect to the active gateway.
    Connect,
    /// Disconnect and stay so.
    Disconnect,
    /// Reconnect both roles.
    Reconnect,
    /// Reconnect the node role only.
    ReconnectNode,
    /// Apply a setup code.
    ApplySetupCode,
    /// Connect with a shared token.
    ConnectSharedToken,
    /// Make another gateway the active one.
    SwitchGateway,
    /// Add or edit a record, without connecting.
    AddGateway,
    /// Start the node if it does not run, and wait until it is paired, refused, or late.
    EnsureNodeConnected,
    /// Approve a pairing request.
    Approve,
    /// Reject a pairing request.
    Reject,
    /// Send a plain request.
    Request,
    /// Send an event as a node.
    NodeEvent,
    /// Run a command of the client's own command line.
    Run,
    /// Of a set-up: run one step again.
    Repeat,
    /// Of a set-up: take away what it made.
    Uninstall,
    /// Of a set-up on this machine: run a script in the distro, as the gateway's user and with the shared token. What it
    /// said is in the snapshot, under `said`.
    Script,
}

impl IntentName {
    /// The word used in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::Reconnect => "reconnect",
            Self::ReconnectNode => "reconnect_node",
            Self::ApplySetupCode => "apply_setup_code",
            Self::ConnectSharedToken => "connect_shared_token",
            Self::SwitchGateway => "switch_gateway",
            Self::AddGateway => "add_gateway",
            Self::EnsureNodeConnected => "ensure_node_connected",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Request => "request",
            Self::NodeEvent => "node_event",
            Self::Run => "run",
            Self::Repeat => "repeat",
            Self::Uninstall => "uninstall",
            Self::Script => "script",
        }
    }

    /// Whether it is one of a set-up, not of a client.
    pub const fn is_of_set_up(self) -> bool {
        matches!(self, Self::Repeat | Self::Uninstall | Self::Script)
    }

    /// The arguments it takes, required ones marked with `true`.
    pub const fn arguments(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::Connect
            | Self::Disconnect
            | Self::Reconnect
            | Self::ReconnectNode
            | Self::EnsureNodeConnected => &[],
            Self::ApplySetupCode => &[("code", true)],
            Self::ConnectSharedToken => &[("url", false), ("token", true), ("tunnel", false)],
            Self::AddGateway => &[("record", true)],
            Self::SwitchGateway => &[("gateway", true)],
            Self::Approve | Self::Reject => &[("kind", false), ("request_id", true)],
            Self::Request => &[("role", false), ("method", true), ("params", false)],
            Self::NodeEvent => &[("method", true), ("params", false)],
            Self::Run | Self::Repeat | Self::Script => &[("words", true)],
            Self::Uninstall => &[],
        }
    }
}

/// What is asked for in a pairing request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PairingKind {
    /// A device.
    Device,
    /// A node's surface.
    Node,
}

impl Do {
    /// An intent without arguments.
    pub fn bare(actor: &str, intent: IntentName) -> Self {
        Self {
            actor: actor.to_owned(),
            intent,
            code: None,
            url: None,
            token: None,
            kind: None,
            request_id: None,
            role: None,
            method: None,
            params: None,
            words: None,
            gateway: None,
            tunnel: false,
            record: None,
            capture: std::collections::BTreeMap::new(),
        }
    }

    /// The action of an adapter that carries it out, and that action's placeholders.
    pub fn action(
        &self,
    ) -> (
        &'static str,
        std::collections::BTreeMap<&'static str, String>,
    ) {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let params = || {
            self.params
                .as_ref()
                .map_or_else(|| "{}".to_owned(), Value::to_string)
        };
        let kind = match self.kind {
            Some(PairingKind::Node) => "node",
            Some(PairingKind::Device) | None => "device",
        };
        let (name, arguments) = match self.intent {
            // A turn of a conversation is what a person types, whatever the client makes of it.
            IntentName::Request if self.method.as_deref() == Some("chat.send") => {
                let message = self
                    .params
                    .as_ref()
                    .and_then(|params| params.get("message")?.as_str());
                (
                    "chat",
                    vec![("text", message.unwrap_or_default().to_owned())],
                )
            }
            IntentName::Request | IntentName::NodeEvent => (
                self.intent.name(),
                vec![("method", text(&self.method)), ("params", params())],
            ),
            IntentName::Approve | IntentName::Reject => (
                self.intent.name(),
                vec![
                    ("kind", kind.to_owned()),
                    ("request_id", text(&self.request_id)),
                ],
            ),
            IntentName::ApplySetupCode => {
                (self.intent.name(), vec![("setup_code", text(&self.code))])
            }
            IntentName::ConnectSharedToken => (
                self.intent.name(),
                vec![("url", text(&self.url)), ("token", text(&self.token))],
            ),
            IntentName::Run => (self.intent.name(), vec![("words", text(&self.words))]),
            IntentName::Connect
            | IntentName::Disconnect
            | IntentName::Reconnect
            | IntentName::ReconnectNode
            | IntentName::SwitchGateway
            | IntentName::AddGateway
            | IntentName::EnsureNodeConnected
            | IntentName::Repeat
            | IntentName::Uninstall
            | IntentName::Script => (self.intent.name(), Vec::new()),
        };
        (name, arguments.into_iter().collect())
    }

    /// The names of the arguments that are given.
    pub fn given(&self) -> Vec<&'static str> {
        let all = [
            ("code", self.code.is_some()),
            ("url", self.url.is_some()),
            ("token", self.token.is_some()),
            ("kind", self.kind.is_some()),
            ("request_id", self.request_id.is_some()),
            ("role", self.role.is_some()),
            ("method", self.method.is_some()),
            ("params", self.params.is_some()),
            ("words", self.words.is_some()),
            ("gateway", self.gateway.is_some()),
            ("tunnel", self.tunnel),
            ("record", self.record.is_some()),
        ];
        all.into_iter()
            .filter_map(|(name, given)| given.then_some(name))
            .collect()
    }
}
