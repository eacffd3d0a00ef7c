//! The command line as types. Every help text teaches with an example.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::exit::Exit;
use crate::scenario::{BackEnd, OpenClaw};

/// Examples under a help text, one per line.
macro_rules! concat_examples {
    ($($line:literal),+ $(,)?) => {
        concat!("Examples:", $("\n  ", $line),+)
    };
}

mod conversation;
mod proof;
mod setup;

pub use conversation::{DistillArgs, ImportArgs, RecordArgs, ReplayArgs, ReplayAs};
pub use proof::{
    GateArgs, ProveArgs, QueryArgs, QueryWhat, RedactBenchArgs, ReportArgs, ReportFormat,
    VerifyArgs,
};
pub use setup::SetupArgs;

/// The top level ends with the exit codes as well.
fn examples_and_exits(examples: &str) -> String {
    format!("{examples}\n\n{}", Exit::table().trim_end())
}

/// End-to-end tests for clients of the OpenClaw gateway.
///
/// Without a command, runs the whole suite against the embedded mock gateway.
#[derive(Parser, Debug)]
#[command(
    name = "clawproof",
    version,
    propagate_version = true,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = examples_and_exits(concat_examples!(
        "clawproof                                   run the whole suite",
        "clawproof run 'setup-connect/**'            run a shard's folder",
        "clawproof run --world loopback --seed 7     the same over TCP, with this seed",
        "clawproof list --needs role:node            what there is for nodes",
        "clawproof serve --port 18789                a mock gateway to point your client at",
        "clawproof explain PAIRING_REQUIRED          what a code means and who shows it",
    ))
)]
pub struct Cli {
    /// What to do; `run` when left out.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `run`, for when no command is given.
    #[command(flatten)]
    pub run: RunArgs,
}

/// The commands.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run scenarios and judge them (the default)
    Run(Box<RunArgs>),
    /// List scenarios with their title, worlds and needs
    List(ListArgs),
    /// Read scenario files and report every mistake with its place
    Check(CheckArgs),
    /// Run the mock gateway until Ctrl-C, for a client of your own
    Serve(Box<ServeArgs>),
    /// Stand between a client and a gateway, change nothing, and write a redacted transcript of what is said
    Record(RecordArgs),
    /// Play a recording again, as the gateway or as the client, with the other half live
    Replay(Box<ReplayArgs>),
    /// Turn a recording into a scenario file to edit
    Distill(DistillArgs),
    /// Turn HAR files, diagnostics and gateway logs into a transcript
    Import(ImportArgs),
    /// Bring the real programs that some commands need, pinned, into a cache
    Fetch(FetchArgs),
    /// Explain an error code, close code, invariant, fault, exit code, gateway release or scenario
    Explain(ExplainArgs),
    /// Write a new scenario file from a template
    New(NewArgs),
    /// Run scenarios on a base and on a head, demand red then green, and write the bundle that shows it
    Prove(ProveArgs),
    /// Check a bundle or run folder offline: digests, redaction, every verdict judged again
    Verify(VerifyArgs),
    /// Fail unless every required proof was shown on this commit
    Gate(GateArgs),
    /// Show what a run left behind: one HTML page, a picture or diagram of a scenario, GitHub annotations
    Report(ReportArgs),
    /// Measure redaction: planted secrets in many encodings, and what else is lost
    RedactBench(RedactBenchArgs),
    /// Ask a folder of runs: failing, flaky, slowest, the history of a scenario
    Query(QueryArgs),
    /// Put the runs of several shards together and check that they are the whole plan
    Merge(MergeArgs),
    /// Play wire-level flows against the mock and against the real gateway, and compare
    Conform(Box<ConformArgs>),
    /// List the clients that `run --client` knows, with their versions and what they can do
    Clients(ClientsArgs),
    /// Set a gateway up in a distro of the stand-in for WSL, or take it away again
    Setup(Box<SetupArgs>),
    /// List what the field asks of a client, the scenarios that show it, and how they last ended
    Catalogue(super::catalogue::CatalogueArgs),
    /// Tell of each class of secret when it first crossed the wire, and what had been proven by then
    Trust(super::trust::TrustArgs),
    /// Run drawn flows until one fails, and write the find as a scenario file
    Explore(super::explore::ExploreArgs),
    /// Show that each bug the field has seen would be caught
    Museum(super::museum::MuseumArgs),
    /// Try every combination of what a client holds and what its gateway remembers
    Matrix(super::matrix::MatrixArgs),
    /// Cut one scenario at every frame, and say which cuts strand its client
    Cutpoints(super::cutpoints::CutpointsArgs),
    /// Run the suite and count what of the protocol it touches
    Coverage(super::coverage::CoverageArgs),
}

/// Where scenarios come from and which of them are meant.
#[derive(Args, Debug, Clone, Default)]
pub struct Selection {
    /// Scenario ids, globs ('setup-connect/**', '*/auth/*') or shard names; everything when left out
    #[arg(value_name = "SCENARIO")]
    pub patterns: Vec<String>,
    /// Only scenarios that need this capability, e.g. role:node (may be repeated)
    #[arg(long, value_name = "CAPABILITY")]
    pub needs: Vec<String>,
    /// Only scenarios whose `about` contains this text, e.g. '#845'
    #[arg(long, value_name = "TEXT")]
    pub about: Option<String>,
    /// Folder of scenario files; the repository's suite, or the copy inside this program
    #[arg(long, value_name = "DIR")]
    pub suite: Option<PathBuf>,
}

/// Whose OpenClaw a set-up installs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OpenClawArg {
    /// Ours, over the mock gateway
    Mock,
    /// The real one from npm
    Real,
}

impl From<OpenClawArg> for OpenClaw {
    fn from(arg: OpenClawArg) -> Self {
        match arg {
            OpenClawArg::Mock => Self::Mock,
            OpenClawArg::Real => Self::Real,
        }
    }
}

/// What distros are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DistrosArg {
    /// Namespaces of this machine
    Namespaces,
    /// Containers with a systemd of their own
    Containers,
}

impl From<DistrosArg> for BackEnd {
    fn from(arg: DistrosArg) -> Self {
        match arg {
            DistrosArg::Namespaces => Self::Namespaces,
            DistrosArg::Containers => Self::Containers,
        }
    }
}

/// Options of `run`.
#[derive(Args, Debug, Clone, Default)]
#[command(after_help = examples_and_exits(concat_examples!(
    "clawproof run                                      everything, each scenario in its default worlds",
    "clawproof run setup-connect/auth/token --seed 7    one scenario, one seed, the same bytes every time",
    "clawproof run --shard network-recovery             one named shard",
    "clawproof run --shard 2/4                          the second of four equal parts",
    "clawproof run --shard 2/4 --durations store/latest  parts that took equally long in the last run",
    "clawproof run --world loopback --save proof        over TCP, run folder in ./proof",
    "clawproof run --world real --gateway-version 2026.9.6   against OpenClaw's own gateway",
    "clawproof run --world wsl --openclaw real setup-connect/set-up/is-the-same-whoever-made-openclaw   the real one in the distro",
    "clawproof run --client openclaw-node-host          somebody else's client, see `clawproof clients`",
)))]
pub struct RunArgs {
    /// Which scenarios.
    #[command(flatten)]
    pub selection: Selection,
    /// World to run in (may be repeated); by default each scenario's own
    #[arg(long, value_name = "WORLD", value_enum)]
    pub world: Vec<WorldArg>,
    /// Release of the real gateway, for --world real
    #[arg(long, value_name = "RELEASE", default_value = crate::real::RELEASES[0])]
    pub gateway_version: String,
    /// Whose OpenClaw every set-up of the world wsl installs, instead of the scenario's own word
    #[arg(long, value_name = "WHOSE", value_enum)]
    pub openclaw: Option<OpenClawArg>,
    /// What the distros of the world wsl are, instead of the scenario's own word
    #[arg(long, value_name = "KIND", value_enum)]
    pub distros: Option<DistrosArg>,
    /// Seed for every id, nonce and key; printed with every run
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// One part: a shard's name, or K/N for the K-th of N equal parts
    #[arg(long, value_name = "SHARD")]
    pub shard: Option<String>,
    /// Deal K/N by what an earlier run took: its run folder, or its durations.json
    #[arg(long, value_name = "PATH", requires = "shard")]
    pub durations: Option<PathBuf>,
    /// Write the run folder to DIR, which must not exist [default: store/RUN-ID]
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// Write no run folder
    #[arg(long, conflicts_with = "save")]
    pub no_save: bool,
    /// How results are printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
    /// Write a JUnit report to FILE as well
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Check every frame against the published schema: `auto` where it was fetched, `on` or nothing runs, `off` never
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    pub referee: RefereeArg,
    /// Print the SHA-256 digest of every transcript
    #[arg(long)]
    pub digest: bool,
    /// Client under test: an adapter's NAME or NAME@VERSION (`clawproof clients`), the path of an adapter.toml, or the
    /// address of a companion's tools (http://127.0.0.1:PORT/mcp, with --client-token-file)
    #[arg(long, value_name = "CLIENT")]
    pub client: Option<String>,
    /// File with the bearer token of the tools that --client names by their address
    #[arg(long, value_name = "FILE", requires = "client")]
    pub client_token_file: Option<PathBuf>,
    /// Which companion our client behaves like where a scenario does not say it: `both` runs such a scenario twice, the
    /// second time as ID@pr741
    #[arg(long, value_enum, value_name = "POLICY", conflicts_with = "client")]
    pub policy: Option<PolicyArg>,
    /// Give our client a deliberate bug, to see what a scenario catches (`reuse_nonce`, `pairing_storm`, ...)
    #[arg(long, value_name = "NAME", conflicts_with = "client")]
    pub mutant: Option<String>,
    /// Let ticks, expiries, lockouts and retry hints come this many times sooner, and the script's lapses and silences end
    /// so: ten minutes of a setup code are ten seconds with 60
    #[arg(long, value_name = "TIMES", requires = "client", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub time_scale: Option<u32>,
    /// Write the conformance table of --client to FILE (.json, .md, or plain text; may be repeated)
    #[arg(long, value_name = "FILE", requires = "client")]
    pub table: Vec<PathBuf>,
    /// Scenarios that run at the same time [default: one per core; with --client, six]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
    /// End after this many seconds: what runs is ended, nothing else begins, what was finished is reported
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub time_limit: Option<u64>,
}

/// The companions of a run.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyArg {
    /// As of pull request 741
    Pr741,
    /// As of today
    Hardened,
    /// One after the other
    Both,
    /// As of today, and every credential must have what it has to wait for (see `clawproof trust`)
    Strict,
}

impl PolicyArg {
    /// The word of the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pr741 => "pr741",
            Self::Hardened => "hardened",
            Self::Both => "both",
            Self::Strict => "strict",
        }
    }
}

/// Options of `clients`.
#[derive(Args, Debug, Clone)]
#[command(after_help = concat_examples!(
    "clawproof clients                                    every adapter",
    "clawproof run --client openclaw-node-host@2026.9.6   run the scenarios that it can do",
    "clawproof run --client ./my-client/adapter.toml      a client of your own",
))]
pub struct ClientsArgs {
    /// How the list is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

/// Options of `list`.
#[derive(Args, Debug, Clone)]
#[command(after_help = concat_examples!(
    "clawproof list                          every scenario",
    "clawproof list 'revocation-recovery/**' one folder",
    "clawproof list --message-format json    for a program",
))]
pub struct ListArgs {
    /// Which scenarios.
    #[command(flatten)]
    pub selection: Selection,
    /// One part: a shard's name, or K/N
    #[arg(long, value_name = "SHARD")]
    pub shard: Option<String>,
    /// How the list is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

/// Options of `check`.
#[derive(Args, Debug, Clone)]
#[command(after_help = concat_examples!(
    "clawproof check                          the whole suite",
    "clawproof check my-case.toml             one file of your own",
))]
pub struct CheckArgs {
    /// Scenario files or folders; the whole suite when left out
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Folder of scenario files
    #[arg(long, value_name = "DIR")]
    pub suite: Option<PathBuf>,
}

/// Options of `serve`.
#[derive(Args, Debug, Clone)]
#[command(after_help = concat_examples!(
    "clawproof serve                                     any free port, a fresh token",
    "clawproof serve --port 18789 --token secret         what a client of yours expects",
    "clawproof serve --profile 2026.9.6                  behave as that gateway version",
    "clawproof serve --config openclaw.json              the real gateway's configuration",
    "clawproof serve --set gateway.auth.mode=password    one key of it",
))]
pub struct ServeArgs {
    /// What the program `mock-gateway` takes too.
    #[command(flatten)]
    pub serve: mock_gateway::program::GatewayArgs,
    /// TOML file with what the agent says to chat messages (`[[turn]]` tables); it echoes when left out
    #[arg(long, value_name = "FILE")]
    pub agent_script: Option<PathBuf>,
}

/// Options of `fetch`.
#[derive(Args, Debug, Clone)]
#[command(after_help = concat_examples!(
    "clawproof fetch --list                what there is, and what is there already",
    "clawproof fetch                       everything that runs on this machine",
    "clawproof fetch gateway-2026.9.6      the real gateway of that release, and the node that it needs",
    "CLAWPROOF_CACHE=cache clawproof fetch schema   into a folder of your own",
))]
pub struct FetchArgs {
    /// Names of components; everything when left out
    #[arg(value_name = "NAME")]
    pub components: Vec<String>,
    /// Only list them; uses no network
    #[arg(long)]
    pub list: bool,
    /// How the list is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

/// Options of `explain`.
#[derive(Args, Debug, Clone)]
#[command(after_help = concat_examples!(
    "clawproof explain AUTH_TOKEN_MISMATCH     an error code",
    "clawproof explain 1012                    a close code",
    "clawproof explain seq_only_grows          an invariant",
    "clawproof explain blackhole               a fault",
    "clawproof explain 22                      an exit code",
    "clawproof explain 2026.9.6                a gateway release: what clients notice, and how that is known",
))]
pub struct ExplainArgs {
    /// A code, name or scenario id
    #[arg(value_name = "WORD")]
    pub word: String,
    /// Folder of scenario files
    #[arg(long, value_name = "DIR")]
    pub suite: Option<PathBuf>,
}

/// Options of `merge`.
#[derive(Args, Debug, Clone)]
#[command(after_help = examples_and_exits(concat_examples!(
    "clawproof merge part-1 part-2 part-3      the folders of `run --shard 1/3 --save part-1` and so on",
)))]
pub struct MergeArgs {
    /// Run folders, one for each part of the plan
    #[arg(value_name = "RUN", required = true)]
    pub folders: Vec<PathBuf>,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

/// Options of `new`.
#[derive(Args, Debug, Clone)]
#[command(after_help = concat_examples!(
    "clawproof new setup-connect/auth/my-case   writes setup-connect/auth/my-case.toml into the suite",
))]
pub struct NewArgs {
    /// Id of the scenario: its path in the suite without .toml
    #[arg(value_name = "ID")]
    pub id: String,
    /// Folder of scenario files
    #[arg(long, value_name = "DIR")]
    pub suite: Option<PathBuf>,
}

/// Options of `conform`.
#[derive(Args, Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of its own on the command line"
)]
#[command(after_help = examples_and_exits(concat_examples!(
    "clawproof conform                                    mock of every version against what the real gateway said",
    "clawproof conform 'auth/*' --profile 2026.9.6        some flows, one version",
    "clawproof conform --list                             the flows, and what each shows",
    "clawproof conform --against real                     the real gateway, started here, against its own golden records",
    "clawproof conform --url ws://127.0.0.1:18789 --token T    a gateway that runs already",
)))]
pub struct ConformArgs {
    /// Flow ids or globs ('auth/*'); all when left out
    #[arg(value_name = "FLOW")]
    pub patterns: Vec<String>,
    /// Gateway version (may be repeated); every profile when left out
    #[arg(long, value_name = "VERSION")]
    pub profile: Vec<String>,
    /// Whose answers are compared with the golden records
    #[arg(long, value_enum, default_value_t, value_name = "GATEWAY")]
    pub against: Against,
    /// URL of a gateway that runs already; its configuration must be the flows' own
    #[arg(long, value_name = "URL", requires = "token")]
    pub url: Option<String>,
    /// Shared token of the gateway at --url
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Name of the configuration that the gateway at --url has
    #[arg(long, value_name = "NAME", default_value = "base")]
    pub config: String,
    /// Command that prints a setup code of the gateway at --url, as `openclaw qr --json --no-ascii --url URL` does
    #[arg(long, value_name = "COMMAND", requires = "url")]
    pub mint: Option<String>,
    /// List the flows instead of playing them
    #[arg(long)]
    pub list: bool,
    /// Also play flows that take minutes of real time
    #[arg(long)]
    pub slow: bool,
    /// Write what was heard as golden records, in place of comparing
    #[arg(long)]
    pub record: bool,
    /// Print every record as it was compared
    #[arg(long)]
    pub show: bool,
    /// Folder of flows; the repository's, or the copy inside this program
    #[arg(long, value_name = "DIR")]
    pub flows: Option<PathBuf>,
    /// How outcomes are printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

/// Gateways that can be compared.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Against {
    /// The mock, against golden records of the real gateway
    #[default]
    Mock,
    /// The real gateway and the mock side by side
    Real,
}

/// Worlds that can be asked for by name.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorldArg {
    /// The two pure cores in one loop, virtual time, no sockets
    Core,
    /// The real server and client over in-memory streams, virtual time
    Memory,
    /// The same over TCP on 127.0.0.1, real time
    Loopback,
    /// OpenClaw's own gateway, fetched before with `clawproof fetch`, real time
    Real,
    /// Set-ups over namespaces of this machine, with real processes, real time
    Wsl,
}

/// When frames are checked against the published schema.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefereeArg {
    /// Where the schema was fetched
    #[default]
    Auto,
    /// Always: nothing runs without the schema
    On,
    /// Never
    Off,
}

/// How output is printed.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageFormat {
    /// For people
    #[default]
    Human,
    /// One JSON object per line, for programs
    Json,
}
