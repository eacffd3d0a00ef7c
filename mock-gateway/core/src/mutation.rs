//! Deliberate bugs of the gateway. Each is one branch at the decision that it changes, compiled in by the feature
//! `mutants`. `clawproof conform` must name a flow for each.

/// One deliberate bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutation {
    /// A refused connect is closed with 1000 instead of 1008.
    WrongCloseCode,
    /// Credentials are checked before the device's signature.
    CredentialsBeforeSignature,
    /// A device token counts for every device.
    TokenNotBound,
    /// A device token counts in every role.
    TokenOfAnyRole,
    /// Everybody gets `operator.admin` on top.
    ExtraScope,
    /// A changed pairing request leaves the earlier one pending.
    PendingNotSuperseded,
    /// A changed pairing request takes over the earlier one's id.
    RequestIdReused,
    /// Errors of connect come without their details.
    MissingDetails,
    /// The time for `connect` is 10 s instead of 15 s.
    WrongHandshakeTimeout,
    /// Setup codes live for an hour instead of ten minutes.
    WrongSetupCodeTtl,
    /// `seq` is 1 for every event.
    SeqRestarts,
    /// Every connect makes a new device token.
    TokenPerConnect,
    /// A revoked device token still works.
    RevokedTokenWorks,
    /// Connections outlive the rotation of their token.
    RotationKeepsConnections,
    /// A remote device is paired without approval.
    RemoteIsApproved,
    /// Every origin is welcome.
    AnyOrigin,
    /// Failed attempts are not counted.
    NoRateLimit,
    /// Long close reasons are cut at 123 bytes, as a WebSocket allows, instead of at 120.
    ReasonNotCut,
    /// Operators are not told of decided pairing requests.
    NoResolvedEvent,
    /// A node may answer for another node.
    InvokeResultOfAnyNode,
    /// A node's commands need no place in the platform's list.
    AllowlistIgnored,
    /// A node's surface needs no approval.
    SurfaceApprovedAtOnce,
    /// A used setup code works again.
    SetupCodeReusable,
    /// Calls in the wrong role never end a connection.
    UnauthorizedForever,
    /// More than 32 unauthenticated sockets per address.
    NoSocketBudget,
    /// A requested scope counts although nobody approved it.
    ScopeUpgradeUnasked,
    /// A device may change its platform without being asked again.
    MetadataNotPinned,
    /// Signatures may be of any age.
    StaleSignatureAccepted,
    /// The nonce of the challenge need not be signed.
    AnyNonce,
    /// An operator may approve what it may not do itself.
    ApproverNotChecked,
    /// Connections with the old shared secret outlive its change.
    ReloadKeepsConnections,
    /// Whoever writes the configuration need not have read what is there.
    ConfigBaseNotChecked,
}

impl Mutation {
    /// Every one.
    pub const ALL: [Self; 32] = [
        Self::WrongCloseCode,
        Self::CredentialsBeforeSignature,
        Self::TokenNotBound,
        Self::TokenOfAnyRole,
        Self::ExtraScope,
        Self::PendingNotSuperseded,
        Self::RequestIdReused,
        Self::MissingDetails,
        Self::WrongHandshakeTimeout,
        Self::WrongSetupCodeTtl,
        Self::SeqRestarts,
        Self::TokenPerConnect,
        Self::RevokedTokenWorks,
        Self::RotationKeepsConnections,
        Self::RemoteIsApproved,
        Self::AnyOrigin,
        Self::NoRateLimit,
        Self::ReasonNotCut,
        Self::NoResolvedEvent,
        Self::InvokeResultOfAnyNode,
        Self::AllowlistIgnored,
        Self::SurfaceApprovedAtOnce,
        Self::SetupCodeReusable,
        Self::UnauthorizedForever,
        Self::NoSocketBudget,
        Self::ScopeUpgradeUnasked,
        Self::MetadataNotPinned,
        Self::StaleSignatureAccepted,
        Self::AnyNonce,
        Self::ApproverNotChecked,
        Self::ReloadKeepsConnections,
        Self::ConfigBaseNotChecked,
    ];
}

impl Mutation {
    /// The flow of `clawproof conform` that shows this bug best.
    pub fn flow(self) -> &'static str {
        match self {
            Self::WrongCloseCode | Self::MissingDetails => "auth/shared-token-wrong",
            Self::CredentialsBeforeSignature => "device/order-of-checks",
            Self::TokenNotBound | Self::TokenOfAnyRole => "auth/device-token",
            Self::ExtraScope => "hello/operator-scopes",
            Self::PendingNotSuperseded | Self::RequestIdReused => "pairing/superseded",
            Self::WrongHandshakeTimeout => "handshake/nothing-is-said",
            Self::WrongSetupCodeTtl => "setup/expiry",
            Self::SeqRestarts => "events/seq",
            Self::TokenPerConnect => "hello/device-less",
            Self::RevokedTokenWorks => "pairing/token-revoke",
            Self::RotationKeepsConnections => "pairing/token-rotate",
            Self::RemoteIsApproved => "pairing/remote-approve",
            Self::ReasonNotCut => "pairing/scope-upgrade-remote",
            Self::AnyOrigin => "origin/refused",
            Self::NoRateLimit => "limits/shared-secret",
            Self::NoResolvedEvent => "pairing/remote-reject",
            Self::InvokeResultOfAnyNode => "node/invoke-result-of-another",
            Self::AllowlistIgnored => "node/platform-lists",
            Self::SurfaceApprovedAtOnce => "node/surface-approval",
            Self::SetupCodeReusable => "setup/mobile-handoff-local",
            Self::UnauthorizedForever => "handshake/eleven-unauthorized-calls",
            Self::NoSocketBudget => "limits/unauthenticated-sockets",
            Self::ScopeUpgradeUnasked => "pairing/scope-upgrade-remote",
            Self::MetadataNotPinned => "pairing/metadata-upgrade",
            Self::StaleSignatureAccepted => "device/signed-at",
            Self::AnyNonce => "device/nonce",
            Self::ApproverNotChecked => "pairing/approver-scopes",
            Self::ReloadKeepsConnections => "lifecycle/reload",
            Self::ConfigBaseNotChecked => "config/refused",
        }
    }
}

#[cfg(feature = "mutants")]
impl crate::Gateway {
    /// Gives the gateway one deliberate bug.
    pub fn mutate(&mut self, mutation: Mutation) {
        self.mutation = Some(mutation);
    }

    /// Whether a deliberate bug is on; never in a build without the feature `mutants`.
    pub(crate) fn has(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }
}

#[cfg(not(feature = "mutants"))]
impl crate::Gateway {
    /// Whether a deliberate bug is on; never in a build without the feature `mutants`.
    #[expect(
        clippy::unused_self,
        reason = "the same call works with and without the feature"
    )]
    pub(crate) fn has(&self, _mutation: Mutation) -> bool {
        false
    }
}
