//! The command `mock-gateway`: a mock OpenClaw gateway and nothing else. It keeps about 10 MB resident where
//! `clawproof serve`, the same gateway inside the whole harness, keeps 17.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use gateway_protocol::schema::Catalog;
use mock_gateway::program::{self, GatewayArgs};

/// A mock OpenClaw gateway on 127.0.0.1.
///
/// The first line on stdout is a JSON object: where it listens, its token, a setup code, its control endpoint, its inspector.
/// SIGTERM and Ctrl-C end it as the real one ends. `clawproof serve` is the same, finds the fetched schema by itself, and
/// takes a script for the agent.
#[derive(Parser, Debug)]
#[command(
    name = "mock-gateway",
    version,
    after_help = "Examples:\n  mock-gateway --port 18789 --token secret\n  mock-gateway --profile 2026.9.6 --config openclaw.json\n\n\
Exit codes: 0 ended as asked, 1 it broke, 2 wrong usage, 20 the schema is invalid, 22 no port, 30 the transcript could not be written"
)]
struct Arguments {
    #[command(flatten)]
    serve: GatewayArgs,
    /// The published schema (`protocol.schema.json` of npm `@openclaw/gateway-protocol`): methods that the mock does not
    /// imitate check their params by it and answer what it allows
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum SchemaError {
    #[error("read {}: {source}", path.display())]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{} is no published schema: {source}", path.display())]
    Parse {
        path: PathBuf,
        source: serde_json::Error,
    },
    #[error("{} has no definitions", path.display())]
    Empty { path: PathBuf },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    program::log();
    let mut options = arguments.serve.options(Box::new(std::io::stdout()));
    match arguments.schema.as_deref().map(catalog).transpose() {
        Ok(catalog) => options.catalog = catalog,
        Err(error) => {
            let hint =
                "give the file protocol.schema.json of the npm package @openclaw/gateway-protocol";
            return failed(&error, Some(hint), 20);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error, None, 1),
    };
    match runtime.block_on(mock_gateway::serve(options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, error.hint().as_deref(), program::exit_code(&error)),
    }
}

fn catalog(path: &Path) -> Result<Arc<Catalog>, SchemaError> {
    let text = std::fs::read_to_string(path).map_err(|source| SchemaError::Read {
        path: path.to_owned(),
        source,
    })?;
    let lines = Catalog::lines(&text).map_err(|source| SchemaError::Parse {
        path: path.to_owned(),
        source,
    })?;
    let catalog = Catalog::of_lines(lines).ok();
    catalog
        .filter(|catalog| catalog.definitions().next().is_some())
        .map(Arc::new)
        .ok_or_else(|| SchemaError::Empty {
            path: path.to_owned(),
        })
}

#[expect(clippy::print_stderr, reason = "what went wrong is told on stderr")]
fn failed(error: &dyn Error, hint: Option<&str>, code: u8) -> ExitCode {
    eprintln!("error: {error}");
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    ExitCode::from(code)
}
