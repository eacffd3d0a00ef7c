//! The three shards of the suite.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A shard: the part of the suite that one CI job runs.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Shard {
    /// First contact: setup codes, shared tokens, pairing, the handshake.
    SetupConnect,
    /// Credentials that are taken away, and the way back.
    RevocationRecovery,
    /// Connections that are lost, and the way back.
    NetworkRecovery,
}

impl Shard {
    /// Every shard.
    pub const ALL: [Self; 3] = [
        Self::SetupConnect,
        Self::RevocationRecovery,
        Self::NetworkRecovery,
    ];

    /// The word used in paths and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SetupConnect => "setup-connect",
            Self::RevocationRecovery => "revocation-recovery",
            Self::NetworkRecovery => "network-recovery",
        }
    }

    /// The shard with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shard| shard.name() == name)
    }

    /// The shard that the first segment of an id names.
    pub fn of_id(id: &str) -> Option<Self> {
        Self::named(id.split('/').next().unwrap_or_default())
    }
}
