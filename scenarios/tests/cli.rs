//! The command line as a user meets it: help, errors, exit codes, what is left behind.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests fail the test"
)]

use std::path::Path;
use std::process::{Command, Output};

use rstest::rstest;

fn clawproof(here: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clawproof"))
        .args(arguments)
        .current_dir(here)
        .env("NO_COLOR", "1")
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is text")
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn write(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), text.as_bytes()).unwrap();
}

/// A folder with a small suite: one scenario that passes, one that can't.
fn home() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let suite = |name: &str, token: &str| {
        let text = format!(
            "title = \"a raw client connects\"\nabout = \"tests/cli.rs\"\nworlds = [\"core\", \"memory\"]\n\
             [actor.raw]\nkind = \"raw\"\n[[step]]\nstart = \"raw\"\n\
             [[step]]\nsend = {{ from = \"raw\", connect = {{ auth = {{ token = \"{token}\" }} }} }}\n\
             [[step]]\nexpect = {{ to = \"raw\", response = \"connect\", ok = true }}\n"
        );
        write(&home.path().join("suite/setup-connect").join(name), &text);
    };
    suite("good.toml", "$gateway.token");
    suite("bad.toml", "not the token");
    home
}

/// A world that can't be had is no failure and no success: the scenarios are named, and the code says so.
#[test]
fn without_the_real_gateway_its_world_is_skipped_by_name() {
    let home = home();
    let text = "title = \"a raw client meets the real gateway\"\nabout = \"tests/cli.rs\"\nworlds = [\"memory\", \"real\"]\n\
         [actor.raw]\nkind = \"raw\"\n[[step]]\nstart = \"raw\"\n";
    let suite = home.path().join("suite/setup-connect");
    write(&suite.join("real.toml"), text);
    let output = Command::new(env!("CARGO_BIN_EXE_clawproof"))
        .args([
            "run",
            "--suite",
            "suite",
            "setup-connect/real",
            "--world",
            "real",
            "--no-save",
        ])
        .current_dir(home.path())
        .env("NO_COLOR", "1")
        .env("CLAWPROOF_CACHE", home.path().join("empty"))
        .output()
        .unwrap();
    let all = self::text(&output.stdout) + &self::text(&output.stderr);
    assert_eq!(output.status.code(), Some(22), "{all}");
    for part in [
        "setup-connect/real",
        "skipped",
        "clawproof fetch",
        "0 passed, 0 failed, 1 skipped",
    ] {
        assert!(all.contains(part), "{part:?} is not in:\n{all}");
    }
}

#[rstest]
#[case(&["--help"], &["Exit codes:", "Examples:", "clawproof serve --port 18789", "artifacts could not be written"])]
#[case(&["run", "--help"], &["--shard", "K/N", "--world", "Examples:", "Exit codes:"])]
#[case(&["list", "--help"], &["--needs", "--about", "Examples:"])]
#[case(&["serve", "--help"], &["--port", "--token", "--profile", "Examples:"])]
#[case(&["record", "--help"], &["--to", "--listen", "--secret", "Examples:"])]
#[case(&["fetch", "--help"], &["--list", "CLAWPROOF_CACHE", "Examples:"])]
#[case(&["explain", "--help"], &["AUTH_TOKEN_MISMATCH"])]
#[case(&["new", "--help"], &["setup-connect/auth/my-case"])]
#[case(&["--version"], &["clawproof 0.1.0"])]
fn help_teaches(#[case] arguments: &[&str], #[case] expected: &[&str]) {
    let output = clawproof(Path::new("."), arguments);
    assert_eq!(output.status.code(), Some(0));
    let shown = text(&output.stdout);
    for part in expected {
        assert!(shown.contains(part), "{part:?} is not in:\n{shown}");
    }
    assert!(!shown.contains('\u{2014}'), "no em dash in what users read");
}

#[rstest]
#[case::unknown_option(&["run", "--wrld", "memory"], 2, "--world")]
#[case::unknown_world(&["run", "--world", "moon"], 2, "memory")]
#[case::bad_shard(&["run", "--suite", "suite", "--shard", "5/4"], 2, "expected K/N")]
#[case::nothing_selected(&["run", "--suite", "suite", "nowhere/**"], 3, "clawproof list")]
#[case::failed(&["run", "--suite", "suite", "--no-save"], 10, "AUTH_TOKEN_MISMATCH")]
#[case::passed(&["run", "--suite", "suite", "setup-connect/good", "--no-save"], 0, "2 passed, 0 failed, 0 skipped")]
#[case::no_suite(&["run", "--suite", "missing"], 20, "there is no folder missing")]
#[case::save_exists(&["run", "--suite", "suite", "--save", "suite"], 30, "exists already")]
#[case::bad_save(&["run", "--suite", "suite", "--save", "suite/setup-connect/good.toml/run"], 30, "--save")]
#[case::other_world(&["run", "--suite", "suite", "--world", "loopback", "--no-save"], 3, "none claims this world")]
#[case::explained(&["explain", "AUTH_TOKEN_MISMATCH"], 0, "wrong shared token")]
#[case::explained_close(&["explain", "1012"], 0, "restart")]
#[case::explained_fault(&["explain", "blackhole"], 0, "fault of the wire")]
#[case::explained_invariant(&["explain", "seq_only_grows"], 0, "broken on purpose by")]
#[case::explained_exit(&["explain", "22"], 0, "world is not available")]
#[case::explained_scenario(&["explain", "setup-connect/good", "--suite", "suite"], 0, "a raw client connects")]
#[case::unexplained(&["explain", "WHATEVER", "--suite", "suite"], 3, "nothing is called")]
#[case::fetch_unknown(&["fetch", "gateway-1.0"], 2, "gateway-2026.9.6")]
#[case::fetch_list(&["fetch", "--list", "schema"], 0, "@openclaw/gateway-protocol 2026.9.1")]
#[case::bad_id(&["new", "../x", "--suite", "suite"], 2, "no scenario id")]
fn commands_end_with_their_documented_code(
    #[case] arguments: &[&str],
    #[case] code: i32,
    #[case] says: &str,
) {
    let home = home();
    let output = clawproof(home.path(), arguments);
    let all = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{all}");
    assert!(all.contains(says), "{says:?} is not in:\n{all}");
    assert_eq!(names(home.path()), ["suite"], "nothing is left behind");
}

#[test]
fn a_mistake_in_a_file_is_shown_with_its_place() {
    let home = home();
    write(
        &home.path().join("suite/setup-connect/typo.toml"),
        "title = \"t\"\nabout = \"a\"\nstps = 1\n",
    );
    for command in [
        &["check", "--suite", "suite"][..],
        &["run", "--suite", "suite"],
    ] {
        let output = clawproof(home.path(), command);
        let shown = text(&output.stderr);
        assert_eq!(output.status.code(), Some(20), "{shown}");
        assert!(
            shown.contains("unknown field `stps`") && shown.contains("typo.toml:3"),
            "{shown}"
        );
    }
}

#[test]
fn a_run_folder_holds_everything_and_latest_points_to_it() {
    let home = home();
    let output = clawproof(
        home.path(),
        &[
            "run",
            "--suite",
            "suite",
            "setup-connect/good",
            "--seed",
            "7",
        ],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with("2 passed, 0 failed, 0 skipped\n"));
    let latest = home.path().join("store/latest");
    assert_eq!(
        names(&latest),
        [
            "SHA256SUMS",
            "SUMMARY.md",
            "durations.json",
            "junit.xml",
            "manifest.json",
            "run.json",
            "scenarios",
            "summary.txt"
        ]
    );
    let run: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(latest.join("run.json")).unwrap()).unwrap();
    assert_eq!(run["seed"], 7);
    assert_eq!(
        run["command"],
        "clawproof run setup-connect/good --suite suite --seed 7"
    );
    assert_eq!(run["counts"]["passed"], 2);
    for world in ["core", "memory"] {
        let place = latest.join("scenarios/setup-connect/good").join(world);
        assert_eq!(
            names(&place),
            [
                "record.json",
                "scenario.toml",
                "state.json",
                "transcript.jsonl",
                "verdict.json"
            ]
        );
    }
    assert_eq!(
        names(&home.path().join("store")).len(),
        2,
        "the run and latest"
    );
}

/// The parts of a plan end as the plan would, and a part alone is not the plan; durations of an earlier run deal anew.
#[test]
fn parts_are_merged_and_a_missing_one_is_told() {
    let home = home();
    let part = |shard: &str, save: &str, durations: &[&str]| {
        let arguments = ["run", "--suite", "suite", "--shard", shard, "--save", save];
        clawproof(home.path(), &[&arguments, durations].concat())
            .status
            .code()
    };
    assert_eq!(
        (part("1/2", "one", &[]), part("2/2", "two", &[])),
        (Some(10), Some(0))
    );
    let whole = clawproof(home.path(), &["merge", "one", "two"]);
    assert_eq!(whole.status.code(), Some(10));
    assert!(text(&whole.stdout).contains("failed        setup-connect/bad::core\n"));
    assert!(text(&whole.stdout).ends_with("2 passed, 2 failed, 0 skipped\n"));
    let alone = clawproof(home.path(), &["merge", "two"]);
    assert_eq!(alone.status.code(), Some(13));
    assert!(
        text(&alone.stderr).contains("setup-connect/bad::memory is in the plan and was not run")
    );
    let nothing = clawproof(home.path(), &["merge", "suite"]);
    assert_eq!(nothing.status.code(), Some(20));
    assert!(text(&nothing.stderr).contains("expected the run.json of a run folder"));

    let known =
        r#"{"format": 1, "micros": {"setup-connect/good::core": 9, "setup-connect/bad::core": 1}}"#;
    write(&home.path().join("known.json"), known);
    assert_eq!(part("1/2", "slow", &["--durations", "known.json"]), Some(0));
    assert_eq!(part("1/2", "x", &["--durations", "no.json"]), Some(20));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let home = home();
    let transcript = |save: &str| {
        let arguments = [
            "run",
            "--suite",
            "suite",
            "setup-connect/good",
            "--world",
            "memory",
            "--seed",
            "7",
            "--save",
            save,
        ];
        assert_eq!(clawproof(home.path(), &arguments).status.code(), Some(0));
        std::fs::read(
            home.path()
                .join(save)
                .join("scenarios/setup-connect/good/memory/transcript.jsonl"),
        )
        .unwrap()
    };
    assert_eq!(transcript("one"), transcript("two"));
}

#[test]
fn programs_get_one_json_object_a_line() {
    let home = home();
    let output = clawproof(
        home.path(),
        &[
            "run",
            "--suite",
            "suite",
            "--no-save",
            "--message-format",
            "json",
            "--digest",
        ],
    );
    assert_eq!(output.status.code(), Some(10));
    let lines: Vec<serde_json::Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    assert_eq!(lines.len(), 6, "started, four results, finished");
    assert_eq!(
        lines
            .iter()
            .filter(|line| line["digest"].is_string())
            .count(),
        4
    );
}

#[test]
fn parts_are_the_whole() {
    let home = home();
    let listed = |arguments: &[&str]| {
        let mut all = vec!["list", "--suite", "suite", "--message-format", "json"];
        all.extend(arguments);
        text(&clawproof(home.path(), &all).stdout)
    };
    assert_eq!(
        listed(&["--shard", "1/2"]) + &listed(&["--shard", "2/2"]),
        listed(&[])
    );
    assert_eq!(listed(&["--shard", "setup-connect"]), listed(&[]));
}

#[test]
fn a_new_scenario_passes_the_check_and_runs() {
    let home = home();
    let made = clawproof(
        home.path(),
        &["new", "setup-connect/mine", "--suite", "suite"],
    );
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    assert_eq!(
        clawproof(home.path(), &["check", "--suite", "suite"])
            .status
            .code(),
        Some(0)
    );
    let run = clawproof(
        home.path(),
        &["run", "setup-connect/mine", "--suite", "suite", "--no-save"],
    );
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stdout));
    let again = clawproof(
        home.path(),
        &["new", "setup-connect/mine", "--suite", "suite"],
    );
    assert_eq!(again.status.code(), Some(30));
}

#[test]
fn a_junit_report_is_written_where_it_is_asked_for() {
    let home = home();
    clawproof(
        home.path(),
        &[
            "run",
            "--suite",
            "suite",
            "--no-save",
            "--junit",
            "report.xml",
        ],
    );
    let xml = std::fs::read_to_string(home.path().join("report.xml")).unwrap();
    assert!(
        xml.contains("tests=\"4\"") && xml.contains("failures=\"2\""),
        "{xml}"
    );
}

/// Lets a shell start the program with something around it.
#[cfg(unix)]
fn in_a_shell(here: &Path, script: &str) -> Output {
    Command::new("bash")
        .args(["-c", script])
        .current_dir(here)
        .env("NO_COLOR", "1")
        .env("CLAWPROOF", env!("CARGO_BIN_EXE_clawproof"))
        .output()
        .expect("bash starts")
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_nothing_behind() {
    let home = home();
    // No file may grow beyond 4 KiB, which is what a full disk looks like to a program.
    let output = in_a_shell(
        home.path(),
        "trap '' XFSZ; ulimit -f 4; exec \"$CLAWPROOF\" run --suite suite setup-connect/good",
    );
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(30), "{shown}");
    assert!(
        shown.contains("could not write") && shown.contains("hint: check free space"),
        "{shown}"
    );
    assert_eq!(names(&home.path().join("store")), Vec::<String>::new());
}

#[cfg(unix)]
#[test]
fn ctrl_c_reports_what_is_finished() {
    let home = home();
    let slow = "title = \"a long wait\"\nabout = \"tests/cli.rs\"\nworlds = [\"loopback\"]\n\
        [actor.raw]\nkind = \"raw\"\n[[step]]\nstart = \"raw\"\n[[step]]\nelapse = \"50s\"\n";
    write(&home.path().join("suite/setup-connect/slow.toml"), slow);
    let began = std::time::Instant::now();
    // The run tells of each result as it comes: the interrupt follows the two quick ones.
    let output = in_a_shell(
        home.path(),
        ": > lines; \"$CLAWPROOF\" run --suite suite setup-connect/good setup-connect/slow --message-format json --save out > lines &\n\
         while [ \"$(grep -c passed lines)\" -lt 2 ]; do :; done; kill -INT $!; wait $!",
    );
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{shown}");
    assert!(
        began.elapsed() < std::time::Duration::from_secs(20),
        "it did not wait for the slow one"
    );
    let run = std::fs::read_to_string(home.path().join("out/run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(
        (&run["interrupted"], &run["counts"]["passed"]),
        (&true.into(), &2.into())
    );
}

/// What takes too long is ended, and named as not finished.
#[test]
fn a_time_limit_ends_the_run_and_reports_the_rest() {
    let home = home();
    let slow = "title = \"slow\"\nabout = \"tests/cli.rs\"\nworlds = [\"loopback\"]\n\
         [actor.raw]\nkind = \"raw\"\n[[step]]\nstart = \"raw\"\n[[step]]\nelapse = \"60s\"\n";
    write(&home.path().join("suite/setup-connect/slow.toml"), slow);
    let output = clawproof(
        home.path(),
        &[
            "run",
            "setup-connect/slow",
            "setup-connect/good",
            "--suite",
            "suite",
            "--time-limit",
            "1",
            "--save",
            "out",
        ],
    );
    let shown = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{shown}");
    assert!(shown.contains("the time limit of 1.0 s is over"), "{shown}");
    let run = std::fs::read_to_string(home.path().join("out/run.json")).unwrap();
    let run: serde_json::Value = serde_json::from_str(&run).unwrap();
    assert_eq!(
        (&run["interrupted"], &run["counts"]["passed"]),
        (&true.into(), &2.into())
    );
}

/// A scenario that does not say which companion it is about is run with each of them, and a known difference is named.
#[test]
fn a_run_can_have_both_companions() {
    let home = home();
    let client = "title = \"ticks stop\"\nabout = \"tests/cli.rs\"\nworlds = [\"core\"]\n\
         [actor.companion]\nkind = \"client\"\nholds = { operator_token = \"valid\" }\n[[step]]\nstart = \"companion\"\n";
    write(
        &home
            .path()
            .join("suite/network-recovery/client/ticks-stop.toml"),
        client,
    );
    write(&home.path().join("suite/setup-connect/starts.toml"), client);
    let output = clawproof(
        home.path(),
        &[
            "run",
            "**/starts",
            "**/ticks-stop",
            "--suite",
            "suite",
            "--policy",
            "both",
            "--no-save",
        ],
    );
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    assert!(shown.contains("setup-connect/starts@pr741"), "{shown}");
    assert!(shown.contains("watchdog"), "{shown}");
    assert!(
        shown.ends_with("3 passed, 0 failed, 1 skipped\n"),
        "{shown}"
    );
}
