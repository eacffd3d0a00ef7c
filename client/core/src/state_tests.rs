use rstest::rstest;

use super::OperatorState::{Connected, Connecting, Error, Idle, PairingRequired};
use super::*;

const ALL: [OperatorState; 5] = [Idle, Connecting, Connected, PairingRequired, Error];

#[rstest]
#[case(OperatorTrigger::ConnectRequested, &[(Idle, Connecting), (Error, Connecting)])]
#[case(OperatorTrigger::WebSocketConnected, &[(Connecting, Connecting), (Error, Error)])]
#[case(OperatorTrigger::ChallengeReceived, &[(Connecting, Connecting)])]
#[case(OperatorTrigger::ConnectRequestSent, &[(Connecting, Connecting)])]
#[case(OperatorTrigger::HandshakeSucceeded, &[(Connecting, Connected), (PairingRequired, Connected), (Error, Connected)])]
#[case(OperatorTrigger::PairingPending, &[(Connecting, PairingRequired), (Connected, PairingRequired), (Error, PairingRequired)])]
#[case(OperatorTrigger::PairingApproved, &[(PairingRequired, Connecting)])]
#[case(OperatorTrigger::PairingRejected, &[(Connecting, Error), (PairingRequired, Error)])]
#[case(OperatorTrigger::AuthenticationFailed, &[(Connecting, Error)])]
#[case(OperatorTrigger::RateLimited, &[(Connecting, Error), (Connected, Error)])]
#[case(OperatorTrigger::WebSocketDisconnected, &[(Connecting, Connecting), (Connected, Connecting), (PairingRequired, PairingRequired)])]
#[case(OperatorTrigger::WebSocketError, &[(Connecting, Error), (Connected, Error)])]
#[case(OperatorTrigger::DisconnectRequested, &[(Connecting, Idle), (Connected, Idle), (PairingRequired, Idle), (Error, Idle)])]
#[case(OperatorTrigger::ReconnectScheduled, &[(Error, Connecting)])]
#[case(OperatorTrigger::ReconnectSuppressed, &[(Error, Error)])]
#[case(OperatorTrigger::Cancelled, &[(Connecting, Idle)])]
#[case(OperatorTrigger::Disposed, &[(Idle, Idle), (Connecting, Idle), (Connected, Idle), (PairingRequired, Idle), (Error, Idle)])]
fn operator_table(
    #[case] trigger: OperatorTrigger,
    #[case] rows: &[(OperatorState, OperatorState)],
) {
    for from in ALL {
        let expected = rows.iter().find(|row| row.0 == from).map(|row| row.1);
        assert_eq!(from.after(trigger), expected, "{trigger:?} in {from:?}");
    }
}

const NODE: [NodeState; 8] = [
    NodeState::Idle,
    NodeState::Connecting,
    NodeState::Connected,
    NodeState::PairingRequired,
    NodeState::PairingRejected,
    NodeState::RateLimited,
    NodeState::Error,
    NodeState::Disabled,
];

#[rstest]
#[case(NodeTrigger::Start, &[NodeState::Idle, NodeState::Error], NodeState::Connecting)]
#[case(NodeTrigger::Connected, &[NodeState::Connecting, NodeState::Idle], NodeState::Connected)]
#[case(NodeTrigger::Disconnected, &NODE[1..7], NodeState::Idle)]
#[case(NodeTrigger::PairingRequired, &[NodeState::Connecting, NodeState::Connected, NodeState::Error], NodeState::PairingRequired)]
#[case(NodeTrigger::Paired, &[NodeState::PairingRequired], NodeState::Connected)]
#[case(NodeTrigger::PairingRejected, &[NodeState::Connecting, NodeState::PairingRequired], NodeState::PairingRejected)]
#[case(NodeTrigger::Error, &NODE[1..7], NodeState::Error)]
#[case(NodeTrigger::RateLimited, &[NodeState::Connecting, NodeState::Connected], NodeState::RateLimited)]
#[case(NodeTrigger::StartBlocked, &NODE, NodeState::Error)]
fn node_table(#[case] trigger: NodeTrigger, #[case] from: &[NodeState], #[case] to: NodeState) {
    for state in NODE {
        let expected = from.contains(&state).then_some(to);
        assert_eq!(state.after(trigger), expected, "{trigger:?} in {state:?}");
    }
}

#[rstest]
#[case(Error, NodeState::Connected, true, OverallState::Error)]
#[case(
    PairingRequired,
    NodeState::Connected,
    true,
    OverallState::PairingRequired
)]
#[case(Connecting, NodeState::Connected, true, OverallState::Connecting)]
#[case(Idle, NodeState::PairingRequired, true, OverallState::PairingRequired)]
#[case(Idle, NodeState::Connecting, true, OverallState::Connecting)]
#[case(Idle, NodeState::Connected, true, OverallState::Connected)]
#[case(Idle, NodeState::Error, true, OverallState::Error)]
#[case(Idle, NodeState::PairingRejected, true, OverallState::Error)]
#[case(Idle, NodeState::RateLimited, true, OverallState::Error)]
#[case(Idle, NodeState::Idle, true, OverallState::Idle)]
#[case(Connected, NodeState::Error, true, OverallState::Degraded)]
#[case(Connected, NodeState::Idle, true, OverallState::Degraded)]
#[case(Connected, NodeState::PairingRejected, true, OverallState::Degraded)]
#[case(Connected, NodeState::RateLimited, true, OverallState::Degraded)]
#[case(
    Connected,
    NodeState::PairingRequired,
    false,
    OverallState::PairingRequired
)]
#[case(Connected, NodeState::Connecting, true, OverallState::Connecting)]
#[case(Connected, NodeState::Connected, true, OverallState::Ready)]
#[case(Connected, NodeState::Idle, false, OverallState::Ready)]
#[case(Connected, NodeState::Disabled, true, OverallState::Ready)]
#[case(Idle, NodeState::Disabled, false, OverallState::Idle)]
fn overall_table(
    #[case] operator: OperatorState,
    #[case] node: NodeState,
    #[case] intended: bool,
    #[case] expected: OverallState,
) {
    assert_eq!(overall(operator, node, intended), expected);
}
