//! The referee: a judge of frames that we did not write.
//!
//! Our client and our mock share one vocabulary, so a wrong name in it would pass everywhere. Upstream publishes the
//! schema of the protocol; where it was fetched (`clawproof fetch schema`), every frame of every run is checked
//! against it. Where it was not, every report says so: what nobody checked is not green.
//!
//! | module | content |
//! |---|---|
//! | `published` | the schema in the cache, its pinned digest, the form in which it is read |
//! | [`verdict`] | one frame against the definitions of its method or event |
//! | [`differences`] | where a real release differs from the schema, each with its reason |
//!
//! The invariant that asks it is `every_frame_is_schema_valid` (`judge/invariant`).

use std::fmt;
use std::sync::{Arc, OnceLock};

use gateway_protocol::schema::Catalog;

pub mod differences;
mod published;
pub mod verdict;

pub use published::SCHEMA_SHA256;
pub use verdict::{Referee, Violation};

/// Whether a referee is wanted (`--referee`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Where the schema is in the cache.
    #[default]
    Auto,
    /// Always: without the schema nothing runs.
    On,
    /// Never.
    Off,
}

/// Whether there is a referee.
#[derive(Clone, Debug, Default)]
pub enum Standing {
    /// There is one.
    Ready(Arc<Referee>),
    /// The schema is not there.
    Missing {
        /// Why, and what to do about it.
        why: String,
    },
    /// Nobody wants one.
    #[default]
    Off,
}

impl Standing {
    /// The referee, if there is one.
    pub const fn referee(&self) -> Option<&Arc<Referee>> {
        match self {
            Self::Ready(referee) => Some(referee),
            Self::Missing { .. } | Self::Off => None,
        }
    }

    /// The definitions that the gateway may answer from.
    pub fn catalog(&self) -> Option<Arc<Catalog>> {
        self.referee().map(|referee| Arc::clone(referee.catalog()))
    }

    /// Whether the frames of a run were checked.
    pub const fn verified(&self) -> bool {
        matches!(self, Self::Ready(_))
    }
}

/// What reports say: `every frame checked against ...`, or why not.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(referee) => write!(
                f,
                "every frame checked against protocol.schema.json {}",
                referee.version()
            ),
            Self::Missing { why } => write!(f, "not verified ({why})"),
            Self::Off => f.write_str("not verified (switched off)"),
        }
    }
}

static STANDING: OnceLock<Standing> = OnceLock::new();

/// Says once per process whether a referee is wanted; later calls change nothing.
pub fn choose(mode: Mode) -> &'static Standing {
    STANDING.get_or_init(|| match mode {
        Mode::Off => Standing::Off,
        Mode::Auto | Mode::On => published::load(),
    })
}

/// The referee of this process: the one that was chosen, else the one whose schema is in the cache.
pub fn standing() -> &'static Standing {
    choose(Mode::Auto)
}
