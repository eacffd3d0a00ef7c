//! The conversation as a picture: a Mermaid sequence diagram, or plain text.
//!
//! ```
//! let transcript = transcript::Transcript { header: transcript::Header::new(1, "core", "mock"), entries: vec![] };
//! assert!(scenarios::report::sequence::mermaid(&transcript).starts_with("sequenceDiagram"));
//! ```

use std::fmt::Write as _;

use transcript::{Direction, Entry, Kind, Stage, Transcript};

use crate::judge::wire::{Wire, seconds, summary};

/// The actor of entries about the computer of a set-up: calls of wsl.exe, steps.
pub const WSL_LANE: &str = "wsl";

/// Whether an entry tells what happened in WSL, and not on the wire.
pub fn is_of_wsl(entry: &Entry) -> bool {
    entry.kind == Kind::Note && entry.conn.is_none() && entry.actor.as_deref() == Some(WSL_LANE)
}

/// One arrow, or one remark.
struct Row {
    t_us: u64,
    is_of_wsl: bool,
    conn: Option<u32>,
    dir: Option<Direction>,
    text: String,
    lost: bool,
    /// How many equal rows follow each other (ticks).
    times: usize,
}

/// A Mermaid sequence diagram: one participant per connection, and the gateway.
pub fn mermaid(transcript: &Transcript) -> String {
    let wire = Wire::of(&transcript.entries);
    let mut text = String::from("sequenceDiagram\n");
    for (conn, known) in wire.connections() {
        let actor = known.actor.as_deref().unwrap_or("client");
        let role = known
            .role
            .as_deref()
            .map(|role| format!(" {role}"))
            .unwrap_or_default();
        let _infallible = writeln!(
            text,
            "    participant c{conn} as {}",
            escape(&format!("{actor}{role} #{conn}"))
        );
    }
    let _infallible = writeln!(
        text,
        "    participant g as {}",
        escape(&transcript.header.gateway)
    );
    if transcript.entries.iter().any(is_of_wsl) {
        let _infallible = writeln!(text, "    participant w as {WSL_LANE}");
    }
    for row in rows(transcript, &wire) {
        let times = if row.times > 1 {
            format!(" (x{})", row.times)
        } else {
            String::new()
        };
        let said = escape(&format!("{} {}{times}", seconds(row.t_us).trim(), row.text));
        let arrow = if row.lost { "-x" } else { "->>" };
        let _infallible = match (row.conn, row.dir) {
            (Some(conn), Some(Direction::ClientToGateway)) => {
                writeln!(text, "    c{conn}{arrow}g: {said}")
            }
            (Some(conn), Some(Direction::GatewayToClient)) => {
                writeln!(text, "    g{arrow}c{conn}: {said}")
            }
            (Some(conn), None) => writeln!(text, "    Note over c{conn},g: {said}"),
            (None, _) if row.is_of_wsl => writeln!(text, "    Note over w: {said}"),
            (None, _) => writeln!(text, "    Note over g: {said}"),
        };
    }
    text
}

/// The same as plain text: a column per connection, the gateway at the right.
pub fn plain(transcript: &Transcript) -> String {
    let wire = Wire::of(&transcript.entries);
    let mut text = String::new();
    for (conn, _) in wire.connections() {
        let _infallible = writeln!(text, "{}", wire.describe(conn));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    for row in rows(transcript, &wire) {
        let way = match (row.dir, row.lost) {
            (Some(Direction::ClientToGateway), false) => "--->",
            (Some(Direction::GatewayToClient), false) => "<---",
            (Some(Direction::ClientToGateway), true) => "--x ",
            (Some(Direction::GatewayToClient), true) => " x--",
            (None, _) => "    ",
        };
        let conn = row
            .conn
            .map_or_else(|| "   ".to_owned(), |conn| format!("#{conn:<2}"));
        let times = if row.times > 1 {
            format!("  (x{})", row.times)
        } else {
            String::new()
        };
        let _infallible = writeln!(
            text,
            "{} {conn} {way} {}{times}",
            seconds(row.t_us),
            row.text
        );
    }
    text
}

fn rows(transcript: &Transcript, wire: &Wire) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for entry in &transcript.entries {
        let Some(row) = row(entry, wire) else {
            continue;
        };
        if let Some(last) = rows.last_mut()
            && last.conn == row.conn
            && last.text == row.text
            && last.dir == row.dir
            && row.dir.is_some()
        {
            last.times += 1;
            continue;
        }
        rows.push(row);
    }
    rows
}

fn row(entry: &Entry, wire: &Wire) -> Option<Row> {
    let lost = match (entry.kind, entry.stage) {
        (Kind::Ping | Kind::Pong, _) => return None,
        // A message is drawn where it is said; only what is lost on the way is drawn again.
        (_, Some(Stage::Delivered | Stage::Held)) => return None,
        (_, Some(Stage::Dropped)) => true,
        (_, Some(Stage::Sent) | None) => false,
    };
    Some(Row {
        t_us: entry.t_us,
        is_of_wsl: is_of_wsl(entry),
        conn: entry.conn,
        dir: entry.dir,
        text: summary(entry, wire),
        lost,
        times: 1,
    })
}

/// Mermaid ends a message at `;` and `#`, and a line at a line break.
fn escape(text: &str) -> String {
    text.replace('#', "#35;")
        .replace(';', "#59;")
        .replace("#35#59;", "#35;")
        .replace(['\n', '\r'], " ")
}
