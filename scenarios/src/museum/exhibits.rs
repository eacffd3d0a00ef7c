//! The file of bugs.

use std::collections::BTreeMap;

use client_core::Mutation;
use serde::Deserialize;
use thiserror::Error;

/// The file as it was when this program was built.
const TEXT: &str = include_str!("../../museum/bugs.toml");

/// Where the file lies in the repository, for messages.
const FILE: &str = "scenarios/museum/bugs.toml";

/// A file of bugs that can't be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum MuseumError {
    /// It is no TOML, or says something that no bug can say.
    #[error("{FILE}: {0}")]
    Unreadable(String),
    /// A bug is not called by the next three digits.
    #[error("{FILE}: expected bug {expected:03}, got '{got}'")]
    Name {
        /// The number that comes next.
        expected: u16,
        /// What is there.
        got: String,
    },
    /// A bug has a mutant without a scenario, or the other way round, or a reason beside them.
    #[error(
        "{FILE}: bug {0:03} needs `mutant` and `scenario`, or `out` alone, or none of the three"
    )]
    Half(u16),
    /// Neither the client nor the set-up has such a bug.
    #[error(
        "{FILE}: bug {bug:03} names the mutant '{mutant}', which neither the client nor the set-up has"
    )]
    Mutant {
        /// The bug.
        bug: u16,
        /// What it names.
        mutant: String,
    },
    /// A bug gives a reason that is not in `[reasons]`.
    #[error("{FILE}: bug {bug:03} is out because of '{reason}', which is not in [reasons]")]
    Reason {
        /// The bug.
        bug: u16,
        /// The key it gives.
        reason: String,
    },
    /// A reason that no bug gives.
    #[error("{FILE}: no bug is out because of '{0}'; take the reason away")]
    Unused(String),
}

/// Every bug, by its number from 1 without a hole.
#[derive(Clone, Debug)]
pub struct Museum {
    exhibits: Vec<Exhibit>,
}

/// One bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exhibit {
    /// From 1.
    pub number: u16,
    /// What goes wrong, as a sentence.
    pub title: String,
    /// Whose code has to change.
    pub fault: Fault,
    /// How it is shown, or why not.
    pub place: Place,
}

/// How a bug is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A deliberate bug must fail a scenario.
    Shown {
        /// Name of the deliberate bug.
        mutant: String,
        /// Id of the scenario.
        scenario: String,
    },
    /// It can't be shown here, for this reason.
    Out(String),
    /// It could be shown, and is not.
    Open,
}

/// Whose code has to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The client's.
    Client,
    /// The gateway's.
    Gateway,
    /// Both.
    Both,
    /// The set-up's.
    Setup,
    /// The test harness's.
    Harness,
}

impl Fault {
    /// The word used in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Both => "both",
            Self::Setup => "setup",
            Self::Harness => "harness",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    reasons: BTreeMap<String, String>,
    bug: BTreeMap<String, Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    fault: Fault,
    title: String,
    mutant: Option<String>,
    scenario: Option<String>,
    out: Option<String>,
}

impl Museum {
    /// The museum inside this program.
    ///
    /// # Errors
    /// When the file is not one.
    pub fn embedded() -> Result<Self, MuseumError> {
        Self::parse(TEXT)
    }

    /// Reads a file of bugs.
    ///
    /// # Errors
    /// When it is no TOML, or its bugs contradict themselves.
    pub fn parse(text: &str) -> Result<Self, MuseumError> {
        let file: File =
            toml::from_str(text).map_err(|error| MuseumError::Unreadable(error.to_string()))?;
        let given: Vec<String> = file
            .bug
            .values()
            .filter_map(|bug| bug.out.clone())
            .collect();
        if let Some(unused) = file.reasons.keys().find(|key| !given.contains(*key)) {
            return Err(MuseumError::Unused(unused.clone()));
        }
        let mut exhibits = Vec::with_capacity(file.bug.len());
        for (expected, (name, bug)) in (1_u16..).zip(file.bug) {
            if name != format!("{expected:03}") {
                return Err(MuseumError::Name {
                    expected,
                    got: name,
                });
            }
            exhibits.push(read(expected, bug, &file.reasons)?);
        }
        Ok(Self { exhibits })
    }

    /// Every bug, in order.
    pub fn exhibits(&self) -> &[Exhibit] {
        &self.exhibits
    }

    /// The bug with this number.
    pub fn exhibit(&self, number: u16) -> Option<&Exhibit> {
        self.exhibits.get(usize::from(number).checked_sub(1)?)
    }
}

fn read(
    number: u16,
    bug: Written,
    reasons: &BTreeMap<String, String>,
) -> Result<Exhibit, MuseumError> {
    let place = match (bug.mutant, bug.scenario, bug.out) {
        (Some(mutant), Some(scenario), None) => {
            let of_client = serde_json::from_value::<Mutation>(mutant.as_str().into()).is_ok();
            let of_setup = wsl_fixtures::setup::Mutation::named(&mutant).is_some();
            if !of_client && !of_setup {
                return Err(MuseumError::Mutant {
                    bug: number,
                    mutant,
                });
            }
            Place::Shown { mutant, scenario }
        }
        (None, None, Some(key)) => match reasons.get(&key) {
            Some(reason) => Place::Out(reason.clone()),
            None => {
                return Err(MuseumError::Reason {
                    bug: number,
                    reason: key,
                });
            }
        },
        (None, None, None) => Place::Open,
        _ => return Err(MuseumError::Half(number)),
    };
    Ok(Exhibit {
        number,
        title: bug.title,
        fault: bug.fault,
        place,
    })
}
