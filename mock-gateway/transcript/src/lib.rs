//! What was said: the record of the wire, redacted before its first byte is written.
//!
//! A [`Recorder`] is shared by every tap of a run. It keeps the raw messages in memory for the runner's own
//! matching and hands out, or streams to a file, only redacted [`Entry`] values. A [`Transcript`] is what is left
//! of a run, and everything that is said about the run (verdict, report, diagram, proof) is computed from it.
//!
//! Map:
//! - [`entry`], [`header`], [`payload`]: the format and the raw message behind an entry
//! - [`recorder`], [`writer`], [`reader`]: how entries are taken, written as JSON Lines and read back
//! - [`redact`], [`canary`]: same secret, same pseudonym; the proof that a secret was on the wire and is in no file
//! - [`resign`]: synthetic device identities, so that a redacted record still verifies and replays
//! - [`matcher`], [`diff`], [`query`]: subset matching that explains itself, nearest match, selection
//! - [`normalize`], [`digest`]: what two worlds are compared by
//!
//! ```
//! use serde_json::json;
//! use transcript::{Draft, Header, Kind, Payload, Recorder, Stage, Direction};
//!
//! let recorder = Recorder::in_memory(Header::new(7, "core", "mock profile 2026.6.34"));
//! let frame = json!({"type": "req", "id": "1", "method": "connect", "params": {"auth": {"token": "s3cret-token"}}});
//! recorder.record(
//!     Draft::new(250, Kind::Text)
//!         .conn(1)
//!         .passing(Direction::ClientToGateway, Stage::Sent)
//!         .payload(Payload::text(frame.to_string())),
//! );
//! let lines = recorder.transcript().to_jsonl();
//! assert!(lines.contains("<shared-token:1>") && !lines.contains("s3cret-token"));
//! ```

pub mod canary;
pub mod diff;
pub mod digest;
pub mod encoding;
pub mod entry;
pub mod follow;
pub mod header;
pub mod normalize;
pub mod payload;
pub mod query;
pub mod reader;
pub mod recorder;
pub mod redact;
pub mod resign;
pub mod writer;

pub use crate::entry::{CloseInfo, Direction, Draft, Entry, Kind, RawEntry, Stage};
pub use crate::follow::Follower;
pub use crate::header::{FORMAT, Header};
pub use crate::payload::Payload;
pub use crate::query::Query;
pub use crate::reader::{ReadError, Reading, Transcript};
pub use crate::recorder::Recorder;
pub use crate::redact::Redactor;
pub use crate::writer::WriteError;
pub use gateway_protocol::matcher::{self, Bindings, Captures, Mismatch, matches};
