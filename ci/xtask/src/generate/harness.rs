//! Pages about the harness itself.

use link::FAULTS;

use super::Page;
use super::table::{code, table};

pub(super) fn pages() -> Vec<Page> {
    vec![faults()]
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
