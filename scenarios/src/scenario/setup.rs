//! A set-up of an app-owned distro: what it sets up, on which computer, and what goes wrong there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wsl_fixtures::Machine;
use wsl_fixtures::fault::{Fault, named};
use wsl_fixtures::setup::{Config, STEPS};

use super::actor::{is_default, is_false};

/// The set-up of a gateway in a distro of its own (`kind = "setup"`). `start` runs it from the beginning; it writes the
/// files of a companion, which connects with them when the script starts it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SetupActor {
    /// The client whose registry and identity it writes.
    pub companion: String,
    /// What is set up: members of the configuration file (`CleanBeforeRun`, `Version` ...), each with a default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// The computer: members of the stand-in's `machine.json` (`version`, `locale`, `cold_start` ...).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Value>,
    /// Whose OpenClaw is installed, where the computer is this machine.
    #[serde(skip_serializing_if = "is_default")]
    pub openclaw: OpenClaw,
    /// What distros are, where the computer is this machine.
    #[serde(skip_serializing_if = "is_default")]
    pub back_end: BackEnd,
    /// What goes wrong with calls of wsl.exe, by name (`clawproof setup --list-faults`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// What else goes wrong: rules with `on`, `after`, `times` and `effect`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Value>,
    /// Distros that are on the computer before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub distros: Vec<String>,
    /// How many looks find the port taken, as a relay holds it that outlives its distro.
    #[serde(skip_serializing_if = "is_default")]
    pub port_held: u32,
    /// Who owns the port, one word for each look, the last for all that follow: `expected`, `nobody`, or the name of a
    /// stranger.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
    /// The user says stop when this step begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel_at: Option<String>,
    /// The program is killed when its journal has this many lines; the next start goes on from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub killed_after: Option<usize>,
    /// What `openclaw qr --json` prints; a code of the gateway when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Words of calls that the snapshot counts under `calls`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counts: Vec<String>,
    /// A failed set-up is left as it stands, for a look at it.
    #[serde(skip_serializing_if = "is_false")]
    pub keeps_ruins: bool,
    /// A deliberate mistake of the set-up (`wsl_fixtures::setup::Mutation`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutation: Option<String>,
}

/// Whose OpenClaw a distro gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpenClaw {
    /// Ours: the mock gateway, and a command line for it.
    #[default]
    Mock,
    /// The real one from npm, of the release that `Version` names.
    Real,
}

/// What a distro is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackEnd {
    /// Namespaces of this machine.
    #[default]
    Namespaces,
    /// A container with a systemd of its own.
    Containers,
}

/// Parts of a set-up that make no sense, each with what to do.
impl SetupActor {
    /// What is set up.
    ///
    /// # Errors
    /// One sentence about the member that is wrong.
    pub fn config(&self) -> Result<Config, String> {
        let mut config: Config = read("config", self.config.as_ref())?;
        config.rollback_on_failure &= !self.keeps_ruins;
        Ok(config)
    }

    /// The computer, with everything that goes wrong on it.
    ///
    /// # Errors
    /// One sentence about the member that is wrong.
    pub fn machine(&self) -> Result<Machine, String> {
        let mut machine: Machine = read("machine", self.machine.as_ref())?;
        for name in &self.faults {
            let fault = named(name).ok_or_else(|| {
                format!(
                    "nothing that goes wrong is called {name}; see `clawproof setup --list-faults`"
                )
            })?;
            for rule in (fault.rules)() {
                machine.faults.add(rule);
            }
        }
        for rule in &self.rules {
            machine.faults.add(read::<Fault>("rules", Some(rule))?);
        }
        Ok(machine)
    }

    /// The release of the real OpenClaw that it installs, if it does.
    pub(crate) fn real_release(&self) -> Option<String> {
        let version = self.config().ok()?.version;
        (self.openclaw == OpenClaw::Real).then_some(version)
    }

    /// A field that only a computer in memory heeds.
    pub(super) fn only_in_memory(&self) -> Option<&'static str> {
        let fields = [
            ("port_held", self.port_held > 0),
            ("owners", !self.owners.is_empty()),
            ("code", self.code.is_some()),
        ];
        let given = fields.into_iter().find(|(_, given)| *given);
        given.map(|(field, _)| field)
    }

    /// Everything that is wrong with it.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = [self.config().err(), self.machine().err()]
            .into_iter()
            .flatten()
            .collect();
        if let Some(step) = &self.cancel_at
            && !STEPS.iter().any(|known| known.id == step)
        {
            problems.push(format!("a set-up has no step {step}"));
        }
        problems
    }
}

/// A value whose members all have a default.
fn read<T: serde::de::DeserializeOwned>(what: &str, value: Option<&Value>) -> Result<T, String> {
    let value = value
        .cloned()
        .unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    serde_path_to_error::deserialize(value).map_err(|error| format!("{what}: {error}"))
}
