//! The museum: bugs that the field has seen, each with a deliberate bug that a scenario must catch.
//!
//! An exhibit is data (`scenarios/museum/bugs.toml`). [`Museum::show`] runs its scenario twice in the first virtual
//! world that it claims: the good client must pass, the client with the bug must fail.
//!
//! ```
//! use scenarios::museum::Museum;
//! let museum = Museum::embedded().unwrap();
//! assert_eq!(museum.exhibits().len(), 137);
//! ```

mod exhibits;
mod show;

pub use exhibits::{Exhibit, Fault, Museum, MuseumError, Place};
pub use show::Shown;

#[cfg(test)]
mod tests;
