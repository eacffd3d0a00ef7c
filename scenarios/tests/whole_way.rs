//! A bug of the field the whole way: recorded, distilled to a scenario, red with the bug and green without it, as a
//! bundle that a stranger can check.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

use std::path::Path;
use std::process::{Command, Output};

/// Museum 005: a nonce of another connection is signed.
const BUG: &str = "reuse_nonce";
const SEEN_IN: &str = "network-recovery/closed-a-while-after-hello";

fn clawproof(here: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clawproof"))
        .args(arguments)
        .current_dir(here)
        .output()
        .expect("the program starts")
}

fn demand(output: &Output, code: i32) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
}

#[test]
fn from_a_recording_of_the_bug_to_a_bundle() {
    let home = tempfile::tempdir().unwrap();
    let here = home.path();
    // Recorded at the wire, of the client that has the bug.
    let run = [
        "run", SEEN_IN, "--mutant", BUG, "--world", "memory", "--save", "run",
    ];
    demand(&clawproof(here, &run), 10);
    let recording = format!("run/scenarios/{SEEN_IN}/memory/transcript.jsonl");

    let scenario = "suite/network-recovery/my-bug.toml";
    demand(
        &clawproof(here, &["distill", &recording, "--save", scenario]),
        0,
    );
    demand(&clawproof(here, &["check", scenario]), 0);
    let text = std::fs::read_to_string(here.join(scenario)).unwrap();
    assert!(text.contains("DEVICE_AUTH_NONCE_MISMATCH"), "{text}");
    assert!(text.contains("idle timeout"), "{text}");
    // What exists is not touched.
    demand(
        &clawproof(here, &["distill", &recording, "--save", scenario]),
        30,
    );

    let base = format!("mutant:{BUG}");
    let prove = [
        "prove",
        "--base",
        &base,
        "--head",
        "companion",
        "--suite",
        "suite",
        "--world",
        "memory",
        "network-recovery/my-bug",
        "--save",
        "proof",
    ];
    demand(&clawproof(here, &prove), 0);
    demand(&clawproof(here, &["verify", "proof"]), 0);
    let summary = std::fs::read_to_string(here.join("proof/SUMMARY.md")).unwrap();
    assert!(summary.starts_with("# Proved: 1 of 1"), "{summary}");
}

/// Without the bug there is nothing to show: the same file does not turn red by itself.
#[test]
fn what_was_distilled_is_green_for_a_client_that_is_in_order() {
    let home = tempfile::tempdir().unwrap();
    let here = home.path();
    demand(
        &clawproof(
            here,
            &["run", SEEN_IN, "--world", "memory", "--save", "run"],
        ),
        0,
    );
    let recording = format!("run/scenarios/{SEEN_IN}/memory/transcript.jsonl");
    demand(
        &clawproof(
            here,
            &[
                "distill",
                &recording,
                "--save",
                "suite/network-recovery/fine.toml",
            ],
        ),
        0,
    );
    demand(
        &clawproof(here, &["run", "--suite", "suite", "--save", "again"]),
        0,
    );
}
