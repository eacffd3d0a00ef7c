//! How fast entries become redacted lines, measured as `scenarios/examples/proof_figures.rs` does it:
//! `redaction_rate [TURNS [WHAT]]`.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that can't go on has nothing to say, and its lines are its product"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;
use transcript::{Draft, Header, Kind, Payload, Recorder, Redactor};

fn main() {
    let turns = std::env::args().nth(1).and_then(|turns| turns.parse().ok());
    let said = said();
    let bytes: usize = said.iter().map(String::len).sum();
    let field = || Header::new(1, "recorded", "whoever answers");
    let modes = [
        (
            "secrets",
            Header::new(1, "memory", "mock profile 2026.6.34"),
        ),
        ("secrets and names", field()),
        ("secrets, names and devices", field().resigned(1)),
    ];
    let only = std::env::args().nth(2);
    let is_wanted = |what: &str| only.as_deref().is_none_or(|only| only == what);
    for (what, header) in modes.into_iter().filter(|(what, _)| is_wanted(what)) {
        let mut best = Duration::MAX;
        let mut known = (0, 0);
        for _ in 0..turns.unwrap_or(5) {
            let recorder = Recorder::in_memory(header.clone());
            let mut redactor = Redactor::of_record(&header, &[]);
            for (at, text) in (0_u64..).zip(&said) {
                let payload = Payload::text(text.as_str());
                recorder.record(Draft::new(at, Kind::Text).conn(1).payload(payload));
            }
            let raw = recorder.raw_since(0);
            let began = Instant::now();
            let mut written = 0;
            for entry in &raw {
                written += redactor.line(entry).len();
            }
            best = best.min(began.elapsed());
            assert!(written > bytes / 2, "the lines hold the frames");
            known = (redactor.secrets().count(), redactor.names().count());
        }
        println!(
            "{what}: {} frames, {:.2} MB, {:.1} ms, {:.0} MB/s; {} secrets and {} names learned",
            said.len(),
            mega(bytes),
            best.as_secs_f64() * 1e3,
            mega(bytes) / best.as_secs_f64(),
            known.0,
            known.1,
        );
    }
}

#[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
fn mega(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// Every message of the recorded real gateways, as it was said.
fn said() -> Vec<String> {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/recordings");
    let mut said = Vec::new();
    for release in ["2026.6.34", "2026.9.6"] {
        let folder = std::fs::read_dir(recordings.join(release)).expect("the recordings are there");
        let mut files: Vec<_> = folder.flatten().map(|file| file.path()).collect();
        files.sort();
        for file in files {
            let text = std::fs::read_to_string(file).expect("a recording is text");
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let frames = lines.filter_map(|mut line| line.get_mut("frame").map(Value::take));
            let frames = frames.filter(|frame| frame.get("type").is_some());
            said.extend(frames.map(|frame| frame.to_string()));
        }
    }
    said
}
