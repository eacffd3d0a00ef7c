//! One JSON object per line, for programs (`--message-format json`).
//!
//! Every line has `event`: `started`, `result` or `finished`.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Counts, ScenarioResult};
use crate::judge::Verdict;
use crate::referee::Standing;

/// The first line of a run.
pub fn started(scenarios: usize, seed: u64) -> Value {
    json!({ "event": "started", "scenarios": scenarios, "seed": seed })
}

/// The line of one result.
pub fn result(result: &ScenarioResult) -> Value {
    let mut line = json!({
        "event": "result",
        "id": result.id,
        "world": result.world,
        "seed": result.seed,
        "verdict": result.verdict.word(),
        "tookMs": millis(result.took),
        "protocolMs": millis(result.virtual_time),
    });
    let extra = match &result.verdict {
        Verdict::Passed => None,
        Verdict::Failed(findings) => Some(("findings", json!(findings))),
        Verdict::Inconclusive { why } => Some(("why", json!(why))),
        Verdict::Skipped { missing } => Some(("missing", json!(missing))),
        Verdict::Broken { what } => Some(("what", json!(what))),
    };
    if let (Some((name, value)), Some(fields)) = (extra, line.as_object_mut()) {
        fields.insert(name.to_owned(), value);
    }
    line
}

/// The last line of a run.
pub fn finished(results: &[ScenarioResult], took: Duration, referee: &Standing) -> Value {
    let counts = Counts::of(results);
    json!({
        "event": "finished",
        "passed": counts.passed,
        "failed": counts.failed,
        "inconclusive": counts.inconclusive,
        "skipped": counts.skipped,
        "broken": counts.broken,
        "tookMs": millis(took),
        "referee": {"verified": referee.verified(), "says": referee.to_string()},
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
