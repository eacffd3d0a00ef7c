//! The file of rows.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

/// The file as it was when this program was built.
const TEXT: &str = include_str!("../../catalogue/rows.toml");

/// Where the file lies in the repository, for messages.
const FILE: &str = "scenarios/catalogue/rows.toml";

/// A file of rows that can't be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CatalogueError {
    /// It is no TOML, or says something that no row can say.
    #[error("{FILE}: {0}")]
    Unreadable(String),
    /// A row is not called by three digits.
    #[error("{FILE}: expected three digits as the name of a row, got '{0}'")]
    Name(String),
    /// A number is missing between two rows.
    #[error("{FILE}: expected row {expected:03}, got {got:03}")]
    Hole {
        /// The number that comes next.
        expected: u16,
        /// The number that is there.
        got: u16,
    },
    /// A row says both that tests show it and that nothing can.
    #[error("{FILE}: row {0:03} has both `test` and `out`; at most one of them is true")]
    Both(u16),
    /// A row gives a reason that is not in `[reasons]`.
    #[error("{FILE}: row {row:03} is out because of '{reason}', which is not in [reasons]")]
    Reason {
        /// The row.
        row: u16,
        /// The key it gives.
        reason: String,
    },
    /// A reason that no row gives.
    #[error("{FILE}: no row is out because of '{0}'; take the reason away")]
    Unused(String),
}

/// Every row, by its number from 1 without a hole.
#[derive(Clone, Debug)]
pub struct Catalogue {
    rows: Vec<Row>,
    reasons: BTreeMap<String, String>,
    one_companion: BTreeMap<String, String>,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// From 1.
    pub number: u16,
    /// Where its scenarios lie.
    pub shard: RowShard,
    /// Which companion must satisfy it.
    pub policy: RowPolicy,
    /// What must be so, as a sentence.
    pub title: String,
    /// A file whose tests show it, when no scenario can.
    pub test: Option<String>,
    /// Why nothing here can show it: a key of the reasons.
    pub out: Option<String>,
}

/// The shard of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowShard {
    /// First contact.
    SetupConnect,
    /// Credentials that are taken away.
    RevocationRecovery,
    /// Connections that are lost.
    NetworkRecovery,
    /// Every one of them.
    All,
}

/// The companions that a row speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowPolicy {
    /// As of pull request 741.
    Pr741,
    /// As of today.
    Hardened,
    /// Both.
    Both,
}

impl RowShard {
    /// The word used in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SetupConnect => "setup-connect",
            Self::RevocationRecovery => "revocation-recovery",
            Self::NetworkRecovery => "network-recovery",
            Self::All => "all",
        }
    }
}

impl RowPolicy {
    /// The word used in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pr741 => "pr741",
            Self::Hardened => "hardened",
            Self::Both => "both",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    reasons: BTreeMap<String, String>,
    /// Why a row about both companions is shown with one of them, by its number.
    #[serde(default)]
    one_companion: BTreeMap<String, String>,
    row: BTreeMap<String, Written>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    shard: RowShard,
    policy: RowPolicy,
    title: String,
    test: Option<String>,
    out: Option<String>,
}

impl Catalogue {
    /// The catalogue inside this program.
    ///
    /// # Errors
    /// When the file is not one.
    pub fn embedded() -> Result<Self, CatalogueError> {
        Self::parse(TEXT)
    }

    /// Reads a file of rows.
    ///
    /// # Errors
    /// When it is no TOML, or its rows contradict themselves.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let file: File =
            toml::from_str(text).map_err(|error| CatalogueError::Unreadable(error.to_string()))?;
        let mut rows = Vec::with_capacity(file.row.len());
        for (expected, (name, row)) in (1_u16..).zip(file.row) {
            rows.push(read(expected, &name, row, &file.reasons)?);
        }
        let is_given = |key: &String| rows.iter().any(|row| row.out.as_ref() == Some(key));
        match file.reasons.keys().find(|key| !is_given(key)) {
            Some(unused) => Err(CatalogueError::Unused(unused.clone())),
            None => Ok(Self {
                rows,
                reasons: file.reasons,
                one_companion: file.one_companion,
            }),
        }
    }

    /// Every row, in order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The row with this number.
    pub fn row(&self, number: u16) -> Option<&Row> {
        self.rows.get(usize::from(number).checked_sub(1)?)
    }

    /// Why a row about both companions is shown with one of them.
    pub fn one_companion(&self, number: u16) -> Option<&str> {
        let name = format!("{number:03}");
        self.one_companion.get(&name).map(String::as_str)
    }

    /// The sentence behind a key of the reasons.
    pub fn reason(&self, key: &str) -> &str {
        self.reasons.get(key).map_or("no reason", String::as_str)
    }
}

fn read(
    expected: u16,
    name: &str,
    row: Written,
    reasons: &BTreeMap<String, String>,
) -> Result<Row, CatalogueError> {
    let number = match name.parse::<u16>() {
        Ok(number) if name.len() == 3 => number,
        Ok(_) | Err(_) => return Err(CatalogueError::Name(name.to_owned())),
    };
    if number != expected {
        return Err(CatalogueError::Hole {
            expected,
            got: number,
        });
    }
    if row.test.is_some() && row.out.is_some() {
        return Err(CatalogueError::Both(number));
    }
    if let Some(reason) = row.out.as_ref().filter(|key| !reasons.contains_key(*key)) {
        return Err(CatalogueError::Reason {
            row: number,
            reason: reason.clone(),
        });
    }
    Ok(Row {
        number,
        shard: row.shard,
        policy: row.policy,
        title: row.title,
        test: row.test,
        out: row.out,
    })
}
