//! `clawproof gate` over real runs in a real repository: it opens for a proof of this commit, and for nothing less.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail the test"
)]

use std::path::Path;
use std::process::{Command, Output};

use rstest::rstest;

const SCENARIO: &str = "network-recovery/closed-a-while-after-hello";

fn command(here: &Path, program: &str, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .current_dir(here)
        // No real gateway is there, whatever this machine has.
        .env("CLAWPROOF_CACHE", here.join("nothing"))
        .output()
        .expect("the program starts")
}

fn clawproof(here: &Path, arguments: &[&str]) -> Output {
    command(here, env!("CARGO_BIN_EXE_clawproof"), arguments)
}

fn git(here: &Path, arguments: &[&str]) {
    let who = ["-c", "user.name=ci", "-c", "user.email=ci@example.org"];
    let output = command(here, "git", &[&who, arguments].concat());
    assert!(output.status.success(), "{}", told(&output));
}

fn told(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn put(path: &Path, text: &str) {
    std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), text.as_bytes()).unwrap();
}

/// A repository with one commit.
fn repository() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let here = home.path();
    put(&here.join("file"), "one\n");
    git(here, &["init", "--quiet"]);
    git(here, &["add", "file"]);
    git(here, &["commit", "--quiet", "--message", "one"]);
    home
}

/// What is done before the run, how it is run, what is done after it, what is required, and what the gate says.
#[rstest]
#[case::shown(&[], &[], "scenario = 'S'\nworld = 'memory'\ngateway = 'mock'", 0, "1 required proofs are shown")]
#[case::missing(&[], &[], "scenario = 'setup-connect/auth/token'", 13, "no bundle ran it")]
#[case::against_the_mock(&[], &[], "scenario = 'S'\ngateway = 'real'", 13, "against mock only")]
#[case::never_red(&[], &[], "scenario = 'S'\nred_first = true", 13, "no bundle shows it red on a base")]
#[case::failed(&["--mutant", "reuse_nonce"], &[], "scenario = 'S'", 13, "it was failed")]
#[case::skipped(&["--world", "real"], &[], "scenario = 'S'", 13, "it was skipped")]
#[case::another_commit(&[], &["later"], "scenario = 'S'", 13, "is of commit")]
#[case::local_changes(&["dirty"], &[], "scenario = 'S'", 13, "local changes")]
fn the_gate_opens_for_a_proof_of_this_commit(
    #[case] how: &[&str],
    #[case] after: &[&str],
    #[case] required: &str,
    #[case] code: i32,
    #[case] says: &str,
) {
    let home = repository();
    let here = home.path();
    let mut options: Vec<&str> = how.to_vec();
    if options == ["dirty"] {
        put(&here.join("file"), "two\n");
        options.clear();
    }
    if !options.contains(&"--world") {
        options.extend(["--world", "memory"]);
    }
    let ran = clawproof(
        here,
        &[&["run", SCENARIO, "--save", "run"], &options[..]].concat(),
    );
    assert!(here.join("run").is_dir(), "{}", told(&ran));
    if after == ["later"] {
        git(
            here,
            &["commit", "--quiet", "--allow-empty", "--message", "two"],
        );
    }
    let required = required.replace("'S'", &format!("'{SCENARIO}'"));
    put(
        &here.join("proofs.toml"),
        &format!("[[proof]]\n{required}\n"),
    );
    let gate = clawproof(here, &["gate", "--require", "proofs.toml", "run"]);
    assert_eq!(gate.status.code(), Some(code), "{}", told(&gate));
    assert!(told(&gate).contains(says), "{}", told(&gate));
}

/// A gate that requires nothing, a file with a slip, and a folder that is no bundle shut it too.
#[rstest]
#[case::nothing_required("", "run", 13, "no proof is required")]
#[case::a_slip("[[proof]]\nscenarios = 'x'\n", "run", 20, "unknown field `scenarios`")]
#[case::no_bundle("[[proof]]\nscenario = 'x'\n", "nowhere", 13, "nowhere")]
fn a_gate_of_nothing_is_shut(
    #[case] required: &str,
    #[case] bundle: &str,
    #[case] code: i32,
    #[case] says: &str,
) {
    let home = repository();
    let here = home.path();
    clawproof(
        here,
        &["run", SCENARIO, "--world", "memory", "--save", "run"],
    );
    put(&here.join("proofs.toml"), required);
    let gate = clawproof(here, &["gate", "--require", "proofs.toml", bundle]);
    assert_eq!(gate.status.code(), Some(code), "{}", told(&gate));
    assert!(told(&gate).contains(says), "{}", told(&gate));
}
