//! `clawproof serve`: the mock gateway, for a client of your own.

use std::path::Path;

use gateway_core::AgentScript;
use mock_gateway::program::exit_code;
pub(super) use mock_gateway::program::log;

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
    let mut options = args.serve.options(Box::new(std::io::stdout()));
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
            Exit::from_code(exit_code(&error)).unwrap_or(Exit::HarnessBroke)
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
