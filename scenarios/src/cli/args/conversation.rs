//! Options of the commands that keep a conversation and use it again.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{MessageFormat, examples_and_exits};

/// Options of `record`.
#[derive(Args, Debug, Clone)]
#[command(after_help = concat_examples!(
    "clawproof record --to ws://127.0.0.1:18789                      a free port, into recording.jsonl",
    "clawproof record --to ws://127.0.0.1:18789 --listen 127.0.0.1:18790 --save pairing.jsonl",
    "clawproof record --to wss://gateway.example --tls-ca ca.pem     the client trusts ca.pem and connects to wss://",
    "clawproof record --to wss://127.0.0.1:18789 --to-pin AB:CD:...  a gateway with a certificate of its own making",
))]
pub struct RecordArgs {
    /// The gateway: `ws://HOST:PORT`, or `wss://HOST[:PORT]`
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Roots that vouch for a wss gateway, as PEM; this computer's own when left out
    #[arg(long, value_name = "FILE", conflicts_with = "to_pin")]
    pub to_ca: Option<PathBuf>,
    /// The one certificate that a wss gateway must have: its SHA-256, as openssl prints it
    #[arg(long, value_name = "SHA256")]
    pub to_pin: Option<String>,
    /// Where the client connects; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
    /// Speak TLS with clients that begin it, on the same port, and write the CA that they must trust to FILE, which must not
    /// exist. Its key is made for this recording and never written
    #[arg(long, value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// A name that clients know the port by, besides localhost and the address of --listen (may be repeated)
    #[arg(long, value_name = "HOST", requires = "tls_ca")]
    pub tls_name: Vec<String>,
    /// The transcript, written line by line as things are said; a file that exists is not touched
    #[arg(long, value_name = "FILE", default_value = "recording.jsonl")]
    pub save: PathBuf,
    /// A secret to keep out of the transcript wherever it turns up; those of the protocol are known (may be repeated)
    #[arg(long, value_name = "TEXT")]
    pub secret: Vec<String>,
    /// Seed of the synthetic devices that stand in the transcript instead of the real ones
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Options of `replay`.
#[derive(Args, Debug, Clone)]
#[command(after_help = examples_and_exits(concat_examples!(
    "clawproof replay pairing.jsonl --as client --to ws://127.0.0.1:18789 --token secret   against a gateway",
    "clawproof replay pairing.jsonl --as server --listen 127.0.0.1:18789                   for a client",
    "clawproof replay pairing.jsonl --as server --pace kept --strict                       as slowly, and nothing may differ",
)))]
pub struct ReplayArgs {
    /// A transcript, or what `import` reads
    #[arg(value_name = "TRANSCRIPT")]
    pub transcript: PathBuf,
    /// Which half is played
    #[arg(long = "as", value_enum, value_name = "SIDE")]
    pub side: ReplayAs,
    /// The gateway, for --as client: ws://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// Where the client connects, for --as server; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
    /// Shared token of the live gateway, in place of the recorded one
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Password of the live gateway, in place of the recorded one
    #[arg(long, value_name = "PASSWORD")]
    pub password: Option<String>,
    /// A setup code of the live gateway, in place of one that the recording does not show being minted
    #[arg(long, value_name = "CODE")]
    pub setup_code: Option<String>,
    /// What stands for a recorded text (may be repeated)
    #[arg(long, value_name = "RECORDED=LIVE")]
    pub bind: Vec<String>,
    /// When things are said: dropped (at once), kept, or the recorded time so many times over
    #[arg(long, value_name = "PACE", default_value = "dropped")]
    pub pace: String,
    /// List each binding, and fail on every value that is neither bound nor equal
    #[arg(long)]
    pub strict: bool,
    /// Seconds that the other half may take for one message
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub patience: u64,
    /// Seed of the devices, for --as client, and of the nonces, for --as server
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// `Origin` header, for --as client
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Option<String>,
    /// How the outcome is printed
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub message_format: MessageFormat,
}

/// The halves of a conversation.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayAs {
    /// We are the gateway, a client connects to us
    Server,
    /// We are the client and connect to a gateway
    Client,
}

/// Options of `import`.
#[derive(Args, Debug, Clone)]
#[command(after_help = examples_and_exits(concat_examples!(
    "clawproof import page.har --save page.jsonl                         what a browser saved",
    "clawproof import page.har gateway.log timeline.jsonl --save all.jsonl   on one time axis",
    "clawproof import page.har gateway.log --offset gateway.log=-250     its clock is 250 ms ahead",
)))]
pub struct ImportArgs {
    /// HAR files with WebSocket messages, diagnostics JSONL of the companion, logs of `openclaw gateway --ws-log full`,
    /// recordings, transcripts
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The transcript to write; a file that exists is not touched
    #[arg(long, value_name = "FILE", default_value = "imported.jsonl")]
    pub save: PathBuf,
    /// Milliseconds to add to the times of a file (may be repeated); found by common challenges or clocks when left out
    #[arg(long, value_name = "FILE=MS", allow_hyphen_values = true)]
    pub offset: Vec<String>,
    /// A secret to keep out of the transcript wherever it turns up (may be repeated)
    #[arg(long, value_name = "TEXT")]
    pub secret: Vec<String>,
    /// Seed of the synthetic devices that stand in the transcript instead of the real ones
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Options of `distill`.
#[derive(Args, Debug, Clone)]
#[command(after_help = examples_and_exits(concat_examples!(
    "clawproof distill pairing.jsonl --save suite/network-recovery/my-bug.toml",
    "clawproof distill pairing.jsonl --state data --save suite/network-recovery/my-bug.toml   begins as the user began",
)))]
pub struct DistillArgs {
    /// A transcript, or what `import` reads
    #[arg(value_name = "TRANSCRIPT")]
    pub transcript: PathBuf,
    /// The scenario file to write; one that exists is not touched
    #[arg(
        short = 'o',
        long,
        value_name = "FILE",
        default_value = "scenario.toml"
    )]
    pub save: PathBuf,
    /// A companion's data folder (gateways.json and identities): the scenario begins in that state, and a copy of the
    /// files without secrets is written beside it
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Seed of the synthetic devices in that copy
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}
