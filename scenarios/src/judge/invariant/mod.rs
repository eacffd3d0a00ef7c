//! What always holds, whatever the scenario says. One fold each, all on by default.
//!
//! A scenario that means to break one says so: `[allow]` with `seq_only_grows = "the point of this test"`. Every
//! invariant names a mutant that violates it, and `tests/mutants.rs` shows that the judge names it back: an
//! invariant that nobody can violate proves nothing.
//!
//! Add one: a file with a `check` function, a row in [`REGISTRY`], a test with a transcript that keeps it and one
//! that breaks it, and a mutant.

use gateway_protocol::member;
use serde_json::Value;

mod artifacts;
mod bootstrap_cleared_last;
mod challenge_comes_first;
mod client_keeps_running;
mod close_code_is_known;
mod credential_is_stored;
mod credentials_follow_trust;
mod device_id_never_changes;
mod every_frame_is_schema_valid;
mod every_frame_parses;
mod every_request_is_claimed;
mod evidence;
mod limits_respected;
mod no_socket_after_terminal;
mod nonce_used_once;
mod nothing_after_close;
mod nothing_before_connect;
mod nothing_for_a_stranger;
mod one_auth_key_per_connect;
mod one_connect_per_socket;
mod one_operator_at_a_time;
mod one_record_for_one_gateway;
mod one_result_per_invoke;
mod operator_comes_first;
mod reconnect_is_not_a_storm;
mod refusals_are_heeded;
mod responses;
mod secrets_stay_inside;
mod seq_only_grows;
mod silence;
mod tokens_stay_with_their_role;

pub use evidence::{Evidence, Said};
use evidence::{ends, ends_the_stream};

/// Who can break an invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A client. Scripted (raw) actors are not judged: they say what the scenario wants.
    Client,
    /// Our companion: its own rules are stricter than the protocol, and bind nobody else.
    Companion,
    /// The gateway.
    Gateway,
    /// Both ends.
    Both,
    /// The harness itself.
    Harness,
}

/// One broken place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breach {
    /// What is wrong, as a sentence.
    pub what: String,
    /// Transcript entries that prove it.
    pub entries: Vec<u64>,
}

/// One invariant.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name: a sentence with underscores.
    pub name: &'static str,
    /// What it says.
    pub doc: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Who can break it.
    pub subject: Subject,
    /// A deliberate mistake that breaks it: `client:MUTATION`, `gateway:BEHAVIOUR` or `record:FIELD`.
    pub mutant: &'static str,
    /// The fold.
    pub check: fn(&Evidence<'_>) -> Vec<Breach>,
}

/// Every invariant.
pub const REGISTRY: &[Row] = &[
    every_frame_parses::ROW,
    every_frame_is_schema_valid::ROW,
    nothing_before_connect::ROW,
    one_connect_per_socket::ROW,
    challenge_comes_first::ROW,
    responses::ONE_RESPONSE_PER_REQUEST,
    responses::RESPONSES_NAME_A_REQUEST,
    responses::REQUEST_IDS_ARE_UNIQUE,
    seq_only_grows::ROW,
    nonce_used_once::ROW,
    limits_respected::ROW,
    close_code_is_known::ROW,
    nothing_after_close::ROW,
    reconnect_is_not_a_storm::ROW,
    refusals_are_heeded::ROW,
    silence::GIVES_UP_ON_A_SILENT_GATEWAY,
    silence::SILENCE_IS_NOTICED,
    client_keeps_running::ROW,
    every_request_is_claimed::ROW,
    one_auth_key_per_connect::ROW,
    credential_is_stored::ROW,
    tokens_stay_with_their_role::ROW,
    credentials_follow_trust::ROW,
    device_id_never_changes::ROW,
    one_record_for_one_gateway::ROW,
    one_operator_at_a_time::ROW,
    operator_comes_first::ROW,
    nothing_for_a_stranger::ROW,
    one_result_per_invoke::ROW,
    no_socket_after_terminal::ROW,
    bootstrap_cleared_last::ROW,
    secrets_stay_inside::ROW,
    artifacts::NO_SECRET_IN_ARTIFACTS,
    artifacts::NOTHING_LEFT_RUNNING,
    artifacts::NO_ERROR_IS_LOGGED,
];

/// The invariant with this name.
pub fn named(name: &str) -> Option<&'static Row> {
    REGISTRY.iter().find(|row| row.name == name)
}

/// The text at a JSON pointer.
pub fn text<'a>(frame: &'a Value, pointer: &str) -> Option<&'a str> {
    at(frame, pointer)?.as_str()
}

/// The value at a JSON pointer whose names need no escapes: serde's own makes two texts of each name.
pub fn at<'a>(frame: &'a Value, pointer: &str) -> Option<&'a Value> {
    let mut names = pointer.split('/').skip(1);
    names.try_fold(frame, member)
}

fn breach(what: String, entries: &[u64]) -> Breach {
    Breach {
        what,
        entries: entries.to_vec(),
    }
}

#[cfg(test)]
mod tests;
