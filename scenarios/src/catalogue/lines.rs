//! Rows and scenarios together: who covers what, what is open, and what contradicts itself.

use std::fmt;

use super::citation::numbers;
use super::rows::{Catalogue, Row, RowPolicy};
use crate::run::policy_difference;
use crate::scenario::Policy;

/// The word before the numbers of rows in an `about`.
const WORD: &str = "scenario-catalogue";

/// What the catalogue needs to know of a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mention {
    /// Its id.
    pub id: String,
    /// Where it comes from.
    pub about: String,
    /// The worlds that it runs in, by name.
    pub worlds: Vec<String>,
    /// Whether it is run with the companion of pull request 741, and passes.
    pub pr741: bool,
    /// Whether it is run with the companion of today.
    pub hardened: bool,
}

impl From<&crate::scenario::Scenario> for Mention {
    fn from(scenario: &crate::scenario::Scenario) -> Self {
        let worlds = scenario.worlds().into_iter();
        // Without a client there is nothing that could do otherwise.
        let has_client = scenario
            .actor
            .values()
            .any(|actor| actor.client().is_some());
        let says = scenario.policy;
        let again = scenario.under(Policy::Pr741).is_some();
        let passes = again && policy_difference(&scenario.id).is_none();
        Self {
            id: scenario.id.clone(),
            about: scenario.about.clone(),
            worlds: worlds.map(|world| world.name().to_owned()).collect(),
            pr741: !has_client || passes || says == Some(Policy::Pr741),
            hardened: !has_client || says != Some(Policy::Pr741),
        }
    }
}

/// A row and how it stands.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// The row.
    pub row: &'a Row,
    /// How it stands.
    pub state: State<'a>,
}

/// How a row stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State<'a> {
    /// Scenarios show it.
    Covered(Vec<&'a Mention>),
    /// Tests of this file show it, no scenario does.
    Tested(&'a str),
    /// Nothing here can show it, for this reason.
    Out(&'a str),
    /// Nothing shows it, and nothing says why.
    Open,
}

impl State<'_> {
    /// Why nothing here can show it.
    pub const fn reason(&self) -> Option<&str> {
        if let Self::Out(reason) = self {
            Some(reason)
        } else {
            None
        }
    }
}

impl State<'_> {
    /// The word of the table: `covered`, `tested`, `out`, `open`.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Covered(_) => "covered",
            Self::Tested(_) => "tested",
            Self::Out(_) => "out",
            Self::Open => "open",
        }
    }
}

/// Something that a scenario and the catalogue disagree on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A scenario names a row that is not there.
    Unknown {
        /// The scenario.
        scenario: String,
        /// What it names.
        row: u16,
        /// The last row that is there.
        last: u16,
    },
    /// A row says that no scenario shows it, and one does.
    Stale {
        /// The row.
        row: u16,
        /// What it says: `test` or `out`.
        key: &'static str,
        /// The scenario that shows it.
        scenario: String,
    },
    /// A row speaks of both companions, and is shown with one of them.
    OneCompanion {
        /// The row.
        row: u16,
        /// The one that no scenario shows it with.
        without: &'static str,
    },
    /// A row says why it is shown with one companion, and is shown with both.
    StaleOne {
        /// The row.
        row: u16,
    },
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown {
                scenario,
                row,
                last,
            } => write!(
                out,
                "{scenario} names row {row:03}; the catalogue has 001 to {last:03}"
            ),
            Self::Stale { row, key, scenario } => write!(
                out,
                "row {row:03} says `{key}`, but {scenario} shows it; take `{key}` away"
            ),
            Self::OneCompanion { row, without } => write!(
                out,
                "row {row:03} is about both companions, and no scenario shows it with {without}; show it, or say why in [one_companion]"
            ),
            Self::StaleOne { row } => write!(
                out,
                "row {row:03} is in [one_companion], but is shown with both or not about both; take it out"
            ),
        }
    }
}

/// How many rows stand how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Shown by scenarios.
    pub covered: usize,
    /// Shown by tests only.
    pub tested: usize,
    /// Out of reach.
    pub out: usize,
    /// Not shown.
    pub open: usize,
}

impl Tally {
    /// Counts lines.
    pub fn of(lines: &[Line<'_>]) -> Self {
        let mut tally = Self::default();
        for line in lines {
            let count = match line.state {
                State::Covered(_) => &mut tally.covered,
                State::Tested(_) => &mut tally.tested,
                State::Out(_) => &mut tally.out,
                State::Open => &mut tally.open,
            };
            *count += 1;
        }
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            covered,
            tested,
            out: away,
            open,
        } = self;
        let all = covered + tested + away + open;
        write!(
            out,
            "{all} rows: {covered} covered by scenarios, {tested} by tests only, {away} out of reach, {open} open"
        )
    }
}

impl Catalogue {
    /// Every row with how it stands, in order.
    pub fn lines<'a>(&'a self, mentions: &'a [Mention]) -> Vec<Line<'a>> {
        let cited: Vec<(Vec<u16>, &Mention)> = mentions
            .iter()
            .map(|mention| (numbers(&mention.about, WORD), mention))
            .collect();
        let line = |row: &'a Row| {
            let showing: Vec<&Mention> = cited
                .iter()
                .filter(|(numbers, _)| numbers.contains(&row.number))
                .map(|(_, mention)| *mention)
                .collect();
            let state = match (&row.test, &row.out) {
                _ if !showing.is_empty() => State::Covered(showing),
                (Some(test), _) => State::Tested(test),
                (None, Some(key)) => State::Out(self.reason(key)),
                (None, None) => State::Open,
            };
            Line { row, state }
        };
        self.rows().iter().map(line).collect()
    }

    /// What scenarios and rows disagree on; nothing when all is well.
    pub fn mistakes(&self, mentions: &[Mention]) -> Vec<Mistake> {
        let last = self.rows().last().map_or(0, |row| row.number);
        let mut mistakes = Vec::new();
        for mention in mentions {
            for number in numbers(&mention.about, WORD) {
                let scenario = mention.id.clone();
                match self.row(number) {
                    None => mistakes.push(Mistake::Unknown {
                        scenario,
                        row: number,
                        last,
                    }),
                    Some(row) => {
                        let key = match (&row.test, &row.out) {
                            (Some(_), _) => "test",
                            (None, Some(_)) => "out",
                            (None, None) => continue,
                        };
                        mistakes.push(Mistake::Stale {
                            row: number,
                            key,
                            scenario,
                        });
                    }
                }
            }
        }
        mistakes.extend(self.companions(mentions));
        mistakes
    }

    /// Rows about both companions that are shown with one of them.
    fn companions(&self, mentions: &[Mention]) -> Vec<Mistake> {
        let one = |line: &Line<'_>| {
            let row = line.row.number;
            let shown = match &line.state {
                State::Covered(mentions) => mentions,
                State::Tested(_) | State::Out(_) | State::Open => return self.not_one(row),
            };
            let without = if !shown.iter().any(|it| it.pr741) {
                "pr741"
            } else if !shown.iter().any(|it| it.hardened) {
                "hardened"
            } else {
                return self.not_one(row);
            };
            if line.row.policy != RowPolicy::Both {
                return self.not_one(row);
            }
            (self.one_companion(row).is_none()).then_some(Mistake::OneCompanion { row, without })
        };
        self.lines(mentions).iter().filter_map(one).collect()
    }

    fn not_one(&self, row: u16) -> Option<Mistake> {
        self.one_companion(row).map(|_| Mistake::StaleOne { row })
    }
}
