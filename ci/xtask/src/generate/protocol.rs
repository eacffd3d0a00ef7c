//! Pages about what can be said on the wire.

use gateway_protocol::close::CLOSE_CODES;
use gateway_protocol::event::events;
use gateway_protocol::method::{Authority, methods};
use gateway_protocol::{DetailCode, ErrorCode};

use super::Page;
use super::table::{code, table};

pub(super) fn pages() -> Vec<Page> {
    vec![errors(), close_codes(), method_page(), event_page()]
}

fn errors() -> Page {
    let codes = table(
        ["`error.code`", "meaning"],
        ErrorCode::ALL
            .iter()
            .map(|row| [code(row.as_str()), row.doc().to_owned()]),
    );
    let details = table(
        ["`error.details.code`", "meaning"],
        DetailCode::ALL
            .iter()
            .map(|row| [code(row.as_str()), row.doc().to_owned()]),
    );
    Page::reference(
        "docs/reference/errors.md",
        "Error codes",
        "A refused request has an `error` with a `code`; what a client should branch on is `details.code`.",
        &format!("{codes}\n{details}"),
    )
}

fn close_codes() -> Page {
    let rows = CLOSE_CODES.iter().map(|row| {
        let reasons = row.reasons.iter().map(|text| {
            if text.is_empty() {
                "(none)".to_owned()
            } else {
                code(text)
            }
        });
        [
            row.code.to_string(),
            row.sender.to_owned(),
            reasons.collect::<Vec<_>>().join(", "),
            row.doc.to_owned(),
        ]
    });
    Page::reference(
        "docs/reference/close-codes.md",
        "Close codes",
        "The WebSocket close codes that belong on this wire, who sends them, and with which reasons.",
        &table(["code", "sent by", "reasons", "when"], rows),
    )
}

fn method_page() -> Page {
    let rows = methods().iter().map(|row| {
        let who = match row.authority {
            Authority::Anyone => "anyone".to_owned(),
            Authority::Node => "role node".to_owned(),
            Authority::Scope(scope) if row.listed => code(scope),
            Authority::Scope(scope) => format!("{} (assumed)", code(scope)),
        };
        [code(row.name), yes(row.in_6), yes(row.in_9), who]
    });
    Page::reference(
        "docs/reference/methods.md",
        "Methods",
        "Every method that a gateway release advertises or the published schema names, and who may call it.",
        &table(["method", "2026.6.34", "2026.9.6", "who may call it"], rows),
    )
}

fn event_page() -> Page {
    let rows = events().iter().map(|row| {
        let doc = if row.doc.is_empty() {
            "outside the connection and pairing surface"
        } else {
            row.doc
        };
        [code(row.name), yes(row.in_6), yes(row.in_9), doc.to_owned()]
    });
    Page::reference(
        "docs/reference/events.md",
        "Events",
        "Every event that a gateway release advertises.",
        &table(["event", "2026.6.34", "2026.9.6", "what it tells"], rows),
    )
}

fn yes(present: bool) -> String {
    if present { "yes" } else { "no" }.to_owned()
}
