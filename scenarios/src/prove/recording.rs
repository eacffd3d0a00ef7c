//! Checks a transcript alone, as `clawproof record` writes it: nothing secret is shown, and every signature fits.

use std::path::Path;

use serde_json::json;
use transcript::resign::{Fit, signatures};
use transcript::{Reading, Transcript};

use super::verify::{Report, shown};

/// Checks the transcript in `path`.
pub fn verify(path: &Path) -> Report {
    let mut report = Report::default();
    let name = path.display();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            report.problems.push(format!("{name}: {error}"));
            return report;
        }
    };
    report.files = 1;
    match Reading::parse(&text) {
        Ok(reading) => {
            if let Some(line) = reading.torn_line {
                let read = reading.transcript.entries.len();
                report.notes.push(format!(
                    "{name}:{line}: the writer was cut off; the {read} entries before it were checked"
                ));
            }
            check(&name.to_string(), &reading.transcript, &mut report);
        }
        Err(error) => report.problems.push(format!("{name}: {error}")),
    }
    report
}

fn check(name: &str, transcript: &Transcript, report: &mut Report) {
    let header = serde_json::to_value(&transcript.header).unwrap_or_default();
    let at = format!("{name}: header");
    report
        .problems
        .extend(shown(&at, &header, Some(&transcript.header)));
    for entry in &transcript.entries {
        let at = format!("{name}: entry {}", entry.n);
        let value = serde_json::to_value(entry).unwrap_or_default();
        report
            .problems
            .extend(shown(&at, &value, Some(&transcript.header)));
    }
    let (mut fitting, mut unfit, mut hidden) = (0, 0, 0);
    for (n, fit) in signatures(&transcript.entries) {
        match fit {
            Fit::Fits(_) => fitting += 1,
            Fit::UnfitAsRecorded => unfit += 1,
            Fit::Hidden => hidden += 1,
            Fit::Broken => report.problems.push(format!(
                "{name}: entry {n}: the signature does not fit what the frame says; it was changed after it was recorded"
            )),
        }
    }
    if hidden > 0 {
        report.notes.push(format!(
            "{name}: {hidden} signatures are hidden, so they can't be checked: it was recorded without synthetic devices"
        ));
    }
    report.manifest = json!({
        "kind": "recording",
        "entries": transcript.entries.len(),
        "signatures": { "fitting": fitting, "unfitAsRecorded": unfit, "hidden": hidden },
    });
}
