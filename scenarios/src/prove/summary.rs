//! `SUMMARY.md` of a pair, ready to paste into a pull request.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;
use transcript::Transcript;

use super::bundle::Change;
use crate::report::sequence;

/// Arrows of the diagram; the whole conversation is in the transcript.
const ARROWS: usize = 40;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or("unknown")
}

fn words(value: &Value, pointer: &str) -> String {
    let list = value.pointer(pointer).and_then(Value::as_array);
    let words: Vec<&str> = list
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    words.join(", ")
}

/// The summary of base and head.
pub(super) fn of_pair(
    manifest: &Value,
    files: &BTreeMap<String, Vec<u8>>,
    changes: &[Change],
) -> String {
    let proved = manifest.get("proved") == Some(&Value::Bool(true));
    let mut out = String::new();
    let held = changes.iter().filter(|change| change.holds()).count();
    let verdict = if proved { "Proved" } else { "Not proved" };
    // Writing to a string does not fail.
    let _fine = writeln!(
        out,
        "# {verdict}: {held} of {} fail on the base and pass on the head\n\nGateway: **{}** ({}).\n",
        changes.len(),
        words(manifest, "/environment/gatewayKinds"),
        words(manifest, "/environment/gateways"),
    );
    out.push_str("| scenario | base | head |\n|---|---|---|\n");
    for change in changes {
        let _fine = writeln!(
            out,
            "| `{}` | {} | {} |",
            change.name, change.base, change.head
        );
    }
    shards(manifest, &mut out);
    real_behaviour(manifest, changes, proved, &mut out);
    claims(files, changes, &mut out);
    counters(files, &mut out);
    states(files, changes, &mut out);
    diagrams(files, changes, &mut out);
    closing(manifest, &mut out);
    out
}

fn shards(manifest: &Value, out: &mut String) {
    out.push_str("\n## Shards of the head\n\n| shard | selected | executed | passed | failed | skipped |\n|---|---|---|---|---|---|\n");
    let rows = manifest.get("shards").and_then(Value::as_array);
    for row in rows.into_iter().flatten() {
        let number = |name: &str| row.get(name).and_then(Value::as_u64).unwrap_or_default();
        let _fine = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            text(row, "/name"),
            number("selected"),
            number("executed"),
            number("passed"),
            number("failed"),
            number("skipped")
        );
    }
}

fn real_behaviour(manifest: &Value, changes: &[Change], proved: bool, out: &mut String) {
    let dirty = manifest.get("dirty") == Some(&Value::Bool(true));
    let observed = if proved {
        format!(
            "{} scenarios fail on the base and pass on the head",
            changes.len()
        )
    } else {
        "the base and the head do not differ as they should".to_owned()
    };
    let _fine = writeln!(
        out,
        "\n## Real behavior proof\n\n\
         - Environment tested: {} {}, {}; stand-ins: {}\n\
         - Head or commit tested: `{}`{}; base: {}\n\
         - Exact steps or command: `{}`\n\
         - Evidence after fix: `head/scenarios/*/*/transcript.jsonl`, judged again by `clawproof verify`\n\
         - Observed result: {observed}\n\
         - Artifact links verified: N/A, the files are in this folder\n\
         - Not verified or blocked: see below",
        text(manifest, "/environment/os"),
        text(manifest, "/environment/arch"),
        words(manifest, "/environment/gateways"),
        words(manifest, "/environment/standIns"),
        text(manifest, "/head"),
        if dirty {
            " with local changes (so this is no proof of the commit)"
        } else {
            ""
        },
        text(manifest, "/base/subject"),
        text(manifest, "/command"),
    );
}

fn claims(files: &BTreeMap<String, Vec<u8>>, changes: &[Change], out: &mut String) {
    out.push_str("\n## Claims\n\n| claim | what the base does instead | files |\n|---|---|---|\n");
    for change in changes {
        let read = |side: &str| -> Value {
            let path = format!("{}/verdict.json", place(side, change));
            let bytes = files.get(&path);
            bytes
                .and_then(|bytes| serde_json::from_slice(bytes).ok())
                .unwrap_or_default()
        };
        let (head, base) = (read("head"), read("base"));
        let _fine = writeln!(
            out,
            "| {} | {} | `{}` |",
            cell(text(&head, "/title")),
            cell(
                base.pointer("/findings/0/summary")
                    .and_then(Value::as_str)
                    .unwrap_or(&change.base)
            ),
            place("head", change)
        );
    }
}

/// Text inside a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn place(side: &str, change: &Change) -> String {
    let (id, world) = change.name.split_once("::").unwrap_or((&change.name, ""));
    format!("{side}/scenarios/{id}/{world}")
}

fn counters(files: &BTreeMap<String, Vec<u8>>, out: &mut String) {
    out.push_str("\n## Counted at the gateway\n\n| side | scenario | sockets | connect frames | by credential | must not be seen |\n|---|---|---|---|---|---|\n");
    for side in ["base", "head"] {
        let bytes = files.get(&format!("{side}/manifest.json"));
        let manifest: Value = bytes
            .and_then(|bytes| serde_json::from_slice(bytes).ok())
            .unwrap_or_default();
        let rows = manifest.get("scenarios").and_then(Value::as_array);
        for row in rows.into_iter().flatten() {
            let number = |pointer: &str| {
                row.pointer(pointer)
                    .and_then(Value::as_u64)
                    .unwrap_or_default()
            };
            let by_auth = row
                .pointer("/counters/connectFramesByAuth")
                .and_then(Value::as_object);
            let by_auth: Vec<String> = by_auth
                .into_iter()
                .flatten()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            let never = row
                .pointer("/counters/mustNotBeSeen")
                .and_then(Value::as_array);
            let never: Vec<String> = never
                .into_iter()
                .flatten()
                .map(|row| {
                    let seen = row.get("seen").and_then(Value::as_u64).unwrap_or_default();
                    format!("{}: {seen}", cell(text(row, "/what")))
                })
                .collect();
            let _fine = writeln!(
                out,
                "| {side} | `{}::{}` | {} | {} | {} | {} |",
                text(row, "/id"),
                text(row, "/world"),
                number("/counters/sockets"),
                number("/counters/connectFrames"),
                by_auth.join(", "),
                if never.is_empty() {
                    "nothing named".to_owned()
                } else {
                    never.join("; ")
                }
            );
        }
    }
}

/// What each client has on disk before and after, as booleans, and whether it is the same.
fn states(files: &BTreeMap<String, Vec<u8>>, changes: &[Change], out: &mut String) {
    const FACTS: [&str; 4] = [
        "shared_token",
        "bootstrap_token",
        "operator_token",
        "node_token",
    ];
    out.push_str("\n## Credentials on disk, before and after\n\n| scenario | client | fact | base | head |\n|---|---|---|---|---|\n");
    for change in changes {
        let state = |side: &str| -> Value {
            let bytes = files.get(&format!("{}/state.json", place(side, change)));
            bytes
                .and_then(|bytes| serde_json::from_slice(bytes).ok())
                .unwrap_or_default()
        };
        let (base, head) = (state("base"), state("head"));
        let actors = head.get("durable").and_then(Value::as_object);
        for actor in actors.into_iter().flatten().map(|(actor, _)| actor) {
            let mut row = |fact: &str, of: &dyn Fn(&Value) -> String| {
                let _fine = writeln!(
                    out,
                    "| `{}` | {actor} | {fact} | {} | {} |",
                    change.name,
                    of(&base),
                    of(&head)
                );
            };
            row("device", &|state| same(state, actor, "device"));
            row("record", &|state| same(state, actor, "record"));
            for fact in FACTS {
                row(fact, &|state| before_and_after(state, actor, fact));
            }
        }
    }
}

fn same(state: &Value, actor: &str, fact: &str) -> String {
    let kept = state.pointer(&format!("/durable_kept/{actor}/{fact}"));
    let word = kept
        .and_then(Value::as_bool)
        .map_or("unknown", |kept| if kept { "the same" } else { "changed" });
    word.to_owned()
}

/// `absent to present`, `present and the same`, `present and changed`.
fn before_and_after(state: &Value, actor: &str, fact: &str) -> String {
    let of = |part: &str| {
        let there = state.pointer(&format!("/{part}/{actor}/{fact}"));
        there.and_then(Value::as_bool)
    };
    let word = |there: Option<bool>| match there {
        Some(true) => "present",
        Some(false) => "absent",
        None => "unknown",
    };
    match (of("durable_before"), of("durable")) {
        (Some(true), Some(true)) => format!("present and {}", same(state, actor, fact)),
        (before, after) if before == after => word(after).to_owned(),
        (before, after) => format!("{} to {}", word(before), word(after)),
    }
}

fn diagrams(files: &BTreeMap<String, Vec<u8>>, changes: &[Change], out: &mut String) {
    let Some(change) = changes.first() else {
        return;
    };
    for side in ["base", "head"] {
        let path = format!("{}/transcript.jsonl", place(side, change));
        let transcript = files
            .get(&path)
            .and_then(|bytes| std::str::from_utf8(bytes).ok());
        let Some(transcript) = transcript.and_then(|text| Transcript::parse(text).ok()) else {
            continue;
        };
        let whole = sequence::mermaid(&transcript);
        let participants = whole
            .lines()
            .filter(|line| line.trim_start().starts_with("participant"))
            .count();
        let shown: Vec<&str> = whole.lines().take(1 + participants + ARROWS).collect();
        let more = whole.lines().count() - shown.len();
        let _fine = writeln!(
            out,
            "\n## {} on the {side}\n\n```mermaid\n{}\n```",
            change.name,
            shown.join("\n")
        );
        if more > 0 {
            let _fine = writeln!(out, "\n{more} more in `{path}`.");
        }
    }
}

fn closing(manifest: &Value, out: &mut String) {
    out.push_str("\n## Not verified\n\n");
    let rows = manifest.get("notVerified").and_then(Value::as_array);
    for row in rows.into_iter().flatten() {
        let _fine = writeln!(out, "- {}: {}", text(row, "/name"), text(row, "/reason"));
    }
    out.push_str("\n## Credential policy\n\n");
    let rows = manifest.get("credentialPolicy").and_then(Value::as_array);
    for row in rows.into_iter().flatten().filter_map(Value::as_str) {
        let _fine = writeln!(out, "- {row}");
    }
    let number = |pointer: &str| {
        manifest
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    };
    let _fine = writeln!(
        out,
        "\n## Redaction\n\n{} files were scanned for every encoding of {} registered secrets: {} findings. \
         The control, a planted secret, was found in {} of {} forms.\n\n\
         ## Reproduce\n\n```sh\n{}\nclawproof verify BUNDLE\n```",
        number("/secretScan/filesScanned"),
        number("/secretScan/registeredSecretCount"),
        number("/secretScan/findings"),
        number("/redaction/canary/found"),
        number("/redaction/canary/planted"),
        text(manifest, "/command"),
    );
}
