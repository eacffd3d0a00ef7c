//! The command `clawproof setup`: a real set-up over the stand-in for WSL, with the mock gateway in the distro and our
//! client on the Windows side.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "commands are run outside of the test functions"
)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn clawproof(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clawproof"))
        .arg("setup")
        .args(words)
        .env_clear()
        .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Without the right to a distro these tests fail, and say how to leave them out.
fn assert_has_namespaces(output: &Output) {
    let said = said(output);
    assert!(
        !said.contains("a distro can't be started"),
        "{said}\nor leave these tests out: -E 'not test(/needs_namespaces::/)'"
    );
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn assert_no_log_has(data: &Path, secret: &str) {
    for log in ["setup.journal.jsonl", "computer/log.jsonl"] {
        let text = std::fs::read_to_string(data.join(log)).unwrap();
        assert!(!text.contains(secret), "{log}");
    }
}

mod needs_namespaces {
    use super::*;

    /// Set up, looked at, taken away: the app has its tokens, the distro its configuration and its block, and afterwards
    /// nothing is left of either.
    #[test]
    fn a_set_up_works_and_can_be_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let (data_dir, result) = (data.to_str().unwrap(), folder.path().join("result.json"));
        let set_up = clawproof(&[
            "--data-dir",
            data_dir,
            "--json-output",
            result.to_str().unwrap(),
        ]);
        assert_has_namespaces(&set_up);
        assert_eq!(set_up.status.code(), Some(0), "{}", said(&set_up));
        let result = json(&result);
        assert_eq!(
            (&result["outcome"], &result["exitCode"]),
            (&Value::from("success"), &Value::from(0))
        );

        let registry = json(&data.join("app/gateways.json"));
        let record = &registry["gateways"][0];
        assert_eq!(record["setupManagedDistroName"], "OpenClawGateway");
        assert_eq!(record["url"], result["gatewayUrl"]);
        assert!(record["bootstrapToken"].is_null());
        let id = record["id"].as_str().unwrap();
        let identity = json(
            &data
                .join("app/gateways")
                .join(id)
                .join("device-key-ed25519.json"),
        );
        let has = |key: &str| identity.get(key).is_some_and(Value::is_string);
        assert!(
            has("DeviceToken") && has("NodeDeviceToken"),
            "{:?}",
            identity.as_object().unwrap().keys()
        );

        let home = data
            .join("computer/distros/OpenClawGateway/root")
            .join("home/openclaw/.openclaw");
        let config = json(&home.join("openclaw.json"));
        let token = record["sharedGatewayToken"].as_str().unwrap();
        assert_eq!(config["gateway"]["auth"]["token"], token);
        assert_eq!(config["gateway"]["bind"], "loopback");
        let block = std::fs::read_to_string(home.join("workspace/AGENTS.md")).unwrap();
        assert!(
            block.contains("exec host=node") && !block.contains("tools.exec.security full"),
            "{block}"
        );
        assert_no_log_has(&data, token);

        let port = config["gateway"]["port"].to_string();
        let refused = clawproof(&["--data-dir", data_dir, "--uninstall"]);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        let gone = clawproof(&[
            "--data-dir",
            data_dir,
            "--gateway-port",
            &port,
            "--uninstall",
            "--confirm-destructive",
        ]);
        assert_eq!(gone.status.code(), Some(0), "{}", said(&gone));
        assert_eq!(
            json(&data.join("app/gateways.json"))["gateways"],
            Value::Array(Vec::new())
        );
        assert!(!data.join("computer/distros/OpenClawGateway").exists());
    }

    /// What goes wrong is told with its step and its reason, and is undone.
    #[test]
    fn a_failed_set_up_is_told_and_undone() {
        let failed = clawproof(&["--fault", "wsl-conf-wrong-content"]);
        assert_has_namespaces(&failed);
        assert_eq!(failed.status.code(), Some(10), "{}", said(&failed));
        let result: Value = serde_json::from_slice(&failed.stdout).unwrap();
        assert_eq!(result["failedStepId"], "validate-wsl-lockdown");
        assert!(
            said(&failed).contains("undone: wsl-create"),
            "{}",
            said(&failed)
        );
    }

    /// Four at the same time do not disturb each other: each has its own computer, port and app.
    #[test]
    fn set_ups_run_side_by_side() {
        let first = clawproof(&["--fault", "wsl-conf-unreadable"]);
        assert_has_namespaces(&first);
        let children: Vec<_> = (0..4_u16)
            .map(|n| {
                let port =
                    (25_000 + u16::try_from(std::process::id() % 10_000).unwrap() + n).to_string();
                Command::new(env!("CARGO_BIN_EXE_clawproof"))
                    .args(["setup", "--gateway-port", &port])
                    .env_clear()
                    .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        }
    }
}

/// Bad input is named, with what to do.
#[test]
fn bad_input_is_refused_before_anything_is_run() {
    let users = tempfile::tempdir().unwrap();
    std::fs::File::create(users.path().join("gateways.json")).unwrap();
    let cases: [(&[&str], &str); 4] = [
        (&["--fault", "nope"], "hint: clawproof setup --list-faults"),
        (
            &["--distro-name", "a b"],
            "DistroName: expected 1 to 64 letters",
        ),
        (
            &["--data-dir", users.path().to_str().unwrap()],
            "hint: give --data-dir a folder of its own",
        ),
        (&["--config", "/nonexistent.json"], "/nonexistent.json"),
    ];
    for (words, expected) in cases {
        let output = clawproof(words);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{words:?}: {}",
            said(&output)
        );
        assert!(
            said(&output).contains(expected),
            "{words:?}: {}",
            said(&output)
        );
    }
}

/// Before anything runs.
#[test]
fn a_release_that_nobody_tried_is_refused() {
    for (wanted, word) in [
        ("2026.7.1", "UnattestedRelease"),
        ("2026.1.1", "BelowSecurityFloor"),
        ("2026.9.6", "--validate-gateway-candidate"),
    ] {
        let refused = clawproof(&["--dry-run", "--gateway-version", wanted]);
        assert_eq!(refused.status.code(), Some(2), "{wanted}");
        assert!(said(&refused).contains(word), "{}", said(&refused));
    }
    let candidate = [
        "--dry-run",
        "--gateway-version",
        "2026.9.6",
        "--validate-gateway-candidate",
    ];
    let taken = clawproof(&candidate);
    assert_eq!(taken.status.code(), Some(0), "{}", said(&taken));
}
