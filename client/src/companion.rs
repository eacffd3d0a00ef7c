//! What the `companion` process does between its arguments and its exit code.

mod arguments;
mod config;
mod log;
mod report;
mod signals;
mod start;

use serde_json::json;
use tokio::task::JoinSet;

pub(crate) use self::arguments::Arguments;
pub(crate) use self::config::ConfigError;
pub(crate) use self::log::log_to_stderr;
use self::report::{Told, report, say, say_state};
use self::signals::Signals;
use self::start::{Started, start};

/// Documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Stopped = 0,
    Broken = 1,
    Usage = 2,
    DataDir = 3,
    BadInput = 4,
}

pub(crate) async fn run(arguments: Result<Arguments, ConfigError>) -> Exit {
    let exit = match arguments {
        Ok(arguments) => serve(arguments).await,
        Err(error) => {
            tracing::error!(%error, "failed to start");
            Exit::BadInput
        }
    };
    // Whoever read stdout may be gone; the exit code says the same.
    drop(say(&json!({"type": "stopped", "exitCode": exit as u8})));
    exit
}

async fn serve(arguments: Arguments) -> Exit {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            tracing::error!(%error, "failed to listen for signals");
            return Exit::Broken;
        }
    };
    // New device keys come from this: enough for a test client, too little for a product.
    let seed = match arguments.seed.map_or_else(getrandom::u64, Ok) {
        Ok(seed) => seed,
        Err(error) => {
            tracing::error!(%error, "failed to draw a seed");
            return Exit::Broken;
        }
    };
    let started = match start(arguments, seed).await {
        Ok(started) => started,
        Err(error) => {
            tracing::error!(%error, "failed to start");
            return error.exit();
        }
    };
    supervise(started, &mut signals).await
}

async fn supervise(started: Started, signals: &mut Signals) -> Exit {
    let Started {
        mut client,
        intent,
        clock,
        timeline,
        mcp,
        ready,
    } = started;
    let watched = (client.events(), client.snapshot());
    let (Some(mut events), mut snapshot) = watched else {
        return Exit::Broken;
    };
    // The command line's wish comes before those of the tools: its refusal ends the process.
    if say(&ready).is_err() || client.intent(intent).await.is_err() {
        return Exit::Broken;
    }
    let mut beside = JoinSet::new();
    if let Some((server, context)) = mcp {
        beside.spawn(async move { match server.serve(context).await {} });
    }
    let told = Told { clock, timeline };
    let exit = report(signals, &mut events, &mut snapshot, &told).await;
    beside.shutdown().await;
    client.shutdown().await;
    // The roles have gone down meanwhile; whoever read stdout may be gone too.
    drop(say_state(&snapshot.borrow_and_update()));
    exit
}
