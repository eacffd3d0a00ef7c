//! Which credential a role connects with. ref: client-behaviour.md §2.1, §2.2
//!
//! ```
//! use client_core::credential::{CredentialSource, StoredToken, resolve};
//! use client_core::GatewayRecord;
//! use gateway_protocol::{Role, SharedToken};
//! let mut record = GatewayRecord::new("g", "ws://h:1");
//! record.shared_gateway_token = Some(SharedToken::new("s"));
//! let found = resolve(Role::Operator, &record, StoredToken::Missing);
//! assert_eq!(found.credential.unwrap().source, CredentialSource::SharedToken);
//! ```

use gateway_protocol::Role;
use serde::{Deserialize, Serialize};

use crate::identity::{Identity, IdentityDamage};
use crate::registry::GatewayRecord;

/// Where a credential came from; the label is reported everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CredentialSource {
    /// The operator's stored device token.
    #[serde(rename = "identity.DeviceToken")]
    OperatorToken,
    /// The node's stored device token.
    #[serde(rename = "identity.NodeDeviceToken")]
    NodeToken,
    /// The record's shared token.
    #[serde(rename = "record.SharedGatewayToken")]
    SharedToken,
    /// The record's bootstrap token.
    #[serde(rename = "record.BootstrapToken")]
    BootstrapToken,
}

impl CredentialSource {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OperatorToken => "identity.DeviceToken",
            Self::NodeToken => "identity.NodeDeviceToken",
            Self::SharedToken => "record.SharedGatewayToken",
            Self::BootstrapToken => "record.BootstrapToken",
        }
    }

    /// A device token, of either role.
    pub fn is_device_token(self) -> bool {
        match self {
            Self::OperatorToken | Self::NodeToken => true,
            Self::SharedToken | Self::BootstrapToken => false,
        }
    }
}

/// One credential, with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// Where it came from.
    pub source: CredentialSource,
    /// The secret as it goes on the wire.
    pub secret: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({})", self.source.as_str())
    }
}

/// What reading the stored device token gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoredToken<'a> {
    /// A usable token.
    Found(&'a str),
    /// No file, no token, or a blank one.
    Missing,
    /// The file can't be read.
    Unreadable,
    /// The file is wrong.
    Corrupt,
}

impl<'a> StoredToken<'a> {
    /// The stored token of a role.
    pub fn of(role: Role, identity: Option<&'a Identity>, damage: Option<&IdentityDamage>) -> Self {
        match (damage, identity) {
            (Some(IdentityDamage::Corrupt(_)), _) => Self::Corrupt,
            (Some(IdentityDamage::Unreadable(_)), _) => Self::Unreadable,
            (None, identity) => identity
                .and_then(|it| it.token(role))
                .map_or(Self::Missing, Self::Found),
        }
    }
}

/// How the choice went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ResolutionStatus {
    /// Found where it was expected.
    Resolved,
    /// The identity could not be read; a weaker credential stands in.
    FallbackUsed,
    /// Only the bootstrap token is left.
    BootstrapRequired,
    /// There is none.
    #[default]
    Missing,
    /// The identity file can't be read and nothing stands in.
    Unreadable,
    /// The identity file is wrong and nothing stands in.
    Corrupt,
}

/// The choice and how it came about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// The credential, if there is one.
    pub credential: Option<Credential>,
    /// How it went.
    pub status: ResolutionStatus,
    /// The device token could not be read.
    pub fallback_used: bool,
    /// The connection must redeem the bootstrap token.
    pub bootstrap_required: bool,
    /// How reading the device token went.
    pub primary_status: ResolutionStatus,
}

impl Resolution {
    /// The identity is there but can't be used: a hardened client refuses to connect. ref: §2.2
    pub fn is_identity_failure(&self) -> bool {
        let failed = |status| {
            matches!(
                status,
                ResolutionStatus::Unreadable | ResolutionStatus::Corrupt
            )
        };
        failed(self.status) || failed(self.primary_status)
    }
}

/// Chooses: stored device token, shared token, bootstrap token, nothing. Blank values count as absent.
pub fn resolve(role: Role, record: &GatewayRecord, stored: StoredToken<'_>) -> Resolution {
    let primary_status = match stored {
        StoredToken::Found(_) => ResolutionStatus::Resolved,
        StoredToken::Missing => ResolutionStatus::Missing,
        StoredToken::Unreadable => ResolutionStatus::Unreadable,
        StoredToken::Corrupt => ResolutionStatus::Corrupt,
    };
    if let StoredToken::Found(token) = stored {
        let source = match role {
            Role::Operator => CredentialSource::OperatorToken,
            Role::Node => CredentialSource::NodeToken,
        };
        let credential = Some(Credential {
            source,
            secret: token.to_owned(),
        });
        return Resolution {
            credential,
            status: ResolutionStatus::Resolved,
            primary_status,
            ..Resolution::default()
        };
    }
    let damaged = primary_status != ResolutionStatus::Missing;
    if let Some(token) = record.usable_shared_token() {
        let status = if damaged {
            ResolutionStatus::FallbackUsed
        } else {
            ResolutionStatus::Resolved
        };
        let credential = Some(Credential {
            source: CredentialSource::SharedToken,
            secret: token.to_owned(),
        });
        return Resolution {
            credential,
            status,
            fallback_used: damaged,
            bootstrap_required: false,
            primary_status,
        };
    }
    if let Some(token) = record.usable_bootstrap_token() {
        let credential = Some(Credential {
            source: CredentialSource::BootstrapToken,
            secret: token.to_owned(),
        });
        let status = ResolutionStatus::BootstrapRequired;
        return Resolution {
            credential,
            status,
            fallback_used: damaged,
            bootstrap_required: true,
            primary_status,
        };
    }
    Resolution {
        status: primary_status,
        primary_status,
        ..Resolution::default()
    }
}

#[cfg(test)]
mod tests {
    use gateway_protocol::{BootstrapToken, SharedToken};
    use rstest::rstest;

    use super::*;

    fn record(shared: Option<&str>, bootstrap: Option<&str>) -> GatewayRecord {
        let mut record = GatewayRecord::new("g", "ws://h:1");
        record.shared_gateway_token = shared.map(SharedToken::new);
        record.bootstrap_token = bootstrap.map(BootstrapToken::new);
        record
    }

    use CredentialSource::{BootstrapToken as B, NodeToken, OperatorToken, SharedToken as S};
    use ResolutionStatus as St;

    #[rstest]
    #[case(
        StoredToken::Found("d"),
        Some("s"),
        Some("b"),
        Some(OperatorToken),
        St::Resolved,
        false,
        false
    )]
    #[case(
        StoredToken::Found("d"),
        None,
        None,
        Some(OperatorToken),
        St::Resolved,
        false,
        false
    )]
    #[case(
        StoredToken::Missing,
        Some("s"),
        Some("b"),
        Some(S),
        St::Resolved,
        false,
        false
    )]
    #[case(
        StoredToken::Unreadable,
        Some("s"),
        Some("b"),
        Some(S),
        St::FallbackUsed,
        true,
        false
    )]
    #[case(
        StoredToken::Corrupt,
        Some("s"),
        None,
        Some(S),
        St::FallbackUsed,
        true,
        false
    )]
    #[case(
        StoredToken::Missing,
        None,
        Some("b"),
        Some(B),
        St::BootstrapRequired,
        false,
        true
    )]
    #[case(
        StoredToken::Corrupt,
        None,
        Some("b"),
        Some(B),
        St::BootstrapRequired,
        true,
        true
    )]
    #[case(StoredToken::Missing, None, None, None, St::Missing, false, false)]
    #[case(
        StoredToken::Unreadable,
        None,
        None,
        None,
        St::Unreadable,
        false,
        false
    )]
    #[case(
        StoredToken::Corrupt,
        Some(" "),
        Some("\t"),
        None,
        St::Corrupt,
        false,
        false
    )]
    #[case(
        StoredToken::Missing,
        Some("  "),
        Some("b"),
        Some(B),
        St::BootstrapRequired,
        false,
        true
    )]
    fn resolution_table(
        #[case] stored: StoredToken<'_>,
        #[case] shared: Option<&str>,
        #[case] bootstrap: Option<&str>,
        #[case] source: Option<CredentialSource>,
        #[case] status: ResolutionStatus,
        #[case] fallback: bool,
        #[case] bootstrap_required: bool,
    ) {
        let found = resolve(Role::Operator, &record(shared, bootstrap), stored);
        assert_eq!(found.credential.as_ref().map(|it| it.source), source);
        assert_eq!(
            (found.status, found.fallback_used, found.bootstrap_required),
            (status, fallback, bootstrap_required)
        );
        let damaged = matches!(stored, StoredToken::Unreadable | StoredToken::Corrupt);
        assert_eq!(found.is_identity_failure(), damaged);
    }

    #[test]
    fn the_node_has_a_label_of_its_own() {
        let found = resolve(
            Role::Node,
            &record(Some("s"), None),
            StoredToken::Found("n"),
        );
        assert_eq!(found.credential.unwrap().source, NodeToken);
    }

    #[test]
    fn a_debug_print_holds_no_secret() {
        let found = resolve(
            Role::Node,
            &record(Some("hush"), None),
            StoredToken::Missing,
        );
        assert!(!format!("{found:?}").contains("hush"));
    }
}
