//! Checks and chores of the workspace: `cargo xtask test | check | shard | tidy | ledger | clients | generate`.
//!
//! - [`tests`]: everything that can be executed, and one closing line with the real counts.
//! - [`needs`]: what tests need of the machine, and which are left out where it is missing.
//! - [`check`]: what CI runs before the tests: format, lints, docs, tidy, generated files.
//! - [`tidy`]: the house rules that no compiler knows.
//! - [`ledger`]: every row of the registries, and where it is shown.
//! - [`shard`]: shards of the suite through the command line, gated.
//! - [`generate`]: the reference pages under `docs/reference`, made from the registries.
//!
//! CI calls the same commands (`ci/run`), so a green check here is a green check there.

mod check;
mod counts;
mod error;
mod generate;
mod ledger;
mod needs;
mod process;
mod schema;
mod shard;
mod tests;
mod tidy;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::XtaskError;

/// Checks and chores of the clawproof workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Run every test: nextest over the workspace, then the doc tests. Ends with the counts.
    Test {
        /// The nextest profile, see .config/nextest.toml. [default: ci when CI is set]
        #[arg(long)]
        profile: Option<String>,
    },
    /// Run what CI runs before the tests: format, lints, docs, tidy, generated files.
    Check,
    /// Run shards of the suite and compare what ran with their manifests in scenarios/shards. Ends with 0 (green), 1 (a
    /// scenario failed), 2 (the gate is shut) or 3 (the harness broke).
    Shard {
        /// setup-connect, revocation-recovery or network-recovery.
        #[arg(required = true)]
        names: Vec<String>,
        /// Keep the run folder here; one that is there already is replaced.
        #[arg(long, value_name = "DIR")]
        save: Option<PathBuf>,
    },
    /// Check the house rules that no compiler knows.
    Tidy,
    /// List every row of the registries with the scenarios, tests, recordings and code that name it, and the gaps.
    Ledger,
    /// Write docs/reference/clients.md from the tables (*.json) that `bash ci/run clients` leaves in a folder.
    Clients {
        /// target/ci/clients, after that lane.
        folder: PathBuf,
    },
    /// Write the reference pages under docs/reference from the registries in the code.
    Generate {
        /// Write nothing; fail when a page is not what would be written.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed standard error leaves the exit code to tell the story.
            writeln!(std::io::stderr(), "error: {error}").ok();
            ExitCode::from(error.code())
        }
    }
}

fn run(cli: &Cli) -> Result<(), XtaskError> {
    let root = workspace_root();
    match &cli.chore {
        Chore::Test { profile } => tests::run(&root, profile.as_deref()),
        Chore::Check => check::run(&root),
        Chore::Shard { names, save } => shard::run(&root, names, save.as_deref()),
        Chore::Tidy => tidy::run(&root),
        Chore::Ledger => ledger::run(&root),
        Chore::Clients { folder } => generate::clients::run(&root, folder),
        Chore::Generate { check } => generate::run(&root, *check),
    }
}

/// The folder of the workspace's `Cargo.toml`.
fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Writes one line for people to standard error.
fn say(text: &str) -> Result<(), XtaskError> {
    writeln!(std::io::stderr(), "{text}").map_err(XtaskError::Print)
}

/// Writes one line of result to standard output.
fn print(text: &str) -> Result<(), XtaskError> {
    writeln!(std::io::stdout(), "{text}").map_err(XtaskError::Print)
}
