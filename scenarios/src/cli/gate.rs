//! `clawproof gate`: fails unless every required proof was shown on this commit.

use std::path::PathBuf;

use super::args::GateArgs;
use super::exit::Exit;
use super::print::{out, say};
use crate::prove::gate::{Required, missing};
use crate::prove::verify;
use crate::run::git_commit;

pub(super) fn gate(args: &GateArgs) -> Exit {
    let text = match std::fs::read_to_string(&args.require) {
        Ok(text) => text,
        Err(error) => return invalid(args, &error.to_string()),
    };
    let required: Required = match toml::from_str(&text) {
        Ok(required) => required,
        Err(error) => return invalid(args, &error.to_string()),
    };
    let here = std::env::current_dir().unwrap_or_else(|_gone| PathBuf::from("."));
    let Some(commit) = args.commit.clone().or_else(|| git_commit(&here)) else {
        say("error: no commit to hold the proofs against");
        say("hint: run it in a git checkout, or give --commit");
        return Exit::Usage;
    };
    let bundles: Vec<_> = args
        .bundles
        .iter()
        .map(|folder| (folder.display().to_string(), verify(folder)))
        .collect();
    let problems = missing(&required, &commit, &bundles);
    for problem in &problems {
        say(format_args!("error: {problem}"));
    }
    if problems.is_empty() {
        out(format_args!(
            "{} required proofs are shown on {commit}",
            required.proofs.len()
        ));
        Exit::Passed
    } else {
        say(
            "hint: run `clawproof prove` or `clawproof run --save` on this commit with a clean work tree, and give its folder",
        );
        out(format_args!(
            "the gate stays shut: {} problems",
            problems.len()
        ));
        Exit::PlanNotCovered
    }
}

fn invalid(args: &GateArgs, what: &str) -> Exit {
    say(format_args!(
        "error: {}: {}",
        args.require.display(),
        what.trim_end()
    ));
    say(
        "hint: expected [[proof]] tables with `scenario = \"ID\"` and, if wanted, world, gateway (mock or real), red_first",
    );
    Exit::InvalidFile
}
