//! `clawproof list`: what there is.

use std::path::Path;
use std::sync::Arc;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use super::args::{ListArgs, MessageFormat};
use super::exit::Exit;
use super::print::{fail, out, say};
use super::{args, library};
use crate::run::{Durations, Selection, Slice};
use crate::scenario::{Scenario, WorldName};

pub(super) fn list(args: &ListArgs) -> Exit {
    let scenarios = match library::scenarios(args.selection.suite.as_deref()) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let selection = match selection(&args.selection, args.shard.as_deref(), None) {
        Ok(selection) => selection,
        Err(exit) => return exit,
    };
    let chosen = selection.choose(&scenarios);
    if chosen.is_empty() {
        return nothing_selected(scenarios.len());
    }
    match args.message_format {
        MessageFormat::Json => chosen.iter().for_each(|scenario| out(line(scenario))),
        MessageFormat::Human => {
            out(table(&chosen));
            say(format_args!(
                "{} of {} scenarios",
                chosen.len(),
                scenarios.len()
            ));
        }
    }
    Exit::Passed
}

/// The selection of a command line, or how the command must end.
pub(super) fn selection(
    args: &args::Selection,
    shard: Option<&str>,
    durations: Option<&Path>,
) -> Result<Selection, Exit> {
    let slice = shard.map(Slice::parse).transpose().map_err(|error| {
        fail(
            &error,
            Some("for example --shard network-recovery or --shard 2/4"),
        );
        Exit::Usage
    })?;
    let durations = durations.map(Durations::read).transpose().map_err(|error| {
        fail(
            &error,
            Some("give the durations.json of a run folder, or leave --durations out: parts then have equally many scenarios"),
        );
        Exit::InvalidFile
    })?;
    Ok(Selection {
        patterns: args.patterns.clone(),
        needs: args.needs.clone(),
        about: args.about.clone(),
        slice,
        durations,
    })
}

/// Says that nothing was selected, which is never a success.
pub(super) fn nothing_selected(of: usize) -> Exit {
    say(format_args!("error: none of {of} scenarios was selected"));
    say("hint: `clawproof list` shows them all; quote globs such as 'setup-connect/**'");
    Exit::NothingSelected
}

fn worlds(scenario: &Scenario) -> Vec<&'static str> {
    scenario.worlds().into_iter().map(WorldName::name).collect()
}

fn line(scenario: &Scenario) -> serde_json::Value {
    json!({
        "id": scenario.id,
        "title": scenario.title,
        "about": scenario.about,
        "needs": scenario.needs,
        "worlds": worlds(scenario),
        "file": scenario.source.file,
    })
}

fn table(chosen: &[Arc<Scenario>]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic);
    for scenario in chosen {
        table.add_row([
            scenario.id.clone(),
            scenario.title.clone(),
            worlds(scenario).join(" "),
        ]);
    }
    table
}
