//! `clawproof conform`: flows, gateways, outcomes.

use std::net::SocketAddr;
use std::path::Path;

use super::args::{Against, ConformArgs, MessageFormat};
use super::exit::Exit;
use super::print::{out, say};
use crate::conform::{self, Library, Outcome, Plan, Report, Target};
use crate::guarded::{Existing, whole};

pub(super) fn conform(args: &ConformArgs) -> Exit {
    let library = match load(args) {
        Ok(library) => library,
        Err(exit) => return exit,
    };
    let plan = match Plan::of(&library, &args.patterns, &args.profile, args.slow) {
        Ok(plan) => Plan {
            tell: |text| say(text),
            ..plan
        },
        Err(problem) => {
            say(format_args!("error: {problem}"));
            say("hint: `clawproof conform --list` shows every flow");
            return Exit::NothingSelected;
        }
    };
    if args.list {
        return list(&plan, args.message_format);
    }
    let target = match target(args) {
        Ok(target) => target,
        Err(problem) => {
            say(format_args!("error: {problem}"));
            return Exit::Usage;
        }
    };
    let began = std::time::Instant::now();
    let report = match conform::compare(&library, &plan, &target) {
        Ok(report) => report,
        Err(problem) => {
            say(format_args!("error: {problem}"));
            return Exit::WorldUnavailable;
        }
    };
    if args.show {
        for case in &report.cases {
            out(case.print_record());
        }
    }
    if args.record {
        return record(&library, &report);
    }
    match args.message_format {
        MessageFormat::Human => print(&report),
        MessageFormat::Json => {
            for case in &report.cases {
                out(case.to_json());
            }
        }
    }
    let took = began.elapsed();
    say(format_args!(
        "{} in {:.1} s",
        report.summary(),
        took.as_secs_f64()
    ));
    exit(&report)
}

fn load(args: &ConformArgs) -> Result<Library, Exit> {
    let here = std::env::current_dir().unwrap_or_default();
    Library::load(args.flows.as_deref(), &here).map_err(|problems| {
        for problem in &problems {
            say(format_args!("error: {problem}"));
        }
        say("hint: docs/guides/conform.md lists every step and its options");
        Exit::InvalidFile
    })
}

fn list(plan: &Plan<'_>, format: MessageFormat) -> Exit {
    for flow in &plan.flows {
        match format {
            MessageFormat::Human => out(format_args!("{:<44} {}", flow.id, flow.title)),
            MessageFormat::Json => out(serde_json::json!({
                "flow": flow.id, "title": flow.title, "about": flow.about,
                "config": flow.config, "versions": flow.versions, "slow": flow.slow,
            })),
        }
    }
    say(format_args!("{} flows", plan.flows.len()));
    Exit::Passed
}

fn target(args: &ConformArgs) -> Result<Target, String> {
    let Some(url) = &args.url else {
        return Ok(match args.against {
            Against::Mock => Target::Mock,
            Against::Real => Target::Real,
        });
    };
    let addr: SocketAddr = url
        .strip_prefix("ws://")
        .map(|rest| rest.trim_end_matches('/'))
        .and_then(|rest| rest.parse().ok())
        .ok_or_else(|| format!("--url {url}: ws://ADDRESS:PORT is needed, with an IP address"))?;
    if args.profile.len() != 1 {
        return Err(
            "--url needs --profile VERSION: whose golden records to compare with".to_owned(),
        );
    }
    Ok(Target::At {
        addr,
        secret: args.token.clone().unwrap_or_default(),
        config: args.config.clone(),
        mint: args.mint.clone(),
    })
}

fn record(library: &Library, report: &Report) -> Exit {
    let Some(folder) = &library.folder else {
        say(
            "error: golden records are written into a folder of flows; this is the copy inside the program",
        );
        say("hint: name one with --flows DIR");
        return Exit::ArtifactsNotWritten;
    };
    let mut written = 0;
    for case in &report.cases {
        if let Some((path, text)) = case.golden() {
            if let Err(problem) = write(&folder.join("golden").join(path), &text) {
                say(format_args!("error: {problem}"));
                return Exit::ArtifactsNotWritten;
            }
            written += 1;
        } else if let Outcome::Broken { problem } = &case.outcome {
            say(format_args!("{} {}: {problem}", case.version, case.flow));
        }
    }
    say(format_args!("{written} golden records written"));
    Exit::Passed
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let wrong = |error: &dyn std::error::Error| format!("{}: {error}", path.display());
    whole(path, text.as_bytes(), Existing::Replaced).map_err(|error| wrong(&error))
}

fn print(report: &Report) {
    for case in &report.cases {
        out(case.to_text());
    }
}

fn exit(report: &Report) -> Exit {
    let has = |wanted: fn(&Outcome) -> bool| report.cases.iter().any(|case| wanted(&case.outcome));
    if has(|outcome| matches!(outcome, Outcome::Broken { .. })) {
        Exit::InvalidFile
    } else if has(|outcome| matches!(outcome, Outcome::Different(_))) {
        Exit::Failed
    } else if has(|outcome| matches!(outcome, Outcome::Stale { .. })) {
        Exit::StaleKnownFailure
    } else if report
        .cases
        .iter()
        .all(|case| matches!(case.outcome, Outcome::Skipped { .. }))
    {
        Exit::NothingSelected
    } else {
        Exit::Passed
    }
}
