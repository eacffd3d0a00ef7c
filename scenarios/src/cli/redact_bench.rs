//! `clawproof redact-bench`: how well redaction works, in numbers.

use super::args::{MessageFormat, RedactBenchArgs};
use super::exit::Exit;
use super::print::{fail, out, say};
use crate::redact_bench::rival::{self, Rival};
use crate::redact_bench::{Tally, measure};

/// More facts than this part may not be gone.
const OVER_REDACTION_MAX: f64 = 0.01;

pub(super) fn redact_bench(args: &RedactBenchArgs) -> Exit {
    let score = measure(args.seed, args.each.into());
    let rival = match args
        .rival
        .as_deref()
        .map(|program| rival::measure(program, args.seed, args.each.into()))
    {
        None => None,
        Some(Ok(rival)) => Some(rival),
        Some(Err(error)) => {
            fail(
                &error,
                Some("python3 -m venv .venv && .venv/bin/pip install detect-secrets==1.5.0"),
            );
            return Exit::WorldUnavailable;
        }
    };
    let holds = score.told.leaks.is_empty() && score.told.over_redaction() <= OVER_REDACTION_MAX;
    if args.message_format == MessageFormat::Json {
        out(serde_json::json!({
            "event": "redact-bench", "holds": holds, "dresses": score.dresses.len(),
            "told": json(&score.told), "untold": json(&score.untold),
            "rival": rival.as_ref().map(|rival| serde_json::json!({
                "version": rival.version, "samples": rival.samples, "found": rival.found,
                "decoys": rival.decoys, "alarms": rival.alarms, "missed": rival.missed,
            })),
        }));
    } else {
        say(format_args!(
            "{} dresses in 4 carriers, {} secrets",
            score.dresses.len(),
            score.told.samples
        ));
        tell("knows the run's secrets", &score.told);
        tell("was told nothing", &score.untold);
        if let Some(rival) = &rival {
            tell_rival(rival);
        }
    }
    if holds { Exit::Passed } else { Exit::Failed }
}

fn tell(who: &str, tally: &Tally) {
    out(format_args!(
        "{who:24} recall {:.4} ({} of {}), over-redaction {:.4} ({} of {})",
        tally.recall(),
        tally.hidden,
        tally.samples,
        tally.over_redaction(),
        tally.lost,
        tally.facts
    ));
    for (what, count) in tally.leaks.iter().chain(&tally.gone) {
        say(format_args!("  {count:4}  {what}"));
    }
}

fn tell_rival(rival: &Rival) {
    out(format_args!(
        "{:24} finds {} of {}, alarms in {} of {} without a secret",
        format!("detect-secrets {}", rival.version),
        rival.found,
        rival.samples,
        rival.alarms,
        rival.decoys
    ));
    for (dress, count) in &rival.missed {
        say(format_args!("  {count:4}  {dress} not found"));
    }
}

fn json(tally: &Tally) -> serde_json::Value {
    serde_json::json!({
        "recall": tally.recall(), "samples": tally.samples, "leaks": tally.leaks,
        "overRedaction": tally.over_redaction(), "facts": tally.facts, "gone": tally.gone,
    })
}
