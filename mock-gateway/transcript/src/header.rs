//! The first line of a transcript: what was run, where, and against what.

use serde::{Deserialize, Serialize};

/// Version of the format this crate writes. Readers accept every version up to it; a reader meeting a newer one
/// refuses with the two numbers. New fields do not change the version, new meanings do.
pub const FORMAT: u32 = 1;

/// The first line of a transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of the format, see [`FORMAT`].
    pub format: u32,
    /// Scenario id, which is its path below the suite without `.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<String>,
    /// SHA-256 of the scenario file, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario_sha256: Option<String>,
    /// Seed of every random choice in the run.
    pub seed: u64,
    /// World: `core`, `memory`, `loopback`, `real` or `wsl`.
    pub world: String,
    /// `mock profile X` or `real version Y`. Set by the world, never by hand.
    pub gateway: String,
    /// Client under test with its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Commit of the client or of the harness, 40 hex characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Seed of the synthetic device identities, when those of the record were replaced ([`crate::resign`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resigned: Option<u64>,
}

impl Header {
    /// A header with the parts that every run has.
    pub fn new(seed: u64, world: impl Into<String>, gateway: impl Into<String>) -> Self {
        Self {
            format: FORMAT,
            scenario: None,
            scenario_sha256: None,
            seed,
            world: world.into(),
            gateway: gateway.into(),
            client: None,
            commit: None,
            resigned: None,
        }
    }

    /// Whether anything in the record may name a machine. In the virtual worlds there is none, and over loopback our own
    /// companion says what its scenario gave it.
    pub fn may_name_machines(&self) -> bool {
        let is_ours = || {
            let client = self.client.as_deref();
            client.is_none_or(|client| client.starts_with("companion "))
        };
        match self.world.as_str() {
            "core" | "memory" => false,
            "loopback" => !is_ours(),
            _ => true,
        }
    }

    /// Whether it comes from somebody's use, so that what people called their devices is in it.
    pub fn is_from_the_field(&self) -> bool {
        ["recorded", "imported"].contains(&self.world.as_str())
    }

    /// Replaces the devices of the record by synthetic ones that are made from `seed`, and signs anew for them.
    #[must_use]
    pub fn resigned(mut self, seed: u64) -> Self {
        self.resigned = Some(seed);
        self
    }
}
