//! A client that is told no does not ask the same again at once, over and over.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Breach, Evidence, Row, Subject, at, breach, text};

pub(super) const ROW: Row = Row {
    name: "refusals_are_heeded",
    doc: "A request that the gateway refused is made again at most ten times within a second.",
    source: "client-behaviour §20.4; scenario-catalogue 076",
    subject: Subject::Client,
    mutant: "client:approves_from_the_list",
    check,
};

/// So often the same request may be refused within [`SPAN_US`]: a person's impatience, or a few retries.
const MOST: usize = 10;
const SPAN_US: u64 = 1_000_000;

/// Who asked for what: actor, method and parameters as text.
type Wish<'a> = (&'a str, &'a str, String);

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let refused: BTreeSet<(u32, &str)> = evidence
        .gateway_frames()
        .filter(|(_, frame)| at(frame, "/ok").and_then(Value::as_bool) == Some(false))
        .filter_map(|(said, frame)| Some((said.conn, text(frame, "/id")?)))
        .collect();
    // Almost every run ends here.
    if refused.len() <= MOST {
        return Vec::new();
    }
    let mut asked: BTreeMap<Wish<'_>, Vec<(u64, u64)>> = BTreeMap::new();
    for (said, frame) in evidence.client_frames() {
        // How often a client may try to connect is a rule of its own.
        let Some(method) = said.method.filter(|method| *method != "connect") else {
            continue;
        };
        if text(frame, "/id").is_some_and(|id| refused.contains(&(said.conn, id))) {
            let params = at(frame, "/params").map(Value::to_string);
            let wish = (
                evidence.actor(said.conn),
                method,
                params.unwrap_or_default(),
            );
            asked
                .entry(wish)
                .or_default()
                .push((said.n(), said.entry.t_us));
        }
    }
    let storm = |((actor, method, _), times): (Wish<'_>, Vec<(u64, u64)>)| {
        let crowd = times.windows(MOST + 1).find(|crowd| match crowd {
            [(_, first), .., (_, last)] => {
                let prompted = evidence
                    .prompts()
                    .iter()
                    .any(|it| (*first..=*last).contains(it));
                last.saturating_sub(*first) < SPAN_US && !prompted
            }
            _ => false,
        })?;
        let entries: Vec<u64> = crowd.iter().map(|(n, _)| *n).collect();
        let span = crowd.last()?.1.saturating_sub(crowd.first()?.1) / 1_000;
        let what = format!(
            "{actor} asked for {method} {} times within {span} ms and was refused each time",
            crowd.len()
        );
        Some(breach(what, &entries))
    };
    asked.into_iter().filter_map(storm).collect()
}
