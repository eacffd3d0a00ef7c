//! What a later start finds after each step of each write met each fate: measured, and the same as the documented table.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod faulty;

use std::fmt::Write as _;

use client_core::StoreOp;
use faulty::{Fault, FaultyDisk, STEPS, clear, create, found_after, old_and_new, registry, token};
use gateway_client::{FileStore, Store as _};

const DOCUMENTED: &str = include_str!("../../docs/crash-matrix.md");

const STEP_NAMES: [&str; STEPS as usize] = [
    "folder made",
    "temporary file made",
    "written",
    "synced",
    "renamed",
    "folder synced",
];

const FAULTS: [Fault; 4] = [
    Fault::Error,
    Fault::KilledBefore,
    Fault::KilledAfter,
    Fault::PowerLoss,
];

fn writes() -> Vec<(&'static str, Vec<StoreOp>, StoreOp)> {
    let old = || vec![create(), token("old")];
    vec![
        ("the first `gateways.json`", vec![], registry("ws://new:1")),
        (
            "the next `gateways.json`",
            vec![registry("ws://old:1")],
            registry("ws://new:1"),
        ),
        ("a new device key", vec![], create()),
        ("the first token of a role", vec![create()], token("new")),
        ("the next token of a role", old(), token("new")),
        ("a clear of both tokens", old(), clear()),
    ]
}

fn outcome(before: &[StoreOp], op: &StoreOp, step: u32, fault: Fault) -> &'static str {
    let [old, new] = old_and_new(before, op);
    let (folder, _) = found_after(before, op, &FaultyDisk::failing_at(step, fault), fault);
    let found = FileStore::open(folder.path()).unwrap().load().unwrap();
    match (found == old, found == new) {
        (true, false) => "old",
        (false, true) => "new",
        (_, _) => "NEITHER",
    }
}

#[test]
fn the_documented_table_is_what_happens() {
    let mut table = String::new();
    for (what, before, op) in writes() {
        for (number, step) in (1..).zip(STEP_NAMES) {
            write!(table, "| {what} | {step} |").unwrap();
            for fault in FAULTS {
                let outcome = outcome(&before, &op, number, fault);
                assert_ne!(outcome, "NEITHER", "{what}, {step}, {fault:?}");
                write!(table, " {outcome} |").unwrap();
            }
            table.push('\n');
        }
    }
    assert!(
        DOCUMENTED
            .replace('\r', "")
            .ends_with(&format!("\n{table}")),
        "docs/crash-matrix.md does not end with what was measured:\n{table}"
    );
}
