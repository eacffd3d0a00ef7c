//! The command `clawproof`.
//!
//! | module | content |
//! |---|---|
//! | [`args`] | the command line as types, with help texts that teach |
//! | [`exit`] | the documented exit codes |
//! | `run` `list` `check` `serve` `record` `fetch` `explain` `new` `merge` | one command each |
//! | `replay` `distill` `import` | one command each, for what was recorded |
//! | `conform` `clients` `setup` `prove` `verify` `gate` `report` `query` `redact_bench` | one command each |
//! | `catalogue` `explore` `museum` `matrix` `cutpoints` `coverage` `trust` | one command each |
//! | `client` | `run --client`: finds the client, shows that it starts, prints its table |
//! | `library` | reads the suite once for all of them |
//! | `print` `progress` | data on stdout, the rest on stderr, a bar on terminals only |

pub mod args;
pub mod catalogue;
mod check;
mod client;
mod clients;
mod conform;
pub mod coverage;
pub mod cutpoints;
mod distill;
pub mod exit;
mod explain;
pub mod explore;
mod fetch;
mod gate;
mod import;
mod library;
mod list;
pub mod matrix;
mod merge;
pub mod museum;
mod new;
mod print;
mod progress;
mod prove;
mod query;
mod record;
mod redact_bench;
mod replay;
mod report;
mod run;
mod serve;
mod setup;
mod stop;
pub mod trust;
mod verify;

use std::ffi::OsString;

use clap::{CommandFactory as _, Parser as _};

use args::{Cli, Command};
pub use exit::Exit;

/// Runs one command line and says how it ended. Prints; never ends the process.
pub fn main<I, T>(arguments: I) -> Exit
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let asked_for = !error.use_stderr();
            if let Err(error) = error.print() {
                tracing::debug!(%error, "nobody reads");
            }
            return if asked_for { Exit::Passed } else { Exit::Usage };
        }
    };
    match cli.command {
        None => run::run(&cli.run),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::List(args)) => list::list(&args),
        Some(Command::Check(args)) => check::check(&args),
        Some(Command::Serve(args)) => serve::serve(&args),
        Some(Command::Record(args)) => record::record(&args),
        Some(Command::Replay(args)) => replay::replay(&args),
        Some(Command::Distill(args)) => distill::distill(&args),
        Some(Command::Import(args)) => import::import(&args),
        Some(Command::Fetch(args)) => fetch::fetch(&args),
        Some(Command::Explain(args)) => explain::explain(&args),
        Some(Command::New(args)) => new::new(&args),
        Some(Command::Prove(args)) => prove::prove(&args),
        Some(Command::Verify(args)) => verify::verify(&args),
        Some(Command::Gate(args)) => gate::gate(&args),
        Some(Command::RedactBench(args)) => redact_bench::redact_bench(&args),
        Some(Command::Report(args)) => report::report(&args),
        Some(Command::Query(args)) => query::query(&args),
        Some(Command::Merge(args)) => merge::merge(&args),
        Some(Command::Conform(args)) => conform::conform(&args),
        Some(Command::Clients(args)) => clients::clients(&args),
        Some(Command::Setup(args)) => setup::setup(&args),
        Some(Command::Catalogue(args)) => catalogue::catalogue(&args),
        Some(Command::Trust(args)) => trust::trust(&args),
        Some(Command::Explore(args)) => explore::explore(&args),
        Some(Command::Museum(args)) => museum::museum(&args),
        Some(Command::Matrix(args)) => matrix::matrix(&args),
        Some(Command::Cutpoints(args)) => cutpoints::cutpoints(&args),
        Some(Command::Coverage(args)) => coverage::coverage(&args),
    }
}

/// The command line for generated documentation.
pub fn command() -> clap::Command {
    Cli::command()
}
