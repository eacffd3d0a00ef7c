//! The steps in order.

mod distro;
mod finish;
mod gateway;
mod pairing;
mod prepare;
mod wizard;

use super::context::Context;
use super::engine::{Retry, Step};

fn always(_: &Context<'_>) -> Option<&'static str> {
    None
}

fn only_when_cleaning(context: &Context<'_>) -> Option<&'static str> {
    (!context.config.clean_before_run).then_some("CleanBeforeRun is off")
}

fn only_with_wizard(context: &Context<'_>) -> Option<&'static str> {
    context.config.skip_wizard.then_some("SkipWizard is on")
}

const fn step(
    id: &'static str,
    retry: Retry,
    run: fn(&mut Context<'_>) -> Result<(), super::StepError>,
) -> Step {
    Step {
        id,
        retry,
        skip: always,
        run,
        undo: None,
    }
}

const fn undone_by(step: Step, undo: fn(&mut Context<'_>) -> Result<(), String>) -> Step {
    Step {
        undo: Some(undo),
        ..step
    }
}

const fn when_cleaning(step: Step) -> Step {
    Step {
        skip: only_when_cleaning,
        ..step
    }
}

/// Every step, in the order in which it runs.
pub const STEPS: &[Step] = &[
    step("validate-distro-path", Retry::ONCE, prepare::validate),
    step("preflight-wsl", Retry::ONCE, prepare::preflight_wsl),
    when_cleaning(step("cleanup-distro", Retry::ONCE, prepare::cleanup_distro)),
    when_cleaning(step(
        "cleanup-gateway",
        Retry::times(3, 2),
        prepare::cleanup_gateway,
    )),
    step("preflight-port", Retry::ONCE, prepare::preflight_port),
    undone_by(
        step("wsl-create", Retry::ONCE, distro::create),
        distro::remove,
    ),
    step("wsl-configure", Retry::times(3, 2), distro::configure),
    step(
        "validate-wsl-lockdown",
        Retry::ONCE,
        distro::validate_lockdown,
    ),
    undone_by(
        step("install-cli", Retry::times(2, 5), distro::install_cli),
        distro::remove_cli,
    ),
    step("configure-gateway", Retry::times(3, 2), gateway::configure),
    undone_by(
        step(
            "install-service",
            Retry::times(3, 2),
            gateway::install_service,
        ),
        gateway::remove_service,
    ),
    undone_by(
        step("start-gateway", Retry::times(3, 3), gateway::start),
        gateway::stop,
    ),
    step("mint-token", Retry::times(3, 2), gateway::mint),
    undone_by(
        step("pair-operator", Retry::times(3, 3), pairing::operator),
        pairing::forget,
    ),
    step("pair-node", Retry::times(3, 3), pairing::node),
    undone_by(
        step("verify-e2e", Retry::times(2, 3), finish::verify),
        finish::remove_files,
    ),
    Step {
        skip: only_with_wizard,
        ..step("run-wizard", Retry::ONCE, wizard::run)
    },
    undone_by(
        step(
            "windows-node-context",
            Retry::times(3, 2),
            finish::node_context,
        ),
        finish::remove_context,
    ),
    undone_by(
        step("start-keepalive", Retry::ONCE, finish::keepalive),
        finish::stop_keepalive,
    ),
];
