//! A bundle shows red then green, a stranger can check it, and nothing in it can be changed unnoticed.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail the test"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::prelude::*;
use proptest::test_runner::{Config as ProptestConfig, TestRunner};
use scenarios::prove::{digests, verify};

const SCENARIO: &str = "network-recovery/closed-a-while-after-hello";

/// A bundle of our client with the field bug and without it.
fn bundle(home: &Path, base: &str, head: &str) -> (PathBuf, Option<i32>) {
    let target = home.join("proof");
    let output = Command::new(env!("CARGO_BIN_EXE_clawproof"))
        .args([
            "prove", "--base", base, "--head", head, "--world", "core", SCENARIO,
        ])
        .args(["--save".as_ref(), target.as_os_str()])
        .output()
        .expect("the program starts");
    (target, output.status.code())
}

fn overwrite(path: &Path, bytes: &[u8]) {
    std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), bytes).unwrap();
}

/// Writes the digests anew, as somebody would who wants to hide a change.
fn sign_again(root: &Path) {
    let sums = digests::to_text(&digests::files(root).unwrap());
    overwrite(&root.join(digests::SUMS), sums.as_bytes());
}

/// Red on the bug, green without it, and the bundle holds; whichever file is changed in whichever byte, it does not.
#[test]
fn a_bundle_holds_until_one_byte_of_any_file_is_changed() {
    let home = tempfile::tempdir().unwrap();
    let (root, code) = bundle(home.path(), "mutant:reuse_nonce", "companion");
    assert_eq!(code, Some(0));
    let report = verify(&root);
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!((report.verdicts.len(), report.gateways), (2, vec!["mock"]));
    let mut files: Vec<String> = digests::files(&root).unwrap().into_keys().collect();
    files.push(digests::SUMS.to_owned());
    assert!(files.len() > 20, "{files:?}");
    let changed = |file: &str, at: usize, bits: u8| {
        let path = root.join(file);
        let whole = std::fs::read(&path).unwrap();
        let mut flipped = whole.clone();
        *flipped.get_mut(at % whole.len()).unwrap() ^= bits;
        overwrite(&path, &flipped);
        let problems = verify(&root).problems;
        overwrite(&path, &whole);
        !problems.is_empty()
    };
    // The first, the middle and the last byte of each, then any byte of any.
    for file in &files {
        let length = std::fs::metadata(root.join(file)).unwrap().len();
        let length = usize::try_from(length).unwrap();
        for at in [0, length / 2, length - 1] {
            assert!(changed(file, at, 1), "{file}, byte {at}");
        }
    }
    let mut runner = TestRunner::new(ProptestConfig::with_cases(64));
    let anything = (prop::sample::select(files), any::<usize>(), 1_u8..=255);
    let all_are_found = runner.run(&anything, |(file, at, bits)| {
        prop_assert!(
            changed(&file, at, bits),
            "{}, byte {}, bits {}",
            file,
            at,
            bits
        );
        Ok(())
    });
    all_are_found.unwrap();
    assert_eq!(verify(&root).problems, Vec::<String>::new());
}

/// Somebody's client before and after its fix: two commands that we did not write, and the state of neither is ours to see.
#[test]
fn a_foreign_client_is_proved_before_and_after_its_fix() {
    let home = tempfile::tempdir().unwrap();
    let stranger = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stranger");
    let client = |adapter: &str| format!("client:{}", stranger.join(adapter).display());
    let (before, after) = (client("adapter.toml"), client("fixed/adapter.toml"));
    let scenario = "setup-connect/client/rate-limit-is-respected";
    let prove = |base: &str, head: &str, name: &str| {
        let target = home.path().join(name);
        let output = Command::new(env!("CARGO_BIN_EXE_clawproof"))
            .args(["prove", "--base", base, "--head", head, scenario, "--save"])
            .arg(&target)
            .output()
            .expect("the program starts");
        (target, output.status.code())
    };
    let (root, code) = prove(&before, &after, "proof");
    assert_eq!(code, Some(0));
    let report = verify(&root);
    assert_eq!(report.problems, Vec::<String>::new());
    let subject = |side: &str| report.manifest[side]["subject"].clone();
    assert_eq!(
        (subject("base"), subject("headSide")),
        (before.clone().into(), after.into())
    );
    // The client without its fix twice: nothing is proved.
    let (root, code) = prove(&before, &before, "nothing");
    assert_eq!(code, Some(10));
    assert_ne!(verify(&root).problems, Vec::<String>::new());
}

/// What a client had on disk before and has after is shown as booleans, and whether it is the same, without the values.
#[test]
fn states_before_and_after_are_booleans() {
    let home = tempfile::tempdir().unwrap();
    let (root, _) = bundle(home.path(), "mutant:reuse_nonce", "companion");
    let path = root.join(format!("head/scenarios/{SCENARIO}/core/state.json"));
    let state: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for (part, fact) in [
        ("durable_before", "operator_token"),
        ("durable", "operator_token"),
    ] {
        let actors = state[part].as_object().unwrap();
        assert!(!actors.is_empty(), "{part} of {state}");
        assert!(
            actors.values().all(|facts| facts[fact].is_boolean()),
            "{part}"
        );
    }
    let kept = state["durable_kept"].as_object().unwrap();
    assert!(
        kept.values().all(|facts| facts["device"] == true),
        "{kept:?}"
    );
    let summary = std::fs::read_to_string(root.join("SUMMARY.md")).unwrap();
    assert!(
        summary.contains("| device | the same | the same |"),
        "{summary}"
    );
}

/// Digests that fit do not help: a verdict, a label and a claim must follow from scenario, transcript and record.
#[test]
fn a_consistent_lie_is_found() {
    let home = tempfile::tempdir().unwrap();
    let (root, _) = bundle(home.path(), "mutant:reuse_nonce", "companion");
    let place = format!("base/scenarios/{SCENARIO}/core");
    for (file, from, to, told) in [
        (
            format!("{place}/verdict.json"),
            "\"failed\"",
            "\"passed\"",
            "give failed",
        ),
        (
            "manifest.json".to_owned(),
            "\"mock\"",
            "\"real\"",
            "the transcripts say",
        ),
        (
            "manifest.json".to_owned(),
            "\"base\": \"failed\"",
            "\"base\": \"passed\"",
            "its files say",
        ),
        (
            format!("{place}/transcript.jsonl"),
            "<device-token:1>",
            "bG9va3MtbGlrZS1hLXJlYWwtZGV2aWNlLXRva2Vu",
            "stands where a device-token stands",
        ),
    ] {
        let path = root.join(&file);
        let whole = std::fs::read_to_string(&path).unwrap();
        assert!(whole.contains(from), "{file} says {from}");
        overwrite(&path, whole.replace(from, to).as_bytes());
        sign_again(&root);
        let problems = verify(&root).problems;
        assert!(
            problems.iter().any(|problem| problem.contains(told)),
            "{file}: {problems:?}"
        );
        overwrite(&path, whole.as_bytes());
    }
    sign_again(&root);
    assert_eq!(verify(&root).problems, Vec::<String>::new());
}

/// Green on both sides is no proof, and the bundle says so itself.
#[test]
fn no_change_is_no_proof() {
    let home = tempfile::tempdir().unwrap();
    let (root, code) = bundle(home.path(), "companion", "companion");
    assert_eq!(code, Some(10));
    let summary = std::fs::read_to_string(root.join("SUMMARY.md")).unwrap();
    assert!(summary.starts_with("# Not proved: 0 of 1"), "{summary}");
    assert!(!verify(&root).problems.is_empty());
}

/// The page in the bundle names every run and can load nothing.
#[test]
fn the_page_holds_every_run_and_loads_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (root, _) = bundle(home.path(), "mutant:reuse_nonce", "companion");
    let page = std::fs::read_to_string(root.join("report.html")).unwrap();
    let (_, data) = page.split_once("id=\"data\">").unwrap();
    let (data, _) = data.split_once("</script>").unwrap();
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let runs: Vec<_> = data["results"].as_array().unwrap().iter().collect();
    let sides: Vec<_> = runs
        .iter()
        .map(|run| (&run["side"], &run["verdict"]))
        .collect();
    assert_eq!(
        sides,
        [
            (&"base".into(), &"failed".into()),
            (&"head".into(), &"passed".into())
        ]
    );
    assert!(
        runs.iter()
            .all(|run| run["messages"]["rows"].as_array().unwrap().len() > 10)
    );
    assert!(page.contains("default-src 'none'"));
    for way in ["src=", "<link", "@import", "fetch("] {
        let (style, _) = page.split_once("id=\"data\">").unwrap();
        assert!(!style.contains(way), "{way}");
    }
}

/// The gate is shut for another commit's bundle, and says so.
#[test]
fn the_gate_is_shut_for_another_commit() {
    let home = tempfile::tempdir().unwrap();
    let (root, _) = bundle(home.path(), "mutant:reuse_nonce", "companion");
    let require = home.path().join("proofs.toml");
    overwrite(
        &require,
        format!("[[proof]]\nscenario = \"{SCENARIO}\"\nred_first = true\n").as_bytes(),
    );
    let output = Command::new(env!("CARGO_BIN_EXE_clawproof"))
        .args([
            "gate",
            "--commit",
            "0000000000000000000000000000000000000000",
            "--require",
        ])
        .args([require.as_os_str(), root.as_os_str()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(13));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("not of 0000000000000000000000000000000000000000"),
        "{said}"
    );
}
