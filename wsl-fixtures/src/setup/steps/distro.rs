//! The distro: made, configured, proven, with OpenClaw in it.

use std::time::Duration;

use super::super::context::{Context, remove_file};
use super::super::engine::StepError;
use super::super::mutation::Mutation;
use super::super::scripts;
use crate::argv::{Install, Run, Verb};
use crate::output::decode;
use crate::wsl::{Call, WslError};
use crate::wsl_conf::WslConf;

/// Seconds that the probes of a fresh distro get.
const PROBES: [u64; 3] = [30, 60, 90];
/// How often wsl.conf is read: the distro has only just been stopped.
const CONF_ATTEMPTS: u32 = 3;

pub(super) fn create(context: &mut Context<'_>) -> Result<(), StepError> {
    let name = context.config.distro_name.clone();
    // Unknown is not absent: a list that can't be had is no permission to install.
    let names = match context.wsl.names() {
        Err(_) if context.errs(Mutation::FailedListIsEmpty) => Vec::new(),
        names => names.map_err(|error| {
            StepError::terminal(format!("the list of distros can't be had: {error}"))
        })?,
    };
    if names.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
        // What was there before is not ours to undo.
        context.is_foreign = true;
        return Err(StepError::terminal(format!(
            "a distro is named {name} already: set CleanBeforeRun, or choose another DistroName"
        )));
    }
    let location = context.location();
    check_location(&location)?;
    let install = Install {
        location: Some(location.display().to_string()),
        ..Install::named(&context.config.base_distro, &name)
    };
    let result = context
        .wsl
        .install(&install)
        .map_err(|error| StepError::terminal(error.to_string()))
        .and_then(|()| prove(context, &name));
    if result.is_err() {
        // What is half there is removed at once; the step has failed either way, and says why.
        drop(remove(context));
    }
    result
}

fn check_location(location: &std::path::Path) -> Result<(), StepError> {
    if location.is_file() {
        return remove_file(location).map_err(|error| StepError::terminal(error.to_string()));
    }
    let is_empty = std::fs::read_dir(location).map_or(true, |mut entries| entries.next().is_none());
    if is_empty && !location.is_symlink() {
        return Ok(());
    }
    Err(StepError::terminal(format!(
        "{}: expected no such folder, or an empty one",
        location.display()
    )))
}

fn prove(context: &mut Context<'_>, name: &str) -> Result<(), StepError> {
    let rows = context
        .wsl
        .list()
        .map_err(|error| StepError::terminal(error.to_string()))?;
    let row = rows
        .iter()
        .find(|row| row.name == name)
        .ok_or_else(|| StepError::terminal(format!("{name} was installed and is not listed")))?;
    if row.version != 2 {
        return Err(StepError::terminal(format!(
            "{name} runs under WSL {}: WSL 2 is needed",
            row.version
        )));
    }
    let mut said = String::new();
    let probes = if context.errs(Mutation::ProbesOnce) {
        1
    } else {
        PROBES.len()
    };
    for seconds in PROBES.into_iter().take(probes) {
        let run = Run::command(name, &["sh", "-lc", scripts::READY]).as_user("root");
        let probe = context
            .wsl
            .call(&Call::verb(&Verb::Run(run)).limit(Duration::from_secs(seconds)));
        if probe.success() && decode(&probe.stdout).contains("OPENCLAW_FRESH_WSL_READY") {
            return Ok(());
        }
        said = context.said("the first command in the distro", &probe);
    }
    Err(StepError::terminal(said))
}

/// Removes the distro and its folder; one that is not there is fine. Never touches another distro.
pub(super) fn remove(context: &mut Context<'_>) -> Result<(), String> {
    let name = context.config.distro_name.clone();
    if context.is_foreign || context.errs(Mutation::KeepsTheDistro) {
        return Ok(());
    }
    if context.errs(Mutation::ShutsDown) {
        context.wsl.call(&Call::verb(&Verb::Shutdown));
    }
    let is_listed = match context.wsl.names() {
        Ok(names) => names.iter().any(|known| known == &name),
        // It may be there: the attempt tells.
        Err(_) => true,
    };
    if is_listed {
        drop(context.wsl.terminate(&name));
        context.seconds(2);
        let mut removed = context.wsl.unregister(&name);
        if !is_gone(&removed) {
            drop(context.wsl.terminate(&name));
            context.seconds(3);
            removed = context.wsl.unregister(&name);
        }
        if !is_gone(&removed) {
            let why = removed
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            return Err(format!(
                "{name} could not be removed, and its files are kept: {why}"
            ));
        }
    }
    let location = context.location();
    let mut wait = 2;
    loop {
        match std::fs::remove_dir_all(&location) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                if wait > 6 {
                    return Err(format!("{}: {error}", location.display()));
                }
                context.seconds(wait);
                wait += 2;
            }
            _ => break,
        }
    }
    // The folder above is the app's too, when nothing else is in it.
    if let Some(parent) = location.parent() {
        drop(std::fs::remove_dir(parent));
    }
    Ok(())
}

fn is_gone(result: &Result<(), WslError>) -> bool {
    matches!(result, Ok(()) | Err(WslError::DistroNotFound(_)))
}

pub(super) fn configure(context: &mut Context<'_>) -> Result<(), StepError> {
    let script = if context.errs(Mutation::VariablesInArguments) {
        format!(
            "who={}; {}",
            context.config.user,
            scripts::configure("$who")
        )
    } else {
        scripts::configure(&context.config.user)
    };
    let done = context.script(Some("root"), &script, 60);
    if !(done.success() && done.text().contains("CONFIGURED_OK")) {
        return Err(context.again("the distro's configuration", &done));
    }
    let name = context.config.distro_name.clone();
    drop(context.wsl.terminate(&name));
    context.seconds(2);
    Ok(())
}

pub(super) fn validate_lockdown(context: &mut Context<'_>) -> Result<(), StepError> {
    let text = read_conf(context)?;
    let conf = WslConf::parse(&text);
    let user = context.config.user.clone();
    let expected = [
        ("boot", "systemd", "true"),
        ("interop", "enabled", "false"),
        ("interop", "appendWindowsPath", "false"),
        ("automount", "enabled", "false"),
        ("automount", "mountFsTab", "false"),
        ("user", "default", user.as_str()),
    ];
    let is_lenient = context.errs(Mutation::AnyContentWillDo);
    let wrong: Vec<String> = expected
        .iter()
        .filter(|(section, key, value)| !conf.is(section, key, value))
        .map(|(section, key, value)| {
            format!(
                "{section}.{key}: expected {value}, got {}",
                conf.value(section, key).unwrap_or("nothing")
            )
        })
        .collect();
    if !wrong.is_empty() && !is_lenient {
        return Err(StepError::terminal(format!(
            "/etc/wsl.conf: {}",
            wrong.join("; ")
        )));
    }
    let checked = context.script(Some("root"), &scripts::verify(&user), 30);
    if checked.success() && checked.text().contains("LOCKDOWN_VALID") {
        return Ok(());
    }
    Err(StepError::terminal(
        context.said("the check of users and folders", &checked),
    ))
}

/// The distro has only just been stopped: the first reads may fail. What they read is judged strictly.
fn read_conf(context: &mut Context<'_>) -> Result<String, StepError> {
    let mut said = String::new();
    let attempts = if context.errs(Mutation::ReadsConfOnce) {
        1
    } else {
        CONF_ATTEMPTS
    };
    for attempt in 1..=attempts {
        let read = context.script(None, "cat /etc/wsl.conf", 30);
        if read.success() {
            return Ok(decode(&read.stdout));
        }
        said = context.said("cat", &read);
        if attempt < attempts {
            context.seconds(2);
        }
    }
    Err(StepError::terminal(format!(
        "Cannot read /etc/wsl.conf after {attempts} attempts: {said}"
    )))
}

pub(super) fn install_cli(context: &mut Context<'_>) -> Result<(), StepError> {
    let version = context.config.version.clone();
    let installed = context.script(None, &scripts::install(&version), 300);
    if !installed.success() {
        let said = context.said("the installer", &installed);
        // A certificate that is not trusted is not trusted the next time either.
        let is_final =
            said.contains("curl: (60)") && !context.errs(Mutation::InstallerIsTriedAgain);
        return Err(if is_final {
            StepError::terminal(format!(
                "{said}\nhint: the distro does not trust this network's certificate authority; install it in the distro"
            ))
        } else {
            StepError::Again(said)
        });
    }
    let user = context.config.user.clone();
    let places = [
        "",
        &format!("/home/{user}/.openclaw/bin/"),
        "/opt/openclaw/bin/",
        "/usr/local/bin/",
    ]
    .map(ToOwned::to_owned);
    for place in places {
        let found = format!("{place}openclaw");
        let said = context.script(None, &format!("{found} --version"), 15);
        if !said.success() || said.stdout.is_empty() {
            continue;
        }
        check_version(&decode(&said.stdout), &version)?;
        if !place.is_empty() {
            let linked = context.script(Some("root"), &scripts::link(&found), 15);
            if !linked.text().contains("OPENCLAW_PATH_READY") {
                return Err(context.again("the link in /usr/local/bin", &linked));
            }
        }
        let bare = context.script(None, scripts::BARE_VERSION, 15);
        return if bare.success() {
            Ok(())
        } else {
            Err(context.again("openclaw without environment", &bare))
        };
    }
    Err(StepError::again(
        "openclaw was installed and is nowhere to be found",
    ))
}

fn check_version(said: &str, selected: &str) -> Result<(), StepError> {
    match release_in(said) {
        Some(version) if version == selected => Ok(()),
        other => Err(StepError::terminal(format!(
            "InstalledVersionMismatch: expected {selected}, got {}",
            other.unwrap_or_else(|| said.trim().to_owned())
        ))),
    }
}

/// `YYYY.M.P[-n]`, not glued to other letters or digits.
fn release_in(text: &str) -> Option<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    text.split(|c| !is_part(c))
        .map(|word| word.trim_matches(['.', '-']))
        .find(|word| is_release(word))
        .map(ToOwned::to_owned)
}

fn is_release(word: &str) -> bool {
    let (numbers, suffix) = word.split_once('-').unwrap_or((word, "0"));
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let parts: Vec<&str> = numbers.split('.').collect();
    matches!(parts.as_slice(), [year, month, patch] if year.len() == 4 && digits(year) && digits(month) && digits(patch))
        && digits(suffix)
}

pub(super) fn remove_cli(context: &mut Context<'_>) -> Result<(), String> {
    if !is_there(context) {
        return Ok(());
    }
    let user = context.config.user.clone();
    let script = format!("rm -rf /opt/openclaw /home/{user}/.openclaw /usr/local/bin/openclaw");
    let removed = context.script(Some("root"), &script, 60);
    if removed.success() {
        Ok(())
    } else {
        Err(context.said("the removal of openclaw", &removed))
    }
}

/// Whether the distro is listed. One that is not needs nothing undone inside.
pub(super) fn is_there(context: &mut Context<'_>) -> bool {
    let name = context.config.distro_name.clone();
    context
        .wsl
        .names()
        .is_ok_and(|names| names.iter().any(|known| known == &name))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("OpenClaw 2026.6.34 (abc)", Some("2026.6.34"))]
    #[case("v2026.6.34", None)]
    #[case("2026.7.1-2\n", Some("2026.7.1-2"))]
    #[case("node 22.22.3, openclaw: 2026.9.6.", Some("2026.9.6"))]
    fn a_release_is_found_in_what_a_program_says(
        #[case] text: &str,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(release_in(text).as_deref(), expected);
    }
}
