//! Options of the commands that keep a conversation and use it again.

use std::path::PathBuf;

use clap::Args;

/// Options of `record`.
#[derive(Args, Debug, Clone)]
#[command(after_help = concat_examples!(
    "clawproof record --to ws://127.0.0.1:18789                      a free port, into recording.jsonl",
    "clawproof record --to ws://127.0.0.1:18789 --listen 127.0.0.1:18790 --save pairing.jsonl",
))]
pub struct RecordArgs {
    /// The gateway: ws://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub to: String,
    /// Where the client connects; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub listen: std::net::SocketAddr,
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
