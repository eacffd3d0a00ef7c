//! Real components: programs and data of others, pinned, fetched with npm, and kept in a cache.
//!
//! The repository holds no copy of them, only their exact versions and digests, as npm lock files
//! under `scenarios/real/`. Nothing is fetched unless it was asked for: [`Cache::locate`] never uses
//! the network, [`Cache::fetch`] does.
//!
//! | module | content |
//! |---|---|
//! | [`component`] | what there is: names, pins, what each one needs |
//! | [`cache`] | where it is kept, and whether it is complete |
//! | `npm` | how it gets there: all of it or nothing |
//!
//! ```
//! use scenarios::fetch::{Cache, Component, Missing};
//! # let home = tempfile::tempdir().unwrap();
//! let cache = Cache::at(home.path());
//! let missing = cache.locate(Component::Schema).unwrap_err();
//! assert!(matches!(missing, Missing::NotFetched { .. }));
//! assert_eq!(missing.hint(), "run `clawproof fetch schema` where there is a network");
//! ```

pub mod cache;
pub mod component;
mod npm;

pub use cache::{Cache, Installed, Missing};
pub use component::Component;
pub use npm::{FetchError, Progress};
