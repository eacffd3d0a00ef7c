//! Replay: a recorded conversation played again, with the other half live.
//!
//! What differs from run to run is bound, not compared: ids, nonces, times, tokens, keys, signatures. A value that
//! was bound stands for the recorded one from then on, in what we say and in what we hear. Everything else is compared.
//!
//! | module | content |
//! |---|---|
//! | [`credentials`] | the live gateway's token in place of the recorded one |
//! | [`script`] | a transcript as lines: who says what on which connection |
//! | [`bind`] | recorded value against live value: bound, equal or different |
//! | [`player`] | whose turn it is, pure |
//! | [`sign`] | the devices of the client half: synthetic keys that sign each live challenge |
//! | [`drive`] | the player on sockets: as client against a gateway, as server for a client |
//! | [`outcome`] | what was found |

pub mod bind;
pub mod credentials;
pub mod drive;
pub mod outcome;
pub mod player;
pub mod script;
pub mod sign;

pub use bind::Bindings;
pub use credentials::Credentials;
pub use drive::{Drive, Pace, as_client, as_server};
pub use outcome::{Finding, Outcome};
pub use player::{Player, Side};
pub use script::Script;
