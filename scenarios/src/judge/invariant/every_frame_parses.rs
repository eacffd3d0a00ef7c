//! Every message of both ends is a frame of the protocol.

use std::collections::BTreeSet;

use gateway_protocol::Frame;
use gateway_protocol::shape::{CONNECT_PARAMS_6, CONNECT_PARAMS_9};
use serde_json::Value;
use transcript::Kind;

use super::{Breach, Evidence, Row, Subject, breach};

pub(super) const ROW: Row = Row {
    name: "every_frame_parses",
    doc: "Every message is a request, a response or an event, and every connect has valid params.",
    source: "gateway-behaviour §1.2, §1.5, §2.2",
    subject: Subject::Both,
    mutant: "gateway:raw",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let newer = evidence
        .scenario
        .profile
        .as_deref()
        .is_some_and(|profile| profile.starts_with("2026.9"));
    let mut breaches = Vec::new();
    let mut told = BTreeSet::new();
    for said in evidence.said() {
        let who = if said.by_gateway {
            "the gateway"
        } else {
            evidence.actor(said.conn)
        };
        let problem = match &said.entry.frame {
            None if said.entry.kind == Kind::Binary => Some("a binary message".to_owned()),
            None => Some("a text that is no JSON object".to_owned()),
            Some(frame) => match Frame::check(frame) {
                Err(error) => Some(format!("what is no frame: {error}")),
                Ok(()) if said.method == Some("connect") && is_request(frame) => {
                    let shape = if newer {
                        CONNECT_PARAMS_9
                    } else {
                        CONNECT_PARAMS_6
                    };
                    let params = frame.get("params").unwrap_or(&Value::Null);
                    let wrong = shape.check(params).err();
                    wrong.map(|why| format!("an invalid connect: {why}"))
                }
                Ok(()) => None,
            },
        };
        let Some(problem) = problem else { continue };
        if told.insert((said.conn, problem.clone())) {
            breaches.push(breach(format!("{who} said {problem}"), &[said.n()]));
        }
    }
    breaches
}

fn is_request(frame: &Value) -> bool {
    frame.get("type").is_some_and(|kind| kind == "req")
}
