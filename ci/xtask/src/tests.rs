//! `cargo xtask test`: nextest over the workspace, then the doc tests, then the counts.

use std::io::IsTerminal as _;
use std::path::Path;
use std::process::Stdio;

use scenarios::conform::Library;

use crate::counts::Counts;
use crate::error::XtaskError;
use crate::needs::LeftOut;
use crate::process::{Stream, cargo, show, watch};
use crate::{print, say, schema};

/// The nextest that is installed where none is found.
const NEXTEST_VERSION: &str = "0.9.143";

/// Runs everything and prints `N passed, N failed, N skipped` as the last line of standard output.
pub(crate) fn run(root: &Path, profile: Option<&str>) -> Result<(), XtaskError> {
    ensure_nextest(root)?;
    let left_out = LeftOut::here(schema::fetch(root)?);
    for reason in left_out.reasons.iter().chain(&unrecorded_flows(root)) {
        print(&format!("not verified: {reason}"))?;
    }
    let in_ci = std::env::var_os("CI").is_some();
    let profile = profile.unwrap_or(if in_ci { "ci" } else { "default" });

    let counts = nextest(root, profile, &left_out)? + doc_tests(root)?;
    print(&counts.to_string())?;
    if counts.failed > 0 {
        return Err(XtaskError::TestsFailed {
            failed: counts.failed,
            executed: counts.executed(),
        });
    }
    if counts.executed() == 0 {
        return Err(XtaskError::NothingExecuted);
    }
    Ok(())
}

/// Flows that were never recorded from a real gateway: their tests are skipped.
fn unrecorded_flows(root: &Path) -> Option<String> {
    // A library that can't be read fails its own test.
    let flows = Library::load(None, root).ok()?.unrecorded();
    (!flows.is_empty()).then(|| {
        format!(
            "flows without a golden record (clawproof conform FLOW --against real --record): {}",
            flows.join(", ")
        )
    })
}

fn ensure_nextest(root: &Path) -> Result<(), XtaskError> {
    let present = cargo(root, &["nextest", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if present {
        return Ok(());
    }
    say(&format!(
        "cargo-nextest is missing: installing {NEXTEST_VERSION} (a few minutes, once)"
    ))?;
    show(cargo(
        root,
        &[
            "install",
            "--locked",
            "cargo-nextest",
            "--version",
            NEXTEST_VERSION,
        ],
    ))
}

fn nextest(root: &Path, profile: &str, left_out: &LeftOut) -> Result<Counts, XtaskError> {
    let colour = if std::io::stderr().is_terminal() {
        "always"
    } else {
        "auto"
    };
    let mut command = cargo(
        root,
        &[
            "nextest",
            "run",
            "--workspace",
            "--no-fail-fast",
            "--profile",
            profile,
            "--color",
            colour,
        ],
    );
    if let Some(filter) = left_out.filter() {
        command.args(["-E", &filter]);
    }
    let watched = watch(command, Stream::Stderr)?;
    let Some(mut counts) = Counts::from_nextest(&watched.text) else {
        return Err(XtaskError::Unexpected {
            tool: "cargo nextest",
            expected: "a summary line",
            got: format!("none ({})", watched.status),
        });
    };
    if !watched.status.success() && counts.failed == 0 {
        // A runner that failed although every test passed is one failure, never a green run.
        counts.failed = 1;
    }
    Ok(counts)
}

fn doc_tests(root: &Path) -> Result<Counts, XtaskError> {
    let command = cargo(root, &["test", "--doc", "--workspace", "--no-fail-fast"]);
    let watched = watch(command, Stream::Stdout)?;
    let mut counts = Counts::from_cargo_test(&watched.text);
    if !watched.status.success() && counts.failed == 0 {
        counts.failed = 1;
    }
    Ok(counts)
}
