//! Pages about the harness itself.

use link::FAULTS;
use scenarios::cli::Exit;
use scenarios::judge::invariant::{REGISTRY, Subject};

use super::Page;
use super::table::{code, table};

pub(super) fn pages() -> Vec<Page> {
    vec![faults(), invariants(), exit_codes()]
}

fn faults() -> Page {
    let rows = FAULTS.iter().map(|row| {
        let params: Vec<_> = row.params.iter().map(|name| code(name)).collect();
        let params = if params.is_empty() {
            "none".to_owned()
        } else {
            params.join(", ")
        };
        [
            code(row.name.as_str()),
            row.doc.to_owned(),
            row.client_sees.to_owned(),
            params,
            row.on_heal.to_owned(),
        ]
    });
    Page::reference(
        "docs/reference/faults.md",
        "Faults",
        "Named disturbances of the wire. Each has a self-test that watches the client's end with plain sockets.",
        &table(
            [
                "fault",
                "what it does",
                "what the client's socket sees",
                "parameters",
                "when it ends",
            ],
            rows,
        ),
    )
}

fn invariants() -> Page {
    let rows = REGISTRY.iter().map(|row| {
        let subject = match row.subject {
            Subject::Client => "the client",
            Subject::Companion => "our companion",
            Subject::Gateway => "the gateway",
            Subject::Both => "both",
            Subject::Harness => "the harness",
        };
        [
            code(row.name),
            row.doc.to_owned(),
            subject.to_owned(),
            code(row.mutant),
            row.source.to_owned(),
        ]
    });
    Page::reference(
        "docs/reference/invariants.md",
        "Invariants",
        "What holds in every run. A scenario that means to break one names it in `[allow]`, with the reason. Each has a\n\
         mutant that breaks it, and a test that the judge then names it.",
        &table(
            [
                "invariant",
                "what it says",
                "who can break it",
                "mutant",
                "from",
            ],
            rows,
        ),
    )
}

fn exit_codes() -> Page {
    let rows = Exit::ALL.iter().map(|exit| {
        [
            exit.code().to_string(),
            exit.meaning().to_owned(),
            exit.remedy().to_owned(),
        ]
    });
    Page::reference(
        "docs/reference/exit-codes.md",
        "Exit codes",
        "How `clawproof` ends. Skipped and inconclusive are never green.",
        &table(["code", "meaning", "what to do"], rows),
    )
}
