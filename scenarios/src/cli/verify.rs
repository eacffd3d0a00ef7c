//! `clawproof verify`: a bundle checked by somebody who has nothing but the bundle.

use super::args::{MessageFormat, VerifyArgs};
use super::exit::Exit;
use super::print::{out, say};
use crate::prove::{Report, recording, verify as check};

pub(super) fn verify(args: &VerifyArgs) -> Exit {
    let report = if args.bundle.is_file() {
        recording::verify(&args.bundle)
    } else {
        check(&args.bundle)
    };
    if args.message_format == MessageFormat::Json {
        out(json(&report));
    } else {
        tell(&report);
    }
    if report.problems.is_empty() {
        Exit::Passed
    } else {
        Exit::Failed
    }
}

fn tell(report: &Report) {
    for note in &report.notes {
        say(format_args!("note: {note}"));
    }
    for problem in &report.problems {
        say(format_args!("error: {problem}"));
    }
    let told = if report.problems.is_empty() {
        "verified".to_owned()
    } else {
        say(
            "hint: fetch the bundle again from where it was made; what was changed by hand proves nothing",
        );
        format!("not verified, {} problems", report.problems.len())
    };
    if let Some(signatures) = report.manifest.get("signatures") {
        out(format_args!("{told}: signatures {signatures}"));
        return;
    }
    out(format_args!(
        "{told}: {} files, {} verdicts judged again, gateway {}",
        report.files,
        report.verdicts.len(),
        report.gateways.join(" and ")
    ));
}

fn json(report: &Report) -> serde_json::Value {
    serde_json::json!({
        "event": "verified",
        "holds": report.problems.is_empty(),
        "problems": report.problems,
        "notes": report.notes,
        "files": report.files,
        "verdicts": report.verdicts.len(),
        "gateways": report.gateways,
    })
}
