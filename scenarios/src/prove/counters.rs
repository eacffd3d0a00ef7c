//! What was counted on the receiving side: a claim that something was not sent is a counter that is zero.

use serde_json::{Value, json};
use transcript::{Direction, Kind, Stage};

use crate::judge::RunRecord;
use crate::judge::record::EndSection;
use crate::scenario::Scenario;

/// Sockets, connect frames by credential, and everything that the scenario says must not be seen.
pub fn of(scenario: &Scenario, record: &RunRecord) -> Value {
    let entries = &record.transcript.entries;
    let sockets = entries
        .iter()
        .filter(|entry| entry.kind == Kind::Open)
        .count();
    let mut by_auth = serde_json::Map::new();
    let mut connects = 0;
    for entry in entries {
        let received = entry.dir == Some(Direction::ClientToGateway)
            && entry.stage == Some(Stage::Delivered)
            && entry.method() == Some("connect");
        if !received {
            continue;
        }
        connects += 1;
        let auth = entry
            .frame
            .as_ref()
            .and_then(|frame| frame.pointer("/params/auth"));
        let keys: Vec<&str> = auth
            .and_then(Value::as_object)
            .map(|auth| auth.keys().map(String::as_str).collect())
            .unwrap_or_default();
        let name = if keys.is_empty() {
            "none".to_owned()
        } else {
            keys.join("+")
        };
        let before = by_auth
            .get(&name)
            .and_then(Value::as_u64)
            .unwrap_or_default();
        by_auth.insert(name, (before + 1).into());
    }
    json!({
        "sockets": sockets,
        "connectFrames": connects,
        "connectFramesByAuth": by_auth,
        "mustNotBeSeen": never(scenario, record),
    })
}

fn never(scenario: &Scenario, record: &RunRecord) -> Vec<Value> {
    let ends = record
        .ends
        .iter()
        .filter(|end| end.section == EndSection::Never);
    ends.filter_map(|end| {
        let never = scenario.never.get(end.index)?;
        Some(json!({
            "what": never.value.because.clone().unwrap_or_else(|| line(scenario, end.index)),
            "place": scenario.place(never.at.as_ref()),
            "seen": end.entries.len(),
        }))
    })
    .collect()
}

/// The table as it stands in the file, on one line.
fn line(scenario: &Scenario, index: usize) -> String {
    let never = scenario.never.get(index);
    let text = never.and_then(|never| scenario.source.text.get(never.at.clone()?));
    text.map_or_else(
        || format!("never {}", index + 1),
        |text| text.split_whitespace().collect::<Vec<_>>().join(" "),
    )
}
