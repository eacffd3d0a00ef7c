//! Requests and responses belong to each other.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Breach, Evidence, Row, Subject, breach, text};

pub(super) const ONE_RESPONSE_PER_REQUEST: Row = Row {
    name: "one_response_per_request",
    doc: "A request gets at most one response, besides the one that says that a turn of the agent is accepted.",
    source: "gateway-behaviour §1.2",
    subject: Subject::Gateway,
    mutant: "gateway:answer_twice",
    check: one_response_per_request,
};

pub(super) const RESPONSES_NAME_A_REQUEST: Row = Row {
    name: "responses_name_a_request",
    doc: "A response carries the id of a request that was made on its connection.",
    source: "gateway-behaviour §1.2, §1.6",
    subject: Subject::Gateway,
    mutant: "gateway:answer_nobody",
    check: responses_name_a_request,
};

pub(super) const REQUEST_IDS_ARE_UNIQUE: Row = Row {
    name: "request_ids_are_unique",
    doc: "A client uses a request id once per connection: the gateway does not detect duplicates.",
    source: "gateway-behaviour §1.2",
    subject: Subject::Client,
    mutant: "client:duplicate_request_id",
    check: request_ids_are_unique,
};

#[derive(Debug, Default)]
pub(super) struct Pair {
    requests: Vec<u64>,
    responses: Vec<u64>,
}

/// Requests and answers by connection and id.
pub(super) type Pairs<'a> = BTreeMap<(u32, &'a str), Pair>;

fn pairs<'e, 'a>(evidence: &'e Evidence<'a>) -> &'e Pairs<'a> {
    evidence.pairs.get_or_init(|| paired(evidence))
}

fn paired<'a>(evidence: &Evidence<'a>) -> Pairs<'a> {
    let mut pairs = Pairs::new();
    // Scripted clients count too: the gateway answers them as it answers anybody.
    for said in evidence.said_by_anybody() {
        let Some(frame) = said.entry.frame.as_deref() else {
            continue;
        };
        let Some(id) = text(frame, "/id") else {
            continue;
        };
        let pair = pairs.entry((said.conn, id)).or_default();
        match text(frame, "/type") {
            Some("res") if said.by_gateway && !is_first_of_two(frame) => {
                pair.responses.push(said.n());
            }
            Some("req") if !said.by_gateway => pair.requests.push(said.n()),
            _ => {}
        }
    }
    pairs
}

/// `agent` is answered twice: accepted, and at the end of the turn.
fn is_first_of_two(frame: &Value) -> bool {
    text(frame, "/payload/status") == Some("accepted")
}

fn one_response_per_request(evidence: &Evidence<'_>) -> Vec<Breach> {
    pairs(evidence)
        .iter()
        .filter(|((_, _), pair)| {
            !pair.requests.is_empty() && pair.responses.len() > pair.requests.len()
        })
        .map(|((conn, id), pair)| {
            let who = evidence.wire.describe(*conn);
            let what = format!(
                "{who}: request {id:?} was answered {} times",
                pair.responses.len()
            );
            breach(what, &pair.responses)
        })
        .collect()
}

fn responses_name_a_request(evidence: &Evidence<'_>) -> Vec<Breach> {
    pairs(evidence)
        .iter()
        // "invalid" answers what had no id at all; a request that is no frame is answered with the id it had.
        .filter(|((conn, id), pair)| {
            pair.requests.is_empty()
                && !pair.responses.is_empty()
                && *id != "invalid"
                && !evidence.is_scripted(*conn)
        })
        .map(|((conn, id), pair)| {
            let who = evidence.wire.describe(*conn);
            breach(
                format!("{who}: the gateway answered {id:?}, which nobody had asked"),
                &pair.responses,
            )
        })
        .collect()
}

fn request_ids_are_unique(evidence: &Evidence<'_>) -> Vec<Breach> {
    pairs(evidence)
        .iter()
        .filter(|((conn, _), pair)| pair.requests.len() > 1 && !evidence.is_scripted(*conn))
        .map(|((conn, id), pair)| {
            let who = evidence.wire.describe(*conn);
            breach(
                format!(
                    "{who} used the request id {id:?} {} times",
                    pair.requests.len()
                ),
                &pair.requests,
            )
        })
        .collect()
}
