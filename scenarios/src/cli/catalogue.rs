//! `clawproof catalogue`: every row of the catalogue, the scenarios that show it, and how they last ended.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;

use super::args::MessageFormat;
use super::exit::Exit;
use super::library;
use super::print::{fail, out, say};
use crate::catalogue::{Catalogue, Line, Mention, State, Tally};
use crate::run::Part;

/// Options of `catalogue`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "Examples:
  clawproof catalogue                     every row, with the verdicts of store/latest
  clawproof catalogue --state open        rows that nothing shows
  clawproof catalogue 034 199             two rows
  clawproof catalogue --run proof         with the verdicts of another run folder")]
pub struct CatalogueArgs {
    /// Numbers of rows; all of them when left out
    #[arg(value_name = "ROW")]
    pub rows: Vec<u16>,
    /// Only rows that stand like this (may be repeated)
    #[arg(long, value_enum, value_name = "STATE")]
    pub state: Vec<StateArg>,
    /// Run folder whose verdicts are shown
    #[arg(long, value_name = "DIR", default_value = "store/latest")]
    pub run: PathBuf,
    /// Folder of scenario files; the repository's suite, or the copy inside this program
    #[arg(long, value_name = "DIR")]
    pub suite: Option<PathBuf>,
    /// How the rows are printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

/// How a row can stand.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateArg {
    /// Scenarios show it
    Covered,
    /// Tests show it, no scenario does
    Tested,
    /// Nothing here can show it
    Out,
    /// Nothing shows it
    Open,
}

impl StateArg {
    const fn word(self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::Tested => "tested",
            Self::Out => "out",
            Self::Open => "open",
        }
    }
}

/// The verdict of each scenario in each world, by name (`id::world`).
type Verdicts = BTreeMap<String, String>;

pub(super) fn catalogue(args: &CatalogueArgs) -> Exit {
    let catalogue = match Catalogue::embedded() {
        Ok(catalogue) => catalogue,
        Err(error) => {
            fail(&error, None);
            return Exit::InvalidFile;
        }
    };
    let last = catalogue.rows().last().map_or(0, |row| row.number);
    if let Some(unknown) = args.rows.iter().find(|row| catalogue.row(**row).is_none()) {
        say(format_args!("error: there is no row {unknown:03}"));
        say(format_args!(
            "hint: the catalogue has rows 001 to {last:03}"
        ));
        return Exit::NothingSelected;
    }
    let scenarios = match library::scenarios(args.suite.as_deref()) {
        Ok(scenarios) => scenarios,
        Err(exit) => return exit,
    };
    let mentions: Vec<Mention> = scenarios.iter().map(|one| Mention::from(&**one)).collect();
    let mistakes = catalogue.mistakes(&mentions);
    for mistake in &mistakes {
        say(format_args!("error: {mistake}"));
    }
    let lines = catalogue.lines(&mentions);
    let tally = Tally::of(&lines);
    let chosen: Vec<&Line<'_>> = lines
        .iter()
        .filter(|line| args.rows.is_empty() || args.rows.contains(&line.row.number))
        .filter(|line| {
            args.state.is_empty() || args.state.iter().any(|it| it.word() == line.state.word())
        })
        .collect();
    let verdicts = verdicts(args);
    match args.message_format {
        MessageFormat::Json => chosen.iter().for_each(|line| out(object(line, &verdicts))),
        MessageFormat::Human => out(table(&chosen, &verdicts)),
    }
    say(tally);
    if mistakes.is_empty() {
        Exit::Passed
    } else {
        Exit::InvalidFile
    }
}

/// The verdicts of the run folder; none when it can't be read, which is said.
fn verdicts(args: &CatalogueArgs) -> Verdicts {
    match Part::read(&args.run) {
        Ok(part) => part.verdicts().collect(),
        Err(error) => {
            say(format_args!("no verdicts: {error}"));
            say("hint: `clawproof run` writes store/latest; --run names another run folder");
            Verdicts::new()
        }
    }
}

/// `memory passed, loopback not run`.
fn standing(mention: &Mention, verdicts: &Verdicts) -> Vec<(String, String)> {
    let verdict = |world: &String| {
        let name = format!("{}::{world}", mention.id);
        let verdict = verdicts.get(&name).map_or("not run", String::as_str);
        (world.clone(), verdict.to_owned())
    };
    mention.worlds.iter().map(verdict).collect()
}

fn object(line: &Line<'_>, verdicts: &Verdicts) -> serde_json::Value {
    let row = line.row;
    let scenarios: Vec<serde_json::Value> = match &line.state {
        State::Covered(mentions) => mentions
            .iter()
            .map(|it| {
                let worlds: BTreeMap<_, _> = standing(it, verdicts).into_iter().collect();
                json!({"id": it.id, "verdicts": worlds})
            })
            .collect(),
        State::Tested(_) | State::Out(_) | State::Open => Vec::new(),
    };
    json!({
        "row": row.number,
        "title": row.title,
        "shard": row.shard.name(),
        "policy": row.policy.name(),
        "state": line.state.word(),
        "test": row.test,
        "reason": line.state.reason(),
        "scenarios": scenarios,
    })
}

fn table(chosen: &[&Line<'_>], verdicts: &Verdicts) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["row", "state", "policy", "what must be so", "shown by"]);
    for line in chosen {
        let shown = match &line.state {
            State::Covered(mentions) => mentions
                .iter()
                .map(|it| {
                    let worlds: Vec<String> = standing(it, verdicts)
                        .into_iter()
                        .map(|(world, verdict)| format!("{world} {verdict}"))
                        .collect();
                    format!("{}: {}", it.id, worlds.join(", "))
                })
                .collect::<Vec<_>>()
                .join("\n"),
            State::Tested(test) => (*test).to_owned(),
            State::Out(reason) => (*reason).to_owned(),
            State::Open => String::new(),
        };
        table.add_row([
            format!("{:03}", line.row.number),
            line.state.word().to_owned(),
            line.row.policy.name().to_owned(),
            line.row.title.clone(),
            shown,
        ]);
    }
    table
}
