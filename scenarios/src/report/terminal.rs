//! The report for people at a terminal.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Counts, ScenarioResult};
use crate::judge::{Finding, Verdict};

/// Whether colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours.
    pub colour: bool,
}

#[derive(Clone, Copy)]
enum Paint {
    Green,
    Red,
    Yellow,
    Dim,
    Bold,
}

impl Style {
    fn paint(self, paint: Paint, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match paint {
            Paint::Green => "32",
            Paint::Red => "31",
            Paint::Yellow => "33",
            Paint::Dim => "2",
            Paint::Bold => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// One line for one result.
pub fn line(result: &ScenarioResult, style: Style) -> String {
    let (word, paint) = match &result.verdict {
        Verdict::Passed => ("passed", Paint::Green),
        Verdict::Failed(_) => ("FAILED", Paint::Red),
        Verdict::Inconclusive { .. } => ("inconclusive", Paint::Yellow),
        Verdict::Skipped { .. } => ("skipped", Paint::Yellow),
        Verdict::Broken { .. } => ("BROKEN", Paint::Red),
    };
    let word = style.paint(paint, &format!("{word:>12}"));
    let world = style.paint(Paint::Dim, &format!("{:<8}", result.world));
    let times = style.paint(Paint::Dim, &times(result));
    let why = match &result.verdict {
        Verdict::Inconclusive { why } => format!(": {why}"),
        Verdict::Skipped { missing } => format!(": needs {missing}"),
        Verdict::Broken { what } => format!(": {what}"),
        Verdict::Passed | Verdict::Failed(_) => String::new(),
    };
    format!("{word}  {world} {}{why}  {times}", result.id)
}

fn times(result: &ScenarioResult) -> String {
    if result.virtual_time > result.took.saturating_mul(2)
        && result.virtual_time > Duration::from_secs(1)
    {
        format!("{} for {}", short(result.took), short(result.virtual_time))
    } else {
        short(result.took)
    }
}

/// `1.2 ms`, `3.4 s`, `12 min`.
pub fn short(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    if seconds < 0.001 {
        format!("{} us", time.as_micros())
    } else if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1_000.0)
    } else if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} min", seconds / 60.0)
    }
}

/// Everything about a result that did not pass.
pub fn explanation(result: &ScenarioResult, style: Style) -> String {
    let mut text = String::new();
    let head = style.paint(Paint::Bold, &format!("{} in {}", result.id, result.world));
    let findings = result.verdict.findings();
    let _infallible = writeln!(text, "{head}: {}", result.title);
    for (index, finding) in findings.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        write_finding(&mut text, finding, style);
    }
    if let Some(first) = findings.first() {
        write_context(&mut text, first, style);
    }
    text
}

fn write_finding(text: &mut String, finding: &Finding, style: Style) {
    let rule = style.paint(Paint::Red, &finding.rule);
    let _infallible = writeln!(text, "\n  {rule}: {}", finding.summary);
    let _infallible = writeln!(
        text,
        "  {} {}",
        style.paint(Paint::Dim, "at"),
        finding.place
    );
    for line in &finding.excerpt {
        let _infallible = writeln!(text, "    {}", style.paint(Paint::Dim, line));
    }
    if let Some(difference) = &finding.difference {
        if !difference.nearest.is_empty() {
            let _infallible = writeln!(text, "  what came closest: {}", difference.nearest.trim());
        }
        let at = if difference.pointer.is_empty() {
            "the whole"
        } else {
            &difference.pointer
        };
        let _infallible = writeln!(text, "    at {at}");
        let _infallible = writeln!(
            text,
            "      wanted {}",
            style.paint(Paint::Green, &difference.expected)
        );
        let _infallible = writeln!(
            text,
            "      got    {}",
            style.paint(Paint::Red, &difference.got)
        );
    }
    for line in &finding.evidence {
        let _infallible = writeln!(text, "    {line}");
    }
    if let Some(reference) = &finding.reference {
        let _infallible = writeln!(text, "  see {reference}");
    }
}

fn write_context(text: &mut String, finding: &Finding, style: Style) {
    if !finding.last_frames.is_empty() {
        let _infallible = writeln!(text, "\n  the last frames of each connection");
    }
    for tail in &finding.last_frames {
        let _infallible = writeln!(text, "    {}", style.paint(Paint::Bold, &tail.connection));
        for frame in &tail.frames {
            let _infallible = writeln!(text, "      {frame}");
        }
    }
    if !finding.believed.is_empty() {
        let _infallible = writeln!(text, "\n  what the gateway believed at the end");
        for line in &finding.believed {
            let _infallible = writeln!(text, "    {line}");
        }
    }
    let _infallible = writeln!(
        text,
        "\n  {} {}",
        style.paint(Paint::Yellow, "hint:"),
        finding.repeat
    );
}

/// The last lines of a run: counts, time, and what to do next.
pub fn summary(results: &[ScenarioResult], took: Duration, style: Style) -> String {
    let counts = Counts::of(results);
    let bad = counts.failed + counts.broken > 0;
    let paint = if bad {
        Paint::Red
    } else if counts.inconclusive > 0 {
        Paint::Yellow
    } else {
        Paint::Green
    };
    let virtual_time: Duration = results.iter().map(|result| result.virtual_time).sum();
    let mut text = style.paint(paint, &counts.sentence());
    let _infallible = write!(
        text,
        " in {} ({} of protocol time)",
        short(took),
        short(virtual_time)
    );
    text.push('\n');
    let first_bad = results
        .iter()
        .find(|result| matches!(result.verdict, Verdict::Failed(_)));
    let findings = first_bad.map(|result| result.verdict.findings());
    if let Some(finding) = findings.and_then(|findings| findings.first()) {
        let hint = style.paint(Paint::Yellow, "hint:");
        let _infallible = writeln!(text, "{hint} repeat one with `{}`", finding.repeat);
    }
    text
}
