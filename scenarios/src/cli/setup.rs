//! `clawproof setup`: the whole set-up on a stand-in for WSL, and back.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use wsl_fixtures::fault::NAMED;
use wsl_fixtures::setup::release::{self, FALLBACK, PROTOCOL_GENERATION};
use wsl_fixtures::setup::{Config, FileJournal, Journal as _, Line, Outcome};

use super::args::{OpenClawArg, SetupArgs};
use super::exit::Exit;
use super::print::{fail, out, say};
use crate::guarded::{Existing, whole};
use crate::interrupt::interrupted;
use crate::setup::{Bench, BenchError, GatewayProgram, Lease, RealOpenClaw, Task, lease};

/// What the set-up's pauses are divided by, unless they are asked for.
const PACE: u32 = 20;

/// What limits are multiplied by for the real OpenClaw.
const PATIENCE: u32 = 4;

/// How the gateway's port was found.
const ALLOCATION: &str = "gateway-port-allocation.json";

pub(super) fn setup(args: &SetupArgs) -> Exit {
    if args.list_faults {
        for fault in NAMED {
            out(format_args!("{:<28} {}", fault.name, fault.about));
        }
        return Exit::Passed;
    }
    let (config, lease) = match config(args) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if args.dry_run {
        out(format_args!(
            "{} on port {}: nothing was run",
            config.distro_name, config.gateway_port
        ));
        return Exit::Passed;
    }
    if args.uninstall && !args.confirm_destructive {
        say("error: --uninstall removes the distro with all its files");
        say("hint: add --confirm-destructive");
        return Exit::Usage;
    }
    match run(args, &config, lease.as_ref()) {
        Ok(exit) => exit,
        Err(error) => {
            let hint = match &error {
                BenchError::Foreign(_) => Some("give --data-dir a folder of its own"),
                BenchError::UnknownFault(_) => Some("clawproof setup --list-faults"),
                BenchError::Io { .. } | BenchError::Real(_) => None,
            };
            if let BenchError::Real(real) = &error {
                fail(real, Some(&real.hint()));
                return Exit::WorldUnavailable;
            }
            fail(&error, hint);
            Exit::Usage
        }
    }
}

/// The file, what the command line lays over it, and a port when neither names one.
fn config(args: &SetupArgs) -> Result<(Config, Option<Lease>), Exit> {
    let mut names_port = args.gateway_port.is_some();
    let mut config = Config::default();
    if let Some(path) = &args.config {
        let text = std::fs::read_to_string(path).map_err(|error| {
            say(format_args!("error: {}: {error}", path.display()));
            Exit::Usage
        })?;
        config = serde_json::from_str(&text).map_err(|error| {
            say(format_args!("error: {}: {error}", path.display()));
            say("hint: members are DistroName, GatewayPort, Version, User, AllowCommands ...; every one has a default");
            Exit::InvalidFile
        })?;
        names_port |= text.contains("GatewayPort");
    }
    if let Some(name) = &args.distro_name {
        config.distro_name.clone_from(name);
    }
    let wanted = args.gateway_version.as_ref().unwrap_or(&config.version);
    let release = release::select(wanted, args.validate_gateway_candidate);
    config.version = release.map(str::to_owned).map_err(|error| {
        let hint = "clawproof setup --gateway-version recommended";
        fail(&error, Some(hint));
        Exit::Usage
    })?;
    let mut leased = None;
    if let Some(port) = args.gateway_port {
        config.gateway_port = port;
    } else if !names_port && !args.uninstall {
        let lease = lease().map_err(|error| {
            fail(&error, None);
            Exit::WorldUnavailable
        })?;
        config.gateway_port = lease.port;
        leased = Some(lease);
    }
    config.rollback_on_failure &= !args.no_rollback_on_failure;
    config.skip_wizard |= args.skip_wizard;
    config.check().map_err(|error| {
        fail(&error, None);
        Exit::Usage
    })?;
    Ok((config, leased))
}

fn run(args: &SetupArgs, config: &Config, lease: Option<&Lease>) -> Result<Exit, BenchError> {
    let here = |source| BenchError::Io {
        path: "the folder for temporary files".into(),
        source,
    };
    let program = std::env::current_exe().map_err(here)?;
    let temporary = if args.data_dir.is_none() {
        Some(tempfile::tempdir().map_err(here)?)
    } else {
        None
    };
    let folder = match (&args.data_dir, &temporary) {
        (Some(folder), _) => folder.as_path(),
        (None, Some(folder)) => folder.path(),
        (None, None) => Path::new("."),
    };
    let pace = if args.real_pauses { 1 } else { PACE };
    let patience = match args.openclaw {
        OpenClawArg::Mock => 1,
        OpenClawArg::Real => PATIENCE,
    };
    let bench = Bench::open(folder, &program)?
        .with_pace(pace)
        .with_patience(patience);
    bench.prepare(config, &gateway(args, config, program)?, &args.fault)?;
    if let Some(lease) = lease {
        bench.keep(ALLOCATION, &json!(lease.allocation))?;
    }
    let cancelled = Arc::new(AtomicBool::new(false));
    watch(&cancelled);
    let journal = bench.journal();
    let known = lines(&journal).len();
    let task = match (args.uninstall, args.wizard_only) {
        (true, _) => Task::TakeAway,
        (false, true) => Task::Wizard,
        (false, false) => Task::SetUp,
    };
    let outcome = bench.run(config, task, Arc::clone(&cancelled))?;
    tell(&lines(&journal), known);
    report(args, config, &outcome, &journal);
    if temporary.is_some() {
        let gone = bench.run(config, Task::TakeAway, Arc::new(AtomicBool::new(false)))?;
        if gone != Outcome::Done {
            say(format_args!(
                "error: the set-up could not be taken away: {gone:?}"
            ));
            return Ok(Exit::HarnessBroke);
        }
    }
    let is_bare = temporary.is_some() || args.uninstall;
    let left = if is_bare { bench.left()? } else { Vec::new() };
    if !left.is_empty() {
        say(format_args!(
            "error: something is left: {}",
            left.join(", ")
        ));
        return Ok(Exit::Failed);
    }
    Ok(match outcome {
        Outcome::Done => Exit::Passed,
        Outcome::Failed { .. } | Outcome::Killed => Exit::Failed,
        Outcome::Cancelled => Exit::Interrupted,
    })
}

/// What runs as the service of the distro.
fn gateway(
    args: &SetupArgs,
    config: &Config,
    program: PathBuf,
) -> Result<GatewayProgram, BenchError> {
    Ok(match args.openclaw {
        OpenClawArg::Mock => GatewayProgram::Mock(program),
        OpenClawArg::Real => GatewayProgram::Real(RealOpenClaw::locate(&config.version)?),
    })
}

fn lines(path: &Path) -> Vec<Line> {
    FileJournal::open(path)
        .map(|journal| journal.lines().to_vec())
        .unwrap_or_default()
}

/// The steps of this run.
fn tell(lines: &[Line], known: usize) {
    for line in lines.iter().skip(known) {
        let Some(step) = line
            .step_id
            .as_deref()
            .filter(|_| line.event != "step_started")
        else {
            continue;
        };
        let what = if line.event == "rollback" {
            "undone: "
        } else {
            ""
        };
        let outcome = line.outcome.as_deref().unwrap_or_default();
        let detail = line
            .detail
            .as_deref()
            .map(|detail| format!(": {detail}"))
            .unwrap_or_default();
        say(format_args!(
            "{what}{step:<24} {outcome:<8} {:>6} ms{detail}",
            line.elapsed
        ));
    }
}

fn report(args: &SetupArgs, config: &Config, outcome: &Outcome, journal: &Path) {
    let (word, step, message) = match outcome {
        Outcome::Done => ("success", None, None),
        Outcome::Failed { step, message } => ("failed", Some(step), Some(message)),
        Outcome::Cancelled => ("cancelled", None, None),
        Outcome::Killed => ("failed", None, None),
    };
    let result = json!({
        "outcome": word, "exitCode": outcome.exit_code(), "failedStepId": step, "message": message,
        "selectedGatewayVersion": config.version, "gatewayProtocolGeneration": PROTOCOL_GENERATION,
        "fallbackGatewayVersion": FALLBACK, "gatewayUrl": config.url(), "journalPath": journal,
    });
    out(&result);
    if let Some(path) = &args.json_output {
        let written = whole(path, format!("{result:#}\n").as_bytes(), Existing::Replaced);
        if let Err(error) = written {
            say(format_args!("error: {}: {error}", path.display()));
        }
    }
}

/// Ctrl-C is a wish: the step that runs comes to its end, and then everything is undone.
fn watch(cancelled: &Arc<AtomicBool>) {
    let cancelled = Arc::clone(cancelled);
    let watcher = std::thread::Builder::new()
        .name("interrupt".to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if runtime.is_ok_and(|runtime| runtime.block_on(interrupted()).is_ok()) {
                cancelled.store(true, Ordering::Relaxed);
            }
        });
    drop(watcher);
}
