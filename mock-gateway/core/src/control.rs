//! What a scenario, the inspector or `clawproof serve` may ask of a running gateway from outside the protocol.
//!
//! A control acts like the gateway's owner at the gateway's own machine: no scope is checked, every event is sent.
//!
//! ```
//! use gateway_core::Control;
//!
//! let control: Control = serde_json::from_str(r#"{"verb":"approve","request_id":"latest"}"#)?;
//! assert_eq!(control, Control::Approve { request_id: "latest".into() });
//! # Ok::<(), serde_json::Error>(())
//! ```

use gateway_protocol::{CloseFrame, Role, SharedToken};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::behavior::Behavior;

/// One order. `request_id` fields take a request id, a device or node id, or `latest`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
    /// Approve a pending device request. Answers like `device.pair.approve`.
    Approve {
        /// Which request.
        request_id: String,
    },
    /// Reject a pending device request. Answers like `device.pair.reject`.
    Reject {
        /// Which request.
        request_id: String,
    },
    /// Remove a paired device. Answers like `device.pair.remove`.
    RemoveDevice {
        /// Which device.
        device_id: String,
    },
    /// Revoke the token of a device in one role. Answers like `device.token.revoke`.
    RevokeToken {
        /// Which device.
        device_id: String,
        /// Which role.
        role: Role,
    },
    /// Rotate the token of a device in one role. Answers like `device.token.rotate`, without the token.
    RotateToken {
        /// Which device.
        device_id: String,
        /// Which role.
        role: Role,
        /// Narrower scopes of the new token.
        #[serde(default)]
        scopes: Option<Vec<String>>,
    },
    /// Approve a pending node surface. Answers like `node.pair.approve`, without the node token.
    ApproveNode {
        /// Which request.
        request_id: String,
    },
    /// Reject a pending node surface. Answers like `node.pair.reject`.
    RejectNode {
        /// Which request.
        request_id: String,
    },
    /// Remove a node. Answers like `node.pair.remove`.
    RemoveNode {
        /// Which node.
        node_id: String,
    },
    /// Shut down and come back with devices, tokens, surfaces and pending device requests kept.
    Restart {
        /// How long the port refuses; by default as long as the profile's release takes.
        #[serde(default)]
        down_for_ms: Option<u64>,
        /// `shutdown.reason`; `gateway restarting` by default.
        #[serde(default)]
        reason: Option<String>,
    },
    /// Shut down for good, as on SIGTERM.
    Stop,
    /// Shut down like [`Self::Stop`], until [`Self::Start`]: the service is stopped, the machine stays.
    Halt,
    /// Come back after [`Self::Halt`], or sooner than a [`Self::Restart`] said.
    Start,
    /// Mint a setup code. Answers `{"setupCode","url","bootstrapToken","expiresAtMs"}`.
    MintSetupCode {
        /// Gateway URL inside the code; [`Config::url_hint`](crate::Config::url_hint) by default.
        #[serde(default)]
        url: Option<String>,
        /// Lifetime; [`Config::setup_code_ttl_ms`](crate::Config::setup_code_ttl_ms) by default.
        #[serde(default)]
        ttl_ms: Option<u64>,
        /// 2026.9.6: without the admin scope.
        #[serde(default)]
        limited: bool,
    },
    /// Make a minted setup code worthless.
    RevokeSetupCode {
        /// The code, or `latest`.
        setup_code: String,
    },
    /// Change the shared token.
    SetSharedToken {
        /// The new token.
        token: SharedToken,
        /// Only when the gateway restarts next; otherwise at once, with 4001 for those who used the old one.
        #[serde(default)]
        at_restart: bool,
    },
    /// Edit the configuration file while the gateway runs. It does what its release does then: takes notice and goes on,
    /// sends away whom the change concerns, or restarts. Answers `{"mode","changed","effect"}`.
    Reload {
        /// The real gateway's own keys, put over what the file says; null takes one away.
        config: Value,
    },
    /// Send a command to a node. Answers `{"invokeId"}`; the outcome appears in [`StateView`](crate::StateView).
    Invoke {
        /// Which node.
        node_id: String,
        /// Command name; not checked against any list, the node decides.
        command: String,
        /// Parameters.
        #[serde(default)]
        params: Option<Value>,
        /// Time limit; 30 s by default.
        #[serde(default)]
        timeout_ms: Option<u64>,
        /// Idempotency key; made up by default.
        #[serde(default)]
        idempotency_key: Option<String>,
    },
    /// Tell the node to give up: event `node.invoke.cancel {"invokeId","nodeId"}`. ref: client-behaviour.md §32
    InvokeCancel {
        /// Which invoke, or `latest`.
        invoke_id: String,
    },
    /// Send an event to connections that are past hello.
    SendEvent {
        /// Event name.
        event: String,
        /// Payload.
        #[serde(default)]
        payload: Value,
        /// Only on this connection; by default on all.
        #[serde(default)]
        conn: Option<u32>,
        /// Only to connections of this role.
        #[serde(default)]
        role: Option<Role>,
        /// Whether the event is counted (`seq`); broadcasts are.
        #[serde(default)]
        targeted: bool,
    },
    /// Send any text on one connection, JSON or not.
    SendRaw {
        /// On which connection.
        conn: u32,
        /// The text.
        text: String,
    },
    /// Close connections.
    CloseConnections {
        /// Only this connection; by default all.
        #[serde(default)]
        conn: Option<u32>,
        /// Only connections of this role.
        #[serde(default)]
        role: Option<Role>,
        /// Code and reason; none ends the connection without a close frame.
        #[serde(default)]
        close: Option<CloseFrame>,
    },
    /// Move the wall clock that the gateway sees; deadlines are not touched.
    ShiftClock {
        /// Milliseconds against the true wall clock; replaces an earlier shift.
        offset_ms: i64,
    },
    /// Set a clock of the gateway: offset, jump, freeze, thaw.
    Clock {
        /// Which; the wall clock by default.
        #[serde(default)]
        hand: gateway_protocol::Hand,
        /// What becomes of it.
        fault: gateway_protocol::ClockFault,
    },
    /// Pass over a pending request's or setup code's remaining life: everything pending expires now.
    ExpirePending,
    /// Mount a scripted behaviour.
    Mount {
        /// What to do when.
        behavior: Box<Behavior>,
    },
    /// Take a scripted behaviour away. Answers its counters, as [`BehaviorView`](crate::BehaviorView) has them.
    Unmount {
        /// Its name.
        name: String,
    },
    /// A note was passed: behaviours with `after` or `before` know it.
    Note {
        /// Its name.
        name: String,
    },
    /// Let behaviours know values that something else captured.
    Bind {
        /// Values by name.
        values: std::collections::BTreeMap<String, Value>,
    },
    /// Answers everything that behaviours have captured, by name.
    Captured,
}

/// Why a control was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// No pending request fits.
    #[error("no pending request matches {given:?}; pending: {pending:?}")]
    UnknownRequest {
        /// What was asked for.
        given: String,
        /// Ids that are pending.
        pending: Vec<String>,
    },
    /// No such device, or not in that role.
    #[error("no paired device matches {given:?}")]
    UnknownDevice {
        /// What was asked for.
        given: String,
    },
    /// No such node.
    #[error("no node matches {given:?}")]
    UnknownNode {
        /// What was asked for.
        given: String,
    },
    /// No such connection, or it is not past hello.
    #[error("no open connection {conn}")]
    UnknownConnection {
        /// What was asked for.
        conn: u32,
    },
    /// No such setup code.
    #[error("no live setup code matches the given one")]
    UnknownSetupCode,
    /// A setup code needs a URL.
    #[error("a setup code needs a URL: give one, or set url_hint in the gateway's configuration")]
    NoUrl,
    /// No such invoke.
    #[error("no pending invoke matches {given:?}")]
    UnknownInvoke {
        /// What was asked for.
        given: String,
    },
    /// No such behaviour, or the name is taken.
    #[error("behaviour {name:?} {problem}")]
    Behavior {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A configuration that the release would not take.
    #[error("{0}")]
    Config(String),
    /// The gateway refuses the order for the reason it would give a client.
    #[error("the gateway refused: {0}")]
    Refused(String),
    /// The gateway is down.
    #[error("the gateway is down")]
    Down,
}
