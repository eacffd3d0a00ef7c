//! Before anything is made: names, WSL itself, what an earlier set-up left, the port.

use std::time::Duration;

use super::super::context::Context;
use super::super::engine::StepError;
use super::super::mutation::Mutation;
use super::distro;
use crate::argv::Verb;
use crate::output::{decode, parse_version};
use crate::wsl::{Call, Finished};

/// The oldest WSL that installs a distro under another name.
const OLDEST: [u32; 3] = [2, 4, 4];
/// How long wsl.exe may take to say its version: without WSL it starts an installer that waits for a key.
const VERSION_SECONDS: u64 = 5;
/// How long a port is waited for: a relay may hold it for seconds.
const PORT_SECONDS: u64 = 10;

pub(super) fn validate(context: &mut Context<'_>) -> Result<(), StepError> {
    context
        .config
        .check()
        .map_err(|error| StepError::terminal(error.to_string()))?;
    let location = context.location();
    // From the data folder down, nothing may lead elsewhere.
    for folder in location.ancestors().take(2) {
        if folder.is_symlink() {
            return Err(StepError::terminal(format!(
                "{} leads elsewhere: expected a plain folder",
                folder.display()
            )));
        }
    }
    Ok(())
}

fn ask(context: &mut Context<'_>, verb: &Verb, seconds: u64) -> Finished {
    context
        .wsl
        .call(&Call::verb(verb).limit(Duration::from_secs(seconds)))
}

pub(super) fn preflight_wsl(context: &mut Context<'_>) -> Result<(), StepError> {
    let limit = if context.errs(Mutation::WaitsForTheVersion) {
        3_600
    } else {
        VERSION_SECONDS
    };
    let mut said = ask(context, &Verb::Version, limit);
    if !said.success() && suggests_missing(&said) {
        let words = Call::new(["--install", "--no-distribution"]).limit(Duration::from_mins(15));
        match context.wsl.call(&words).exit {
            Some(0) => said = ask(context, &Verb::Version, limit),
            Some(3010) => {
                return Err(StepError::terminal(
                    "Windows has to restart before WSL can be used",
                ));
            }
            Some(1223) => {
                return Err(StepError::terminal(
                    "WSL is missing, and its installation was refused",
                ));
            }
            _ => return Err(StepError::terminal("WSL is missing and can't be installed")),
        }
    }
    let text = said.text();
    let lower = text.to_ascii_lowercase();
    if !said.success()
        && [
            "invalid command line option",
            "unrecognized option",
            "unknown option",
        ]
        .iter()
        .any(|words| lower.contains(words))
    {
        return Err(StepError::terminal(
            "this WSL is too old: it knows no --version; run wsl --update",
        ));
    }
    match said.exit {
        Some(0) => {}
        None => {
            return Err(StepError::terminal(format!(
                "wsl --version did not answer within {limit} s; install or repair WSL"
            )));
        }
        Some(_) => return Err(StepError::terminal(context.said("wsl --version", &said))),
    }
    let version = read_version(context, &said)
        .ok_or_else(|| StepError::terminal("the version of WSL can't be read"))?;
    if version.as_slice() < OLDEST.as_slice() {
        return Err(StepError::terminal(format!(
            "WSL {version:?} is too old: 2.4.4 is needed; run wsl --update"
        )));
    }
    if context.errs(Mutation::SkipsTheStatus) {
        return Ok(());
    }
    let status = ask(context, &Verb::Status, 10).text().to_ascii_lowercase();
    let broken = [
        "virtualization is not enabled",
        "wsl2 is not supported with your current machine configuration",
        "0x80370102",
    ];
    if broken.iter().any(|words| status.contains(words)) {
        return Err(StepError::terminal(
            "WSL can't start virtual machines: enable Virtual Machine Platform, and virtualization in the firmware",
        ));
    }
    Ok(())
}

fn read_version(context: &Context<'_>, said: &Finished) -> Option<Vec<u32>> {
    if context.errs(Mutation::OneByteLetters) {
        return parse_version(&String::from_utf8_lossy(&said.stdout));
    }
    let text = decode(&said.stdout).replace('\0', "");
    if context.errs(Mutation::EnglishLabels) {
        let is_label = |line: &&str| line.starts_with("WSL version:");
        return parse_version(text.lines().find(is_label)?);
    }
    parse_version(&text)
}

fn suggests_missing(said: &Finished) -> bool {
    let text = said.text().to_ascii_lowercase();
    [
        "aka.ms/wslinstall",
        "has no installed distributions",
        "not recognized",
        "not installed",
    ]
    .iter()
    .any(|words| text.contains(words))
}

pub(super) fn cleanup_distro(context: &mut Context<'_>) -> Result<(), StepError> {
    distro::remove(context).map_err(StepError::terminal)?;
    wait_for_port(context, 20)
}

pub(super) fn cleanup_gateway(context: &mut Context<'_>) -> Result<(), StepError> {
    context
        .remove("setup-state.json")
        .map_err(|error| StepError::again(error.to_string()))?;
    let distro = context.config.distro_name.clone();
    context
        .peer
        .forget(&distro)
        .map_err(|error| StepError::again(error.to_string()))
}

pub(super) fn preflight_port(context: &mut Context<'_>) -> Result<(), StepError> {
    wait_for_port(context, PORT_SECONDS)
}

fn wait_for_port(context: &mut Context<'_>, seconds: u64) -> Result<(), StepError> {
    let port = context.config.gateway_port;
    let seconds = if context.errs(Mutation::LooksAtThePortOnce) {
        0
    } else {
        seconds
    };
    for _ in 0..=seconds {
        if context.peer.port_is_free(port) {
            return Ok(());
        }
        context.seconds(1);
    }
    Err(StepError::terminal(format!(
        "port {port} is taken: somebody listens there for more than {seconds} s; end that program or set another GatewayPort"
    )))
}
