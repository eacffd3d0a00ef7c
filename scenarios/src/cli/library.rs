//! The suite, read once: what every command starts from.

use std::path::Path;
use std::sync::Arc;

use super::exit::Exit;
use super::print::{colour, fail, say};
use crate::adapter::Client;
use crate::run::{Source, SuiteFile};
use crate::scenario::{Problems, Scenario, parse};

/// Every scenario of a source, or how the command must end. Prints what is wrong.
pub(super) fn scenarios(asked: Option<&Path>) -> Result<Vec<Arc<Scenario>>, Exit> {
    let (source, files) = files(asked)?;
    let mut scenarios = Vec::with_capacity(files.len());
    let mut wrong = 0_usize;
    for file in &files {
        match read(file) {
            Ok(scenario) => scenarios.push(Arc::new(scenario)),
            Err(problems) => {
                wrong += 1;
                say(problems.render(colour()));
            }
        }
    }
    if wrong > 0 {
        say(format_args!(
            "error: {wrong} of {} scenario files in {} are invalid",
            files.len(),
            source.describe()
        ));
        say("hint: `clawproof check` shows warnings too");
        return Err(Exit::InvalidFile);
    }
    Ok(scenarios)
}

/// The scenarios that lie beside an adapter, about what only this client can do. Their ids begin with its name.
pub(super) fn scenarios_of(client: &Client) -> Result<Vec<Arc<Scenario>>, Exit> {
    let folder = client.adapter.folder.join("scenarios");
    // A client that somebody else has started has no folder; this one's would be whatever lies here.
    if client.adapter.folder.as_os_str().is_empty() || !folder.is_dir() {
        return Ok(Vec::new());
    }
    let scenarios = scenarios(Some(&folder))?;
    let named = |scenario: Arc<Scenario>| {
        let mut scenario = Arc::unwrap_or_clone(scenario);
        scenario.id = format!("{}/{}", client.adapter.name, scenario.id);
        Arc::new(scenario)
    };
    Ok(scenarios.into_iter().map(named).collect())
}

/// The files of a source, or how the command must end.
pub(super) fn files(asked: Option<&Path>) -> Result<(Source, Vec<SuiteFile>), Exit> {
    let found = std::env::current_dir()
        .map_err(|error| {
            fail(&error, None);
            Exit::InvalidFile
        })
        .and_then(|here| {
            Source::find(asked, &here).map_err(|error| {
                fail(&error, Some("--suite names a folder of scenario files"));
                Exit::InvalidFile
            })
        })?;
    let files = found.files().map_err(|error| {
        fail(&error, None);
        Exit::InvalidFile
    })?;
    Ok((found, files))
}

/// One file as a scenario whose messages name the file's own path.
pub(super) fn read(file: &SuiteFile) -> Result<Scenario, Problems> {
    match parse(&file.id, &file.text) {
        Ok(mut scenario) => {
            file.path.clone_into(&mut scenario.source.file);
            Ok(scenario)
        }
        Err(mut problems) => {
            file.path.clone_into(&mut problems.file);
            Err(problems)
        }
    }
}
