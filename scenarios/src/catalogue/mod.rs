//! The catalogue: what the field asks of a client, row by row, and which scenarios show it.
//!
//! The rows are data (`scenarios/catalogue/rows.toml`). A scenario covers a row by naming it in its `about`
//! (`scenario-catalogue 010, 107`); nothing else counts as covered. A row that no scenario can show says why, and a
//! reason that is no longer true is an error, so the list can't rot.
//!
//! | module | content |
//! |---|---|
//! | [`citation`] | the numbers that an `about` names |
//! | `rows` | the file |
//! | `lines` | rows and scenarios together |
//!
//! ```
//! use scenarios::catalogue::{Catalogue, Mention, State};
//! let catalogue = Catalogue::embedded().unwrap();
//! let mention = Mention { id: "setup-connect/x".into(), about: "scenario-catalogue 032".into(), ..Mention::default() };
//! let mentions = [mention];
//! let lines = catalogue.lines(&mentions);
//! assert!(matches!(lines[31].state, State::Covered(_)));
//! ```

pub mod citation;
mod lines;
mod rows;

pub use lines::{Line, Mention, Mistake, State, Tally};
pub use rows::{Catalogue, CatalogueError, Row, RowPolicy, RowShard};

#[cfg(test)]
mod tests;
