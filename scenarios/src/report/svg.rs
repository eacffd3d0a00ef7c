//! One scenario's sequence as an SVG picture, for places that render neither Mermaid nor a page.

use std::fmt::Write as _;

use serde_json::Value;

const ROW: usize = 22;
const FIRST: usize = 90;
const GAP: usize = 150;
const HEAD: usize = 34;
/// A picture is for reading; longer conversations are cut, and say so.
const ROWS: usize = 400;

/// Draws lanes and rows as the page has them (see [`super::html`]).
pub fn svg(title: &str, lanes: &[String], rows: &[Value]) -> String {
    let shown = rows.len().min(ROWS);
    let (width, height) = (
        FIRST + lanes.len() * GAP + 260,
        HEAD + (shown + 1) * ROW + 10,
    );
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"ui-monospace, DejaVu Sans Mono, monospace\" font-size=\"12\">\n<title>{}</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        escape(title)
    );
    for (index, lane) in lanes.iter().enumerate() {
        let x = x(index);
        // Writing to a string does not fail.
        let _fine = writeln!(
            out,
            "<text x=\"{x}\" y=\"20\" text-anchor=\"middle\">{}</text><line x1=\"{x}\" x2=\"{x}\" y1=\"{HEAD}\" y2=\"{height}\" stroke=\"#ccc\"/>",
            escape(lane)
        );
    }
    for (index, row) in rows.iter().take(ROWS).enumerate() {
        draw(
            &mut out,
            row,
            HEAD + index * ROW + ROW / 2,
            x(lanes.len()) - GAP + 16,
        );
    }
    if rows.len() > ROWS {
        let y = HEAD + ROWS * ROW + 16;
        let _fine = writeln!(
            out,
            "<text x=\"6\" y=\"{y}\">{} more in the transcript</text>",
            rows.len() - ROWS
        );
    }
    out.push_str("</svg>\n");
    out
}

const fn x(lane: usize) -> usize {
    FIRST + lane * GAP
}

fn draw(out: &mut String, row: &Value, y: usize, said_x: usize) {
    let number = |at: usize| {
        row.get(at)
            .and_then(Value::as_u64)
            .and_then(|n| usize::try_from(n).ok())
    };
    let text = |at: usize| row.get(at).and_then(Value::as_str).unwrap_or_default();
    let colour = match text(5) {
        "req" => "#1d4ed8",
        "ok" => "#15803d",
        "err" | "fault" => "#b91c1c",
        "event" => "#7c3aed",
        "wsl" => "#a14a05",
        _ => "#63635e",
    };
    let us = row.get(1).and_then(Value::as_u64).unwrap_or_default();
    let _fine = writeln!(
        out,
        "<text x=\"6\" y=\"{}\" fill=\"#63635e\">{}.{:03}s</text>",
        y + 4,
        us / 1_000_000,
        us / 1_000 % 1_000
    );
    match (number(3), number(4)) {
        (Some(from), Some(to)) if from != to => {
            let (from, to) = (x(from), x(to));
            let back = if to > from { to - 8 } else { to + 8 };
            let _fine = writeln!(
                out,
                "<line x1=\"{from}\" x2=\"{to}\" y1=\"{y}\" y2=\"{y}\" stroke=\"{colour}\" stroke-width=\"1.6\"{}/>\
                 <polygon points=\"{to},{y} {back},{} {back},{}\" fill=\"{colour}\"/>",
                if text(7).is_empty() {
                    ""
                } else {
                    " stroke-dasharray=\"3 4\""
                },
                y - 4,
                y + 4
            );
        }
        (Some(at), _) => {
            let _fine = writeln!(
                out,
                "<circle cx=\"{}\" cy=\"{y}\" r=\"4\" fill=\"{colour}\"/>",
                x(at)
            );
        }
        (None, _) => {}
    }
    let lost = if text(7).is_empty() {
        String::new()
    } else {
        format!(" ({})", text(7))
    };
    let _fine = writeln!(
        out,
        "<text x=\"{said_x}\" y=\"{}\" fill=\"{colour}\">{}{lost}</text>",
        y + 4,
        escape(text(6))
    );
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
