//! `clawproof fetch`: brings the real programs that some commands need.

use std::io::IsTerminal as _;
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::args::{FetchArgs, MessageFormat};
use super::exit::Exit;
use super::print::{fail, out, say};
use crate::fetch::{Cache, Component, FetchError, Progress};
use crate::interrupt::interrupted;

pub(super) fn fetch(args: &FetchArgs) -> Exit {
    let components = match chosen(&args.components) {
        Ok(components) => components,
        Err(exit) => return exit,
    };
    let cache = match Cache::open() {
        Ok(cache) => cache,
        Err(missing) => {
            fail(&missing, Some(&missing.hint()));
            return Exit::WorldUnavailable;
        }
    };
    if args.list {
        list(&cache, &components, args.message_format);
        return Exit::Passed;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(fetch_all(&cache, &components)),
        Err(error) => {
            fail(&error, None);
            Exit::HarnessBroke
        }
    }
}

/// The components of the command line; all that run here when none is named.
fn chosen(names: &[String]) -> Result<Vec<Component>, Exit> {
    if names.is_empty() {
        let runs = |component: &Component| {
            component.is_supported() && component.needs().iter().all(|needed| needed.is_supported())
        };
        return Ok(Component::ALL.into_iter().filter(runs).collect());
    }
    names
        .iter()
        .map(|name| {
            Component::named(name).ok_or_else(|| {
                let known = Component::ALL.map(Component::name).join(", ");
                say(format_args!("error: nothing is called {name}"));
                say(format_args!("hint: there are {known}"));
                Exit::Usage
            })
        })
        .collect()
}

async fn fetch_all(cache: &Cache, components: &[Component]) -> Exit {
    let fetching = async {
        let mut all = Exit::Passed;
        for component in components {
            let bar = Bar::new();
            match cache
                .fetch(*component, &mut |progress| bar.tell(progress))
                .await
            {
                Ok(installed) => {
                    bar.finish();
                    out(format_args!("{component} {}", installed.entry().display()));
                }
                Err(error) => {
                    bar.finish();
                    fail(&error, Some(&error.hint()));
                    all = exit_of(&error);
                }
            }
        }
        all
    };
    tokio::select! {
        biased;
        _wished = interrupted() => {
            say("interrupted: what was complete is kept, the rest is removed");
            Exit::Interrupted
        }
        ended = fetching => ended,
    }
}

const fn exit_of(error: &FetchError) -> Exit {
    match error {
        FetchError::Missing(_) | FetchError::NoNpm { .. } | FetchError::Npm { .. } => {
            Exit::WorldUnavailable
        }
        FetchError::Write { .. } => Exit::ArtifactsNotWritten,
    }
}

/// A line that lives while npm works; in a log, one line at the start and one at the end.
struct Bar {
    spinner: ProgressBar,
}

impl Bar {
    fn new() -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let spinner = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
            spinner.set_style(style);
        }
        Self { spinner }
    }

    fn tell(&self, progress: Progress) {
        let text = match progress {
            Progress::Waiting(component) => {
                format!("waiting for another process that fetches {component}")
            }
            Progress::Fetching(component) => format!(
                "fetching {component}: {} {}, about {} MB",
                component.package(),
                component.version(),
                component.megabytes()
            ),
            Progress::Done(component, took) => {
                format!("fetched {component} in {:.1} s", took.as_secs_f64())
            }
        };
        if self.spinner.is_hidden() || matches!(progress, Progress::Done(..)) {
            self.spinner.suspend(|| say(&text));
        } else {
            self.spinner.reset_elapsed();
            self.spinner.set_message(text);
            self.spinner.enable_steady_tick(Duration::from_millis(100));
        }
    }

    fn finish(&self) {
        self.spinner.finish_and_clear();
    }
}

fn list(cache: &Cache, components: &[Component], format: MessageFormat) {
    let state = |component: &Component| match cache.locate(*component) {
        Ok(_) => "fetched".to_owned(),
        Err(missing) => missing.to_string(),
    };
    match format {
        MessageFormat::Json => {
            for component in components {
                let installed = cache.locate(*component).ok();
                out(json!({
                    "name": component.name(),
                    "title": component.title(),
                    "package": component.package(),
                    "version": component.version(),
                    "pin": component.pin_digest(),
                    "fetched": installed.is_some(),
                    "entry": installed.map(|found| found.entry()),
                    "state": state(component),
                }));
            }
        }
        MessageFormat::Human => {
            let mut table = Table::new();
            table
                .load_style(presets::NOTHING)
                .set_content_arrangement(ContentArrangement::Dynamic);
            for component in components {
                table.add_row([
                    component.name().to_owned(),
                    format!("{} {}", component.package(), component.version()),
                    component.title().to_owned(),
                    state(component),
                ]);
            }
            out(table);
            say(format_args!("the cache is {}", cache.root().display()));
        }
    }
}
