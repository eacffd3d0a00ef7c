//! Role states, their transition tables, and the overall state derived from both. ref: client-behaviour.md §12
//!
//! ```
//! use client_core::state::{OperatorState, OperatorTrigger};
//! let next = OperatorState::Idle.after(OperatorTrigger::ConnectRequested);
//! assert_eq!(next, Some(OperatorState::Connecting));
//! assert_eq!(OperatorState::Connected.after(OperatorTrigger::ConnectRequested), None);
//! ```

use serde::{Deserialize, Serialize};

/// State of the operator role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OperatorState {
    /// Nothing is attempted.
    #[default]
    Idle,
    /// An attempt runs or is scheduled.
    Connecting,
    /// hello-ok.
    Connected,
    /// Somebody must approve; the client keeps asking.
    PairingRequired,
    /// Stopped by an error.
    Error,
}

/// State of the node role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NodeState {
    /// Nothing is attempted.
    #[default]
    Idle,
    /// An attempt runs or is scheduled.
    Connecting,
    /// hello-ok.
    Connected,
    /// Somebody must approve; the client waits.
    PairingRequired,
    /// Refused.
    PairingRejected,
    /// Too many attempts.
    RateLimited,
    /// Stopped by an error, or between attempts after one.
    Error,
    /// Node mode is off.
    Disabled,
}

/// What one looks at first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OverallState {
    /// Nothing is attempted.
    #[default]
    Idle,
    /// At least one role is on its way.
    Connecting,
    /// Connected, in a combination with no better name.
    Connected,
    /// Every intended role is connected.
    Ready,
    /// The operator is connected, the node is not.
    Degraded,
    /// Somebody must approve.
    PairingRequired,
    /// Stopped by an error.
    Error,
}

/// What moves the operator. ref: §12
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorTrigger {
    /// A connect was asked for.
    ConnectRequested,
    /// The upgrade succeeded.
    WebSocketConnected,
    /// The challenge came.
    ChallengeReceived,
    /// The connect frame left.
    ConnectRequestSent,
    /// hello-ok.
    HandshakeSucceeded,
    /// The gateway wants an approval.
    PairingPending,
    /// The approval came.
    PairingApproved,
    /// The approval was refused.
    PairingRejected,
    /// A terminal refusal.
    AuthenticationFailed,
    /// Too many attempts.
    RateLimited,
    /// The socket ended.
    WebSocketDisconnected,
    /// The socket could not be opened.
    WebSocketError,
    /// A disconnect was asked for.
    DisconnectRequested,
    /// The loop will try again.
    ReconnectScheduled,
    /// The loop must not try again.
    ReconnectSuppressed,
    /// The attempt was given up.
    Cancelled,
    /// The client ended.
    Disposed,
}

impl OperatorState {
    /// The state after a trigger; `None` when the trigger does not count in this state.
    pub fn after(self, trigger: OperatorTrigger) -> Option<Self> {
        use OperatorState::{Connected, Connecting, Error, Idle, PairingRequired};
        use OperatorTrigger as T;
        match (trigger, self) {
            (T::ConnectRequested, Idle | Error) => Some(Connecting),
            (T::WebSocketConnected, Connecting | Error) => Some(self),
            (T::ChallengeReceived | T::ConnectRequestSent, Connecting) => Some(self),
            (T::HandshakeSucceeded, Connecting | PairingRequired | Error) => Some(Connected),
            (T::PairingPending, Connecting | Connected | Error) => Some(PairingRequired),
            (T::PairingApproved, PairingRequired) => Some(Connecting),
            (T::PairingRejected, Connecting | PairingRequired) => Some(Error),
            (T::AuthenticationFailed, Connecting) => Some(Error),
            (T::RateLimited | T::WebSocketError, Connecting | Connected) => Some(Error),
            (T::WebSocketDisconnected, Connecting | Connected) => Some(Connecting),
            (T::WebSocketDisconnected, PairingRequired) => Some(PairingRequired),
            (T::DisconnectRequested, Connecting | Connected | PairingRequired | Error) => {
                Some(Idle)
            }
            (T::ReconnectScheduled, Error) => Some(Connecting),
            (T::ReconnectSuppressed, Error) => Some(Error),
            (T::Cancelled, Connecting) => Some(Idle),
            (T::Disposed, _) => Some(Idle),
            (
                T::ConnectRequested
                | T::WebSocketConnected
                | T::ChallengeReceived
                | T::ConnectRequestSent
                | T::HandshakeSucceeded
                | T::PairingPending
                | T::PairingApproved
                | T::PairingRejected
                | T::AuthenticationFailed
                | T::RateLimited
                | T::WebSocketDisconnected
                | T::WebSocketError
                | T::DisconnectRequested
                | T::ReconnectScheduled
                | T::ReconnectSuppressed
                | T::Cancelled,
                _,
            ) => None,
        }
    }
}

/// What moves the node. ref: §12
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeTrigger {
    /// A start was asked for.
    Start,
    /// hello-ok.
    Connected,
    /// The socket ended.
    Disconnected,
    /// The gateway wants an approval.
    PairingRequired,
    /// The approval came.
    Paired,
    /// The approval was refused.
    PairingRejected,
    /// A failure.
    Error,
    /// Too many attempts.
    RateLimited,
    /// A start is not possible; the reason is kept.
    StartBlocked,
    /// Node mode was turned off.
    Disabled,
    /// The lifecycle was reset.
    Reset,
}

impl NodeState {
    /// The state after a trigger; `None` when the trigger does not count in this state.
    pub fn after(self, trigger: NodeTrigger) -> Option<Self> {
        use NodeTrigger as T;
        match (trigger, self) {
            (T::Start, Self::Idle | Self::Error) => Some(Self::Connecting),
            (T::Connected, Self::Connecting | Self::Idle) => Some(Self::Connected),
            (T::Disconnected, Self::Idle | Self::Disabled) => None,
            (T::Disconnected, _) => Some(Self::Idle),
            (T::PairingRequired, Self::Connecting | Self::Connected | Self::Error) => {
                Some(Self::PairingRequired)
            }
            (T::Paired, Self::PairingRequired) => Some(Self::Connected),
            (T::PairingRejected, Self::Connecting | Self::PairingRequired) => {
                Some(Self::PairingRejected)
            }
            (T::Error, Self::Idle | Self::Disabled) => None,
            (T::Error, _) => Some(Self::Error),
            (T::RateLimited, Self::Connecting | Self::Connected) => Some(Self::RateLimited),
            (T::StartBlocked, _) => Some(Self::Error),
            (T::Disabled, _) => Some(Self::Disabled),
            (T::Reset, _) => Some(Self::Idle),
            (
                T::Start
                | T::Connected
                | T::PairingRequired
                | T::Paired
                | T::PairingRejected
                | T::RateLimited,
                _,
            ) => None,
        }
    }
}

/// The overall state; the first rule that matches wins. ref: §12.1
pub fn overall(operator: OperatorState, node: NodeState, node_intended: bool) -> OverallState {
    match operator {
        OperatorState::Error => OverallState::Error,
        OperatorState::PairingRequired => OverallState::PairingRequired,
        OperatorState::Connecting => OverallState::Connecting,
        OperatorState::Connected => with_operator(node, node_intended),
        OperatorState::Idle if node_intended => without_operator(node),
        OperatorState::Idle => OverallState::Idle,
    }
}

fn with_operator(node: NodeState, intended: bool) -> OverallState {
    match node {
        NodeState::PairingRequired => OverallState::PairingRequired,
        _ if !intended => OverallState::Ready,
        NodeState::Connecting => OverallState::Connecting,
        NodeState::Connected | NodeState::Disabled => OverallState::Ready,
        NodeState::Error
        | NodeState::Idle
        | NodeState::PairingRejected
        | NodeState::RateLimited => OverallState::Degraded,
    }
}

fn without_operator(node: NodeState) -> OverallState {
    match node {
        NodeState::PairingRequired => OverallState::PairingRequired,
        NodeState::Connecting => OverallState::Connecting,
        NodeState::Connected => OverallState::Connected,
        NodeState::Error | NodeState::PairingRejected | NodeState::RateLimited => {
            OverallState::Error
        }
        NodeState::Idle | NodeState::Disabled => OverallState::Idle,
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
