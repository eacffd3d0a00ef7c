//! Options of the commands that make, check and show proof.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{MessageFormat, WorldArg, examples_and_exits};

/// Options of `prove`.
#[derive(Args, Debug, Clone)]
#[command(after_help = examples_and_exits(concat_examples!(
    "clawproof prove --base main --head HEAD setup-connect/auth/token     two revisions of this repository",
    "clawproof prove --base client:./old/adapter.toml --head client:./new/adapter.toml 'setup-connect/**'",
    "clawproof prove --base mutant:reuse_nonce --head companion network-recovery/closed-a-while-after-hello",
)))]
pub struct ProveArgs {
    /// Scenario ids or globs ('setup-connect/auth/*'), from the suite of the head
    #[arg(value_name = "SCENARIO", required = true)]
    pub patterns: Vec<String>,
    /// What must fail: a git revision, client:ADAPTER, mutant:NAME, or companion
    #[arg(long, value_name = "SUBJECT")]
    pub base: String,
    /// What must pass: the same kinds
    #[arg(long, value_name = "SUBJECT")]
    pub head: String,
    /// Folder of scenario files; the head's own when left out
    #[arg(long, value_name = "DIR")]
    pub suite: Option<PathBuf>,
    /// World to run in (may be repeated); by default each scenario's own
    #[arg(long, value_name = "WORLD", value_enum)]
    pub world: Vec<WorldArg>,
    /// Seed of both runs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Write the bundle to DIR, which must not exist
    #[arg(long, value_name = "DIR", default_value = "proof")]
    pub save: PathBuf,
    /// Where revisions are built [default: `CARGO_TARGET_DIR`, or target/prove of the repository]
    #[arg(long, value_name = "DIR")]
    pub target_dir: Option<PathBuf>,
}

/// Options of `verify`.
#[derive(Args, Debug, Clone)]
#[command(after_help = examples_and_exits(concat_examples!(
    "clawproof verify proof             a bundle of `clawproof prove`",
    "clawproof verify store/latest      a run folder",
    "clawproof verify recording.jsonl   a transcript of `clawproof record`: redacted, and every signature fits",
)))]
pub struct VerifyArgs {
    /// The folder, or a transcript
    #[arg(value_name = "BUNDLE")]
    pub bundle: PathBuf,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

/// Options of `gate`.
#[derive(Args, Debug, Clone)]
#[command(after_help = examples_and_exits(concat_examples!(
    "clawproof gate --require proofs.toml proof run-real    both folders must be of the commit that is checked out",
)))]
pub struct GateArgs {
    /// TOML file with `[[proof]]` tables: scenario, and if wanted world, gateway (mock or real), `red_first`
    #[arg(long, value_name = "FILE")]
    pub require: PathBuf,
    /// Commit under review [default: the one that is checked out]
    #[arg(long, value_name = "COMMIT")]
    pub commit: Option<String>,
    /// Run folders and bundles
    #[arg(value_name = "BUNDLE", required = true)]
    pub bundles: Vec<PathBuf>,
}

/// Options of `report`.
#[derive(Args, Debug, Clone)]
#[command(after_help = concat_examples!(
    "clawproof report store/latest                           one page that loads nothing, into report.html",
    "clawproof report proof --format mermaid --scenario head/scenarios/setup-connect/auth/token::memory",
    "clawproof report store/latest --format github           annotations and step summary in a workflow",
))]
pub struct ReportArgs {
    /// Run folder or bundle
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// What is made of it
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: ReportFormat,
    /// Where the page goes; a file that exists is not touched
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    pub save: PathBuf,
    /// The scenario, for mermaid, svg and plain: `ID::WORLD` or a part of it that fits one run
    #[arg(long, value_name = "SCENARIO")]
    pub scenario: Option<String>,
}

/// What a report is made as.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReportFormat {
    /// One page, to --save
    #[default]
    Html,
    /// A Mermaid sequence diagram of one scenario, on standard output
    Mermaid,
    /// A picture of one scenario, on standard output
    Svg,
    /// Plain text of one scenario, on standard output
    Plain,
    /// Workflow annotations on standard output, and the step summary
    Github,
}

/// Options of `redact-bench`.
#[derive(Args, Debug, Clone)]
#[command(after_help = examples_and_exits(concat_examples!(
    "clawproof redact-bench                 fails below recall 1.0 or above 1 % over-redaction",
    "clawproof redact-bench --each 100      more secrets",
    "clawproof redact-bench --rival .venv/bin/detect-secrets   what another tool finds in the same corpus",
)))]
pub struct RedactBenchArgs {
    /// Secrets in every dress and carrier
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub each: u16,
    /// Seed of the secrets
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The program of the Python package detect-secrets: it scans the same corpus, and its row stands beside ours
    #[arg(long, value_name = "PROGRAM")]
    pub rival: Option<PathBuf>,
    /// How the score is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

/// Options of `query`.
#[derive(Args, Debug, Clone)]
#[command(after_help = concat_examples!(
    "clawproof query failing                   red in the newest run that had it, and since when",
    "clawproof query flaky --store runs        red and green on one commit with one seed",
    "clawproof query history --scenario auth/token",
))]
pub struct QueryArgs {
    /// The question
    #[arg(value_name = "QUESTION", value_enum)]
    pub what: QueryWhat,
    /// Folder of run folders
    #[arg(long, value_name = "DIR", default_value = "store")]
    pub store: PathBuf,
    /// Part of a scenario's name, for history
    #[arg(long, value_name = "SCENARIO")]
    pub scenario: Option<String>,
}

/// Questions to a folder of runs.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryWhat {
    /// Red in the newest run that had it
    Failing,
    /// Red and green on one commit with one seed
    Flaky,
    /// What took longest in its newest run
    Slowest,
    /// Every run of a scenario
    History,
}
