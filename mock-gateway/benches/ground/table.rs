//! The table at the end of a bench: what was measured, what was wanted, and whether it is met.

use std::time::{Duration, Instant};

/// One line of the table.
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) what: String,
    /// What was wanted, e.g. `at least 40 %`.
    pub(crate) target: &'static str,
    /// What came out.
    pub(crate) measured: String,
    /// Whether it is as wanted.
    pub(crate) is_met: bool,
}

/// Prints the table on stderr, behind criterion's own lines.
pub(crate) fn print(figures: &[Figure]) {
    let width = |text: fn(&Figure) -> &str| figures.iter().map(|figure| text(figure).len()).max();
    let what = width(|figure| &figure.what).unwrap_or_default();
    let target = width(|figure| figure.target).unwrap_or_default();
    let measured = width(|figure| &figure.measured).unwrap_or_default();
    eprintln!();
    for figure in figures {
        eprintln!(
            "figure: {:what$} | {:target$} | {:measured$} | {}",
            figure.what,
            figure.target,
            figure.measured,
            if figure.is_met { "met" } else { "NOT MET" },
        );
    }
}

/// The lowest decile of what `turns` calls took: a turn in which another process had the processor does not count.
#[allow(
    dead_code,
    clippy::allow_attributes,
    reason = "shared by path; not every bench takes turns by itself"
)]
pub(crate) fn lowest_decile(turns: usize, mut turn: impl FnMut()) -> Duration {
    let mut taken: Vec<Duration> = (0..turns)
        .map(|_| {
            let start = Instant::now();
            turn();
            start.elapsed()
        })
        .collect();
    taken.sort_unstable();
    taken.get(turns / 10).copied().unwrap_or_default()
}
