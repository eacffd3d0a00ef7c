//! Restarting the service of a managed gateway, by a program called like `wsl.exe`. ref: client-behaviour.md §25

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use client_core::ManagedEndpoint;
use gateway_client::{ServiceKeeper as _, WslKeeper};
use rstest::rstest;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// Notes its words; `$FAILS` names words at which it fails; a sleeper sleeps.
const WSL: &str = r#"#!/bin/sh
printf '%s\n' "$*" >>"$NOTES"
case "$*" in
*"sleep infinity") exec sleep 1000 ;;
*"$FAILS"*) echo "start-limit-hit" >&2; exit 3 ;;
esac
"#;

const RESTART: &str = "-d OpenClaw -- bash -lc openclaw gateway restart";
const START: &str = "-d OpenClaw -- bash -lc openclaw gateway start";
const TERMINATE: &str = "--terminate OpenClaw";
const SLEEPER: &str = "-d OpenClaw -- sleep infinity";

struct Bench {
    folder: TempDir,
    keeper: WslKeeper,
}

impl Bench {
    fn failing_at(words: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let program = folder.path().join("wsl");
        let mut script = File::create(&program).unwrap();
        script.write_all(WSL.as_bytes()).unwrap();
        script
            .set_permissions(Permissions::from_mode(0o755))
            .unwrap();
        let notes = folder.path().join("notes");
        let keeper = WslKeeper::new(program)
            .env("NOTES", &notes)
            .env("FAILS", words);
        Self { folder, keeper }
    }

    async fn restart(&self, distro: &str) -> Result<(), String> {
        let endpoint = ManagedEndpoint {
            gateway_id: "g".to_owned(),
            distro: distro.to_owned(),
            port: 18789,
        };
        self.keeper.restart(endpoint).await
    }

    /// What it was called with, once it was called that often.
    async fn notes(&self, calls: usize) -> Vec<String> {
        let path = self.folder.path().join("notes");
        loop {
            let notes = read(&path);
            if notes.len() >= calls {
                return notes;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn read(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[rstest]
#[case::at_once("nothing fails", &[RESTART, SLEEPER])]
#[case::in_a_fresh_distro("gateway restart", &[RESTART, TERMINATE, START, SLEEPER])]
#[tokio::test]
async fn a_service_comes_back_and_its_distro_is_kept_running(
    #[case] fails: &str,
    #[case] expected: &[&str],
) {
    let bench = Bench::failing_at(fails);
    assert_eq!(bench.restart("OpenClaw").await, Ok(()));
    assert_eq!(bench.notes(expected.len()).await, expected);
}

#[tokio::test]
async fn one_sleeper_is_enough() {
    let bench = Bench::failing_at("nothing fails");
    for _ in 0..2 {
        assert_eq!(bench.restart("OpenClaw").await, Ok(()));
    }
    let mut notes = bench.notes(3).await;
    notes.sort_unstable();
    assert_eq!(notes, [RESTART, RESTART, SLEEPER]);
}

#[tokio::test]
async fn a_service_that_stays_down_says_what_was_tried() {
    let bench = Bench::failing_at("gateway");
    let error = bench.restart("OpenClaw").await.unwrap_err();
    for said in ["gateway restart", "gateway start", "start-limit-hit"] {
        assert!(error.contains(said), "{error}");
    }
    assert_eq!(bench.notes(3).await, [RESTART, TERMINATE, START]);
}

#[rstest]
#[case::an_option("--shutdown")]
#[case::two_lines("a\nb")]
#[tokio::test]
async fn a_name_that_is_none_is_not_handed_over(#[case] distro: &str) {
    let bench = Bench::failing_at("nothing fails");
    let error = bench.restart(distro).await.unwrap_err();
    assert!(error.contains("no name of a distribution"), "{error}");
    assert_eq!(
        read(&bench.folder.path().join("notes")),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn a_program_that_is_missing_is_named() {
    let keeper = WslKeeper::new("/no/such/wsl");
    let endpoint = ManagedEndpoint {
        gateway_id: "g".to_owned(),
        distro: "OpenClaw".to_owned(),
        port: 18789,
    };
    let error = keeper.restart(endpoint).await.unwrap_err();
    assert!(error.contains("/no/such/wsl"), "{error}");
}

#[tokio::test]
async fn a_port_answers_while_somebody_listens() {
    let keeper = WslKeeper::new("wsl");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    assert!(keeper.answers(port).await);
    drop(listener);
    assert!(!keeper.answers(port).await);
}
