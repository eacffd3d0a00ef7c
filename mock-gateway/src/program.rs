//! The gateway for hand work as a program: its command line, its log, how it ends. `mock-gateway` is that and nothing else;
//! `clawproof serve` is the same inside a larger program.

use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;

use gateway_protocol::SharedToken;
use tracing_subscriber::EnvFilter;

use crate::keeper::StateError;
use crate::serve::{ServeError, ServeOptions};

/// What both programs are told.
#[derive(clap::Args, Debug, Clone)]
pub struct GatewayArgs {
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub port: u16,
    /// Shared token that clients must send; a random one when left out
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,
    /// Gateway version to behave as
    #[arg(long, value_name = "VERSION")]
    pub profile: Option<String>,
    /// Keep paired devices, requests, setup codes and nodes in DIR, so that they outlive the process
    #[arg(long, value_name = "DIR")]
    pub state: Option<PathBuf>,
    /// Configuration in the real gateway's keys (JSON, comments allowed); keys without effect on the mock are named
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One key of the configuration, laid over the file; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Milliseconds from the upgrade to a finished connect; the variable `OPENCLAW_HANDSHAKE_TIMEOUT_MS` says the same
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    pub handshake_timeout: Option<u64>,
    /// Serve the files of a real Control UI: dist/control-ui of the npm package openclaw
    #[arg(long, value_name = "DIR")]
    pub control_ui: Option<PathBuf>,
    /// Listen two ports above the gateway as its browser control service (without a browser)
    #[arg(long)]
    pub browser_control: bool,
    /// Write the redacted transcript into DIR while running
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
}

impl GatewayArgs {
    /// The same for [`crate::serve()`], which prints where it is to `out`.
    pub fn options(&self, out: Box<dyn Write + Send>) -> ServeOptions {
        let mut options = ServeOptions::new(out);
        options.port = self.port;
        options.token = self.token.clone().map(SharedToken::new);
        options.save.clone_from(&self.save);
        options.state.clone_from(&self.state);
        options.config_file.clone_from(&self.config);
        options.set.clone_from(&self.set);
        options.control_ui.clone_from(&self.control_ui);
        options.browser_control = self.browser_control;
        options.handshake_timeout_ms = self.handshake_timeout.or_else(handshake_timeout);
        if let Some(profile) = &self.profile {
            options.profile.clone_from(profile);
        }
        options
    }
}

/// What the real gateway reads from its environment; anything but a positive number counts as absent there too.
fn handshake_timeout() -> Option<u64> {
    let text = std::env::var("OPENCLAW_HANDSHAKE_TIMEOUT_MS").ok()?;
    text.trim().parse().ok().filter(|ms| *ms > 0)
}

/// The number that the process ends with, as `clawproof --help` lists them.
pub const fn exit_code(error: &ServeError) -> u8 {
    match error {
        ServeError::UnknownProfile { .. }
        | ServeError::Settings(_)
        | ServeError::ControlUi { .. } => 2,
        ServeError::State(StateError::Parse { .. }) => 20,
        ServeError::PortInUse { .. }
        | ServeError::Bind { .. }
        | ServeError::State(StateError::InUse { .. }) => 22,
        ServeError::TranscriptExists { .. }
        | ServeError::CreateTranscript { .. }
        | ServeError::State(StateError::Read { .. } | StateError::Write { .. })
        | ServeError::Save(_) => 30,
        ServeError::Random(_)
        | ServeError::SetupCode(_)
        | ServeError::Print(_)
        | ServeError::Signals(_) => 1,
    }
}

/// The live log on stderr: what happens on the wire, in words.
pub fn log() {
    let filter = EnvFilter::try_from_env("CLAWPROOF_LOG")
        .unwrap_or_else(|_unset| EnvFilter::new("gateway=info,warn"));
    let colour = std::env::var_os("NO_COLOR").is_none() && std::io::stderr().is_terminal();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(colour)
        .compact()
        .finish();
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("somebody logs already");
    }
}
