//! The progress bar: on a terminal only, never in a log.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on stderr, or nothing where nobody watches.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar over `total` scenarios; hidden unless stderr is a terminal and `wanted`.
    pub(super) fn new(total: usize, wanted: bool) -> Self {
        let visible = wanted && std::io::stderr().is_terminal();
        let target = if visible {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(u64::try_from(total).ok(), target);
        let template = if std::env::var_os("NO_COLOR").is_some() {
            "{bar:30} {pos}/{len} {wide_msg}"
        } else {
            "{bar:30.cyan} {pos}/{len} {wide_msg}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar }
    }

    /// One more is done.
    pub(super) fn done(&self, name: &str) {
        self.bar.set_message(name.to_owned());
        self.bar.inc(1);
    }

    /// Takes the bar away before the report is printed.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
