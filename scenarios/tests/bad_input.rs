//! Files that are broken, foreign or edited, given to the commands that read them: what is wrong, where, what was still
//! read; and nothing is overwritten.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rstest::{fixture, rstest};
use scenarios::prove::digests;
use tempfile::TempDir;

const SCENARIO: &str = "network-recovery/closed-a-while-after-hello";

fn clawproof(here: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clawproof"))
        .args(arguments)
        .current_dir(here)
        .output()
        .expect("the program starts")
}

fn told(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn put(path: &Path, bytes: &[u8]) {
    std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), bytes).unwrap();
}

/// A folder with a run, and its transcript as `said.jsonl`.
struct Home {
    folder: TempDir,
    said: String,
}

impl Home {
    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self) -> PathBuf {
        self.path().join("run")
    }

    /// Changes a file of the run, and its digests with it, as somebody would who wants it to fit.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.run().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} says {from}");
        put(&path, text.replacen(from, to, 1).as_bytes());
        let sums = digests::to_text(&digests::files(&self.run()).unwrap());
        put(&self.run().join(digests::SUMS), sums.as_bytes());
    }
}

#[fixture]
fn home() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let run = ["run", SCENARIO, "--world", "memory", "--save", "run"];
    let ran = clawproof(folder.path(), &run);
    assert_eq!(ran.status.code(), Some(0), "{}", told(&ran));
    let path = format!("run/scenarios/{SCENARIO}/memory/transcript.jsonl");
    let said = std::fs::read_to_string(folder.path().join(path)).unwrap();
    Home { folder, said }
}

fn cut_off(said: &str) -> Vec<u8> {
    said.as_bytes()[..said.len() - 20].to_vec()
}

fn reordered(said: &str) -> Vec<u8> {
    let mut lines: Vec<&str> = said.lines().collect();
    lines.swap(8, 11);
    lines.join("\n").into_bytes()
}

fn of_another_version(said: &str) -> Vec<u8> {
    said.replacen("\"format\":1", "\"format\":99", 1)
        .into_bytes()
}

fn edited(said: &str) -> Vec<u8> {
    let lines = said.lines().enumerate();
    let broken = lines.map(|(at, line)| if at == 7 { &line[1..] } else { line });
    broken.collect::<Vec<_>>().join("\n").into_bytes()
}

fn junk(_: &str) -> Vec<u8> {
    (0..=255).cycle().take(4096).collect()
}

fn har_without_sockets(_: &str) -> Vec<u8> {
    br#"{"log": {"entries": [{"request": {"url": "https://example.org/"}}]}}"#.to_vec()
}

fn empty(_: &str) -> Vec<u8> {
    Vec::new()
}

/// What can be read is read, and the place where it ends is named; what can't be read at all is explained. `replay`, `import`
/// and `distill` read alike.
#[rstest]
#[case::cut_off(
    cut_off,
    true,
    "the writer was cut off in this line; the lines before it were read"
)]
#[case::reordered(reordered, true, "input:9: ")]
#[case::edited(edited, true, "input:8: ")]
#[case::another_version(of_another_version, false, "99")]
#[case::junk(junk, false, "byte 128 is no text")]
#[case::har_without_sockets(
    har_without_sockets,
    false,
    "none of its 1 entries has _webSocketMessages"
)]
#[case::empty(empty, false, "expected a HAR file")]
fn what_is_wrong_is_named_with_its_place(
    home: Home,
    #[case] spoil: fn(&str) -> Vec<u8>,
    #[case] is_read: bool,
    #[case] says: &str,
) {
    put(&home.path().join("input"), &spoil(&home.said));
    for command in [
        &["import", "input", "--save", "imported.jsonl"][..],
        &["distill", "input", "--save", "distilled.toml"],
        // Nobody listens there: what was recorded does not come.
        &[
            "replay",
            "input",
            "--as",
            "client",
            "--to",
            "ws://127.0.0.1:9",
        ],
        &[
            "replay",
            "input",
            "--as",
            "client",
            "--to",
            "ws://127.0.0.1:9",
            "--strict",
        ],
    ] {
        let output = clawproof(home.path(), command);
        let told = told(&output);
        let code = match (is_read, command[0]) {
            (false, _) => 20,
            (true, "replay") => 10,
            (true, _) => 0,
        };
        assert_eq!(output.status.code(), Some(code), "{command:?}: {told}");
        assert!(
            told.contains(says) && told.contains("input"),
            "{command:?}: {told}"
        );
        assert!(is_read || told.contains("hint: "), "{command:?}: {told}");
    }
    for file in ["imported.jsonl", "distilled.toml"] {
        assert_eq!(home.path().join(file).exists(), is_read, "{file}");
    }
}

/// Whichever command writes a file, one that is there stays as it was.
#[rstest]
#[case::import(&["import", "said.jsonl", "--save", "there"])]
#[case::distill(&["distill", "said.jsonl", "--save", "there"])]
#[case::record(&["record", "--to", "ws://127.0.0.1:9", "--save", "there"])]
#[case::record_ca(&["record", "--to", "ws://127.0.0.1:9", "--save", "new", "--tls-ca", "there"])]
#[case::report(&["report", "run", "--save", "there"])]
#[case::prove(&["prove", "--base", "companion", "--head", "companion", SCENARIO, "--save", "there"])]
#[case::run(&["run", SCENARIO, "--save", "there"])]
fn nothing_is_overwritten(home: Home, #[case] command: &[&str]) {
    put(&home.path().join("said.jsonl"), home.said.as_bytes());
    put(&home.path().join("there"), b"mine");
    let output = clawproof(home.path(), command);
    assert_eq!(output.status.code(), Some(30), "{}", told(&output));
    assert!(told(&output).contains("there"), "{}", told(&output));
    assert_eq!(std::fs::read(home.path().join("there")).unwrap(), b"mine");
    assert!(!home.path().join("new").exists(), "nothing half is left");
}

/// A folder that was edited so that its digests fit, that is of another version, or that is none.
#[rstest]
#[case::manifest_version(
    "manifest.json",
    "\"schemaVersion\": 1",
    "\"schemaVersion\": 2",
    "schemaVersion 2"
)]
#[case::record_version(
    "RECORD",
    "\"format\": 1",
    "\"format\": 99",
    "expected format 1 or lower, got 99"
)]
#[case::transcript_version("TRANSCRIPT", "\"format\":1", "\"format\":99", "99")]
#[case::no_json("manifest.json", "{", "", "manifest.json: ")]
#[case::another_order("TRANSCRIPT", "\"n\":3", "\"n\":30", "transcript.jsonl: ")]
#[case::another_label("TRANSCRIPT", "mock profile", "real version", "mock")]
#[case::shown_secret(
    "TRANSCRIPT",
    "<device-token:1>",
    "bG9va3MtbGlrZS1hLXRva2Vu",
    "stands where a device-token stands"
)]
fn an_edited_run_does_not_verify(
    home: Home,
    #[case] file: &str,
    #[case] from: &str,
    #[case] to: &str,
    #[case] says: &str,
) {
    let place = format!("scenarios/{SCENARIO}/memory");
    let file = file
        .replace("RECORD", &format!("{place}/record.json"))
        .replace("TRANSCRIPT", &format!("{place}/transcript.jsonl"));
    let fine = clawproof(home.path(), &["verify", "run"]);
    assert_eq!(fine.status.code(), Some(0), "{}", told(&fine));
    home.edit(&file, from, to);
    let output = clawproof(home.path(), &["verify", "run"]);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(10), "{told}");
    assert!(told.contains(says) && told.contains("hint: "), "{told}");
}

#[rstest]
#[case::nothing("nowhere", "nowhere")]
#[case::no_run(".", "manifest.json is missing")]
fn what_is_no_bundle_does_not_verify(home: Home, #[case] place: &str, #[case] says: &str) {
    let output = clawproof(home.path(), &["verify", place]);
    assert_eq!(output.status.code(), Some(10), "{}", told(&output));
    assert!(told(&output).contains(says), "{}", told(&output));
}
