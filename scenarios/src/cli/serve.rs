//! `clawproof serve`: the mock gateway, for a client of your own.

use std::io::IsTerminal as _;
use std::path::Path;

use gateway_core::AgentScript;
use gateway_protocol::SharedToken;
use mock_gateway::{ServeError, ServeOptions};
use tracing_subscriber::EnvFilter;

use super::args::ServeArgs;
use super::exit::Exit;
use super::print::{colour, fail, say};
use crate::scenario::{lower, parse_agent};

pub(super) fn serve(args: &ServeArgs) -> Exit {
    log();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let mut options = ServeOptions::new(Box::new(std::io::stdout()));
    options.port = args.port;
    options.token = args.token.clone().map(SharedToken::new);
    options.save.clone_from(&args.save);
    options.config_file.clone_from(&args.config);
    options.set.clone_from(&args.set);
    options.control_ui.clone_from(&args.control_ui);
    options.browser_control = args.browser_control;
    options.handshake_timeout_ms = args.handshake_timeout.or_else(handshake_timeout);
    if let Some(profile) = &args.profile {
        options.profile.clone_from(profile);
    }
    if let Some(path) = &args.agent_script {
        match agent_script(path) {
            Ok(script) => options.agent = script,
            Err(exit) => return exit,
        }
    }
    options.catalog = crate::referee::standing().catalog();
    match runtime.block_on(mock_gateway::serve(options)) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            fail(&error, error.hint().as_deref());
            exit_of(&error)
        }
    }
}

/// What drives a command that serves; that there is none has been told.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Exit> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(|error| {
        fail(&error, None);
        Exit::HarnessBroke
    })
}

/// What the real gateway reads from its environment; anything but a positive number counts as absent there too.
fn handshake_timeout() -> Option<u64> {
    let text = std::env::var("OPENCLAW_HANDSHAKE_TIMEOUT_MS").ok()?;
    text.trim().parse().ok().filter(|ms| *ms > 0)
}

/// What the agent says, from a file; what is wrong with it has been told.
fn agent_script(path: &Path) -> Result<AgentScript, Exit> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        fail(
            &Unreadable(path.display().to_string(), error),
            Some("give the path of a TOML file with [[turn]] tables; docs/guides/script-the-agent.md shows one"),
        );
        Exit::InvalidFile
    })?;
    let plan = parse_agent(&path.display().to_string(), &text).map_err(|problems| {
        say(problems.render(colour()));
        Exit::InvalidFile
    })?;
    Ok(lower::agent(&plan))
}

/// A script that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("read the agent's script {0}")]
struct Unreadable(String, #[source] std::io::Error);

const fn exit_of(error: &ServeError) -> Exit {
    match error {
        ServeError::UnknownProfile { .. }
        | ServeError::Settings(_)
        | ServeError::ControlUi { .. } => Exit::Usage,
        ServeError::PortInUse { .. } | ServeError::Bind { .. } => Exit::WorldUnavailable,
        ServeError::TranscriptExists { .. }
        | ServeError::CreateTranscript { .. }
        | ServeError::Save(_) => Exit::ArtifactsNotWritten,
        ServeError::Random(_)
        | ServeError::SetupCode(_)
        | ServeError::Print(_)
        | ServeError::Signals(_) => Exit::HarnessBroke,
    }
}

/// The live log on stderr: what happens on the wire, in words.
pub(super) fn log() {
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
