//! The few decisions on which the two client generations differ, as one type.
//!
//! [`Policy::Pr741`] is the client of the reference pull request (12 Jun 2026), [`Policy::Hardened`] the client two
//! months later. A scenario names the policy it runs under; an upgrade from one to the other is a scenario too.
//!
//! ```
//! use client_core::Policy;
//! assert!(Policy::Pr741.clears_tokens_on_setup_code());
//! assert!(!Policy::default().clears_tokens_on_setup_code());
//! ```

/// Which generation of the client this is. ref: client-behaviour.md §31
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The client as the reference pull request shipped it.
    Pr741,
    /// The client after the later hardening.
    #[default]
    Hardened,
}

impl Policy {
    /// The word used in files and on command lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pr741 => "pr741",
            Self::Hardened => "hardened",
        }
    }

    /// Applying a setup code clears both role tokens before it connects. ref: §15
    pub fn clears_tokens_on_setup_code(self) -> bool {
        self == Self::Pr741
    }

    /// A validated shared token replaces both role tokens instead of standing behind them. ref: §16
    pub fn clears_tokens_on_shared_token(self) -> bool {
        self == Self::Pr741
    }

    /// `signedAt` echoes the challenge's `ts`; otherwise the local clock signs. ref: §8
    pub fn signs_challenge_time(self) -> bool {
        self == Self::Hardened
    }

    /// Node trust requests are approved without a person. ref: §20.4
    pub fn approves_node_trust(self) -> bool {
        self == Self::Pr741
    }

    /// A rejected device token may fall back to the shared token, not only to the bootstrap token. ref: §17.4
    pub fn recovers_with_shared_token(self) -> bool {
        self == Self::Hardened
    }

    /// Recovery only where the fallback credential can't be read by a stranger. ref: §17.4
    pub fn recovers_on_safe_endpoints_only(self) -> bool {
        self == Self::Hardened
    }

    /// The node role has a recovery of its own. ref: §17.5
    pub fn recovers_node_token(self) -> bool {
        self == Self::Hardened
    }

    /// Tokens in the hello-ok of a shared-token validation are kept. ref: §31
    pub fn persists_validation_tokens(self) -> bool {
        self == Self::Pr741
    }

    /// An inbound message over 32 Mi characters closes the connection with 1009. ref: §7
    pub fn limits_inbound(self) -> bool {
        self == Self::Hardened
    }

    /// A node or operator hello-ok must answer the request that asked for it. ref: §10
    pub fn correlates_hello(self) -> bool {
        self == Self::Hardened
    }

    /// `DEVICE_AUTH_SIGNATURE_EXPIRED` stops the client instead of sending it to v2. ref: §9, catalogue row 188
    pub fn expired_signature_is_terminal(self) -> bool {
        self == Self::Hardened
    }

    /// An identity that can't be read stops the connect; otherwise the next credential stands in. ref: §2.2
    pub fn fails_closed(self) -> bool {
        self == Self::Hardened
    }

    /// The owner of a managed local endpoint is proven before a strong credential is sent. ref: §18
    pub fn proves_endpoints(self) -> bool {
        self == Self::Hardened
    }

    /// A managed gateway that is gone is restarted. ref: §25
    pub fn repairs_services(self) -> bool {
        self == Self::Hardened
    }

    /// A connection without a challenge is given up after a while. The companion leaves that to the gateway; ours
    /// does as the reference client. ref: field-bugs.md 2
    pub fn gives_up_without_challenge(self) -> bool {
        self == Self::Hardened
    }

    /// A connection that stays silent for two tick intervals is given up. The companion has no such watchdog;
    /// ours offers one. ref: §7, field-bugs.md 80
    pub fn watches_ticks(self) -> bool {
        self == Self::Hardened
    }
}
