//! `cargo xtask ledger`: every row of the registries, and where it is shown.
//!
//! A row that only its registry knows is a promise without proof. It is shown when a scenario, a test or a recording
//! of a real gateway names it; `ci/ledger.toml` lists the rows for which none does, each with its reason. A gap
//! without a reason is a finding of tidy, and so is a reason for a row that is shown by now.
//!
//! - [`rows`]: what has to be shown. [`Ledger`]: who names it.
//! - [`findings`]: the rule of tidy. [`page`]: the page of the reference. [`run`]: everything, with files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gateway_protocol::close::CLOSE_CODES;
use gateway_protocol::event::events;
use gateway_protocol::method::methods;
use gateway_protocol::{DetailCode, ErrorCode};
use link::FAULTS;
use scenarios::judge::invariant::REGISTRY;
use serde::Deserialize;

use crate::error::XtaskError;
use crate::generate::Page;
use crate::generate::table::{code, table};
use crate::print;
use crate::tidy::Finding;
use crate::tidy::tree::{SourceFile, Tree};

/// Where gaps are explained.
const GAPS: &str = "ci/ledger.toml";

const RULE: &str = "ledger";

/// Methods of the connection and pairing surface: these names, and everything below those that end with a dot. All
/// others are answered with synthetic results and checked against the published schema.
const SURFACE: &[&str] = &[
    "connect",
    "health",
    "status",
    "system-presence",
    "device.",
    "node.",
];

/// The files that hold the registries themselves; naming a row there shows nothing.
const REGISTRIES: &[&str] = &[
    "mock-gateway/protocol/src/close.rs",
    "mock-gateway/protocol/src/error.rs",
    "mock-gateway/protocol/src/event.rs",
    "mock-gateway/protocol/src/method.rs",
    "mock-gateway/link/src/fault.rs",
];

/// Something that a registry promises.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    registry: &'static str,
    name: String,
}

/// Who names a row.
#[derive(Debug, Default)]
struct Evidence<'a> {
    scenarios: Vec<&'a str>,
    tests: Vec<&'a str>,
    recordings: Vec<&'a str>,
    code: Vec<&'a str>,
}

/// The file of gaps.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gaps {
    #[serde(default)]
    gap: Vec<Gap>,
}

/// A row that nothing shows, and why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Gap {
    registry: String,
    name: String,
    reason: String,
}

/// All rows, each with its evidence and its reason, if it has one.
struct Ledger<'a> {
    rows: BTreeMap<Row, Evidence<'a>>,
    gaps: Gaps,
    /// Why the file of gaps can't be read.
    unreadable: Option<String>,
}

/// Every row that has to be shown.
pub(crate) fn rows() -> Vec<Row> {
    let row = |registry: &'static str| move |name: String| Row { registry, name };
    let on_surface = |name: &str| {
        SURFACE
            .iter()
            .any(|known| *known == name || (known.ends_with('.') && name.starts_with(known)))
    };
    let methods = methods().iter().map(|row| row.name);
    let events = events().iter().filter(|row| !row.doc.is_empty());
    let errors = ErrorCode::ALL.iter().map(|row| row.as_str().to_owned());
    let details = DetailCode::ALL.iter().map(|row| row.as_str().to_owned());
    let faults = FAULTS.iter().map(|row| row.name.as_str().to_owned());
    let invariants = REGISTRY.iter().map(|row| row.name.to_owned());
    let closes = CLOSE_CODES.iter().map(|row| row.code.to_string());
    methods
        .filter(|name| on_surface(name))
        .map(|name| row("method")(name.to_owned()))
        .chain(events.map(|event| row("event")(event.name.to_owned())))
        .chain(errors.map(row("error code")))
        .chain(details.map(row("error detail")))
        .chain(closes.map(row("close code")))
        .chain(faults.map(row("fault")))
        .chain(invariants.map(row("invariant")))
        .collect()
}

impl<'a> Ledger<'a> {
    fn of(tree: &'a Tree) -> Self {
        let rows = rows();
        let mut found: BTreeMap<Row, Evidence<'a>> = rows
            .iter()
            .map(|row| (row.clone(), Evidence::default()))
            .collect();
        let mut spellings: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        for row in &rows {
            for spelling in [row.name.clone(), camel(&row.name)] {
                spellings.entry(spelling).or_default().push(row);
            }
        }
        for file in &tree.files {
            for (part, text) in parts(file) {
                let named: BTreeSet<&Row> = words(text)
                    .filter_map(|word| spellings.get(word))
                    .flatten()
                    .copied()
                    .collect();
                for row in named {
                    if let Some(evidence) = found.get_mut(row) {
                        evidence.add(part, &file.path);
                    }
                }
            }
        }
        let text = tree.file(GAPS).map_or("", |file| file.text.as_str());
        let (gaps, unreadable) = match toml::from_str(text) {
            Ok(gaps) => (gaps, None),
            Err(error) => (Gaps::default(), Some(error.to_string())),
        };
        Self {
            rows: found,
            gaps,
            unreadable,
        }
    }

    fn reason(&self, row: &Row) -> Option<&str> {
        let gap = self
            .gaps
            .gap
            .iter()
            .find(|gap| gap.registry == row.registry && gap.name == row.name)?;
        Some(gap.reason.trim()).filter(|reason| !reason.is_empty())
    }
}

/// What kind of evidence a text is.
#[derive(Clone, Copy)]
enum Part {
    Scenario,
    Test,
    Recording,
    Code,
}

/// The parts of a file that count for something.
fn parts(file: &SourceFile) -> Vec<(Part, &str)> {
    let path = file.path.as_str();
    if path.starts_with("scenarios/suite/") {
        return vec![(Part::Scenario, &file.text)];
    }
    if path.contains("/recordings/") {
        return vec![(Part::Recording, &file.text)];
    }
    if !file.is_rust() || REGISTRIES.contains(&path) || path.starts_with("ci/") {
        return Vec::new();
    }
    if path.contains("/tests/") || path.ends_with("tests.rs") {
        return vec![(Part::Test, &file.text)];
    }
    match file.text.split_once("#[cfg(test)]\nmod tests {") {
        Some((code, tests)) => vec![(Part::Code, code), (Part::Test, tests)],
        None => vec![(Part::Code, &file.text)],
    }
}

/// Names as they stand in any language: letters, digits, and what names are joined with.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '_' | '-'))
        .map(|word| word.trim_matches(['.', '-']))
}

/// `AUTH_TOKEN_MISMATCH` and `late_fin` as the variants of an enum that they are in Rust.
fn camel(name: &str) -> String {
    let parts = name.split(['_', '-']).map(|part| {
        let mut chars = part.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first
            .into_iter()
            .chain(chars.map(|c| c.to_ascii_lowercase()))
    });
    parts.flatten().collect()
}

impl<'a> Evidence<'a> {
    fn add(&mut self, part: Part, path: &'a str) {
        match part {
            Part::Scenario => self.scenarios.push(path),
            Part::Test => self.tests.push(path),
            Part::Recording => self.recordings.push(path),
            Part::Code => self.code.push(path),
        }
    }

    fn is_shown(&self) -> bool {
        !(self.scenarios.is_empty() && self.tests.is_empty() && self.recordings.is_empty())
    }

    /// `scenario, test`, or nothing.
    fn kinds(&self) -> String {
        let kinds = [
            ("scenario", &self.scenarios),
            ("test", &self.tests),
            ("recording", &self.recordings),
        ];
        let shown = kinds.iter().filter(|(_, files)| !files.is_empty());
        shown.map(|(kind, _)| *kind).collect::<Vec<_>>().join(", ")
    }
}

/// Rows that nothing shows without a reason, and reasons for nothing.
pub(crate) fn findings(tree: &Tree) -> Vec<Finding> {
    let ledger = Ledger::of(tree);
    if let Some(error) = &ledger.unreadable {
        return vec![Finding::new(RULE, GAPS, 0, error.clone())];
    }
    let mut findings = Vec::new();
    for (row, evidence) in &ledger.rows {
        if !evidence.is_shown() && ledger.reason(row).is_none() {
            let message = format!(
                "{} {}: no scenario, test or recording names it, and no gap here says why",
                row.registry, row.name
            );
            findings.push(Finding::new(RULE, GAPS, 0, message));
        }
    }
    for gap in &ledger.gaps.gap {
        let row = ledger
            .rows
            .iter()
            .find(|(row, _)| row.registry == gap.registry && row.name == gap.name);
        let problem = match row {
            None => "no registry has this row",
            Some((_, evidence)) if evidence.is_shown() => "it is shown: take the gap away",
            Some(_) if gap.reason.trim().is_empty() => "the reason is empty",
            Some(_) => continue,
        };
        let message = format!("{} {}: {problem}", gap.registry, gap.name);
        findings.push(Finding::new(RULE, GAPS, 0, message));
    }
    findings
}

/// The page of the reference. It says which kinds of evidence there are, not which files: those change daily.
pub(crate) fn page(tree: &Tree) -> Page {
    let ledger = Ledger::of(tree);
    let rows = ledger.rows.iter().map(|(row, evidence)| {
        let shown = if evidence.is_shown() {
            evidence.kinds()
        } else {
            format!(
                "nothing: {}",
                ledger.reason(row).unwrap_or("no reason given")
            )
        };
        [row.registry.to_owned(), code(&row.name), shown]
    });
    Page::reference(
        "docs/reference/ledger.md",
        "Ledger",
        "Every row of the registries of the connection and pairing surface, and what shows that it is true. Reasons for gaps\n\
         stand in `ci/ledger.toml`; `cargo xtask ledger` names the files.",
        &table(["registry", "row", "shown by"], rows),
    )
}

/// Prints every row with the files that name it.
pub(crate) fn run(root: &Path) -> Result<(), XtaskError> {
    let tree = Tree::load(root)?;
    let ledger = Ledger::of(&tree);
    let mut gaps = 0;
    for (row, evidence) in &ledger.rows {
        print(&format!("{} {}", row.registry, row.name))?;
        let lists = [
            ("scenario", &evidence.scenarios),
            ("test", &evidence.tests),
            ("recording", &evidence.recordings),
            ("code", &evidence.code),
        ];
        for (kind, files) in lists {
            for file in files.iter().take(SHOWN_FILES) {
                print(&format!("  {kind:<9}  {file}"))?;
            }
            if let Some(more) = files
                .len()
                .checked_sub(SHOWN_FILES)
                .filter(|more| *more > 0)
            {
                print(&format!("  {kind:<9}  and {more} more"))?;
            }
        }
        if !evidence.is_shown() {
            gaps += 1;
            let reason = ledger.reason(row).unwrap_or("no reason given");
            print(&format!("  gap        {reason}"))?;
        }
    }
    print(&format!("{} rows, {gaps} gaps", ledger.rows.len()))?;
    let findings = findings(&tree);
    for finding in &findings {
        print(&finding.to_string())?;
    }
    if findings.is_empty() {
        Ok(())
    } else {
        Err(XtaskError::Untidy {
            count: findings.len(),
        })
    }
}

/// Files of one kind that are named for one row.
const SHOWN_FILES: usize = 5;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn tree(files: &[(&str, String)]) -> Tree {
        let file = |(path, text): &(&str, String)| SourceFile {
            path: (*path).to_owned(),
            text: text.clone(),
        };
        Tree {
            files: files.iter().map(file).collect(),
            ..Tree::default()
        }
    }

    /// Names every row but one.
    fn all_but(left_out: &str) -> String {
        let names = rows().into_iter().map(|row| row.name);
        names
            .filter(|name| name != left_out)
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn gap(name: &str, reason: &str) -> String {
        format!("[[gap]]\nregistry = \"close code\"\nname = \"{name}\"\nreason = \"{reason}\"\n")
    }

    const SCENARIO: &str = "scenarios/suite/a/b.toml";

    /// A row is shown, or its gap has a reason; anything else is told.
    #[rstest]
    #[case::all_shown(all_but(""), String::new(), None)]
    #[case::explained(all_but("1013"), gap("1013", "not yet"), None)]
    #[case::missing(all_but("1013"), String::new(), Some("no gap here says why"))]
    #[case::reasonless(all_but("1013"), gap("1013", " "), Some("no gap here says why"))]
    #[case::stale(all_but(""), gap("1013", "not yet"), Some("take the gap away"))]
    #[case::unknown(all_but(""), gap("77", "not yet"), Some("no registry has this row"))]
    #[case::garbage(all_but(""), "gap = 1".to_owned(), Some("invalid type"))]
    fn gaps_are_kept_in_order(
        #[case] scenario: String,
        #[case] gaps: String,
        #[case] expected: Option<&str>,
    ) {
        let findings = findings(&tree(&[(SCENARIO, scenario), (GAPS, gaps)]));
        match expected {
            None => assert_eq!(findings, []),
            Some(text) => assert!(findings[0].message.contains(text), "{findings:?}"),
        }
    }

    #[rstest]
    #[case("AUTH_TOKEN_MISMATCH", "AuthTokenMismatch")]
    #[case("late_fin", "LateFin")]
    #[case("connect.challenge", "Connect.challenge")]
    fn names_as_variants(#[case] name: &str, #[case] variant: &str) {
        assert_eq!(camel(name), variant);
    }

    /// A longer name does not show a shorter one, and a registry shows nothing of itself.
    #[rstest]
    #[case("scenarios/suite/a.toml", "code = 1013", true)]
    #[case("scenarios/suite/a.toml", "port = 10130", false)]
    #[case("a/src/lib.rs", "1013", false)]
    #[case("a/src/lib.rs", "#[cfg(test)]\nmod tests {\n1013 }", true)]
    #[case("a/tests/x.rs", "close(1013).", true)]
    #[case("mock-gateway/core/recordings/x.jsonl", "1013", true)]
    #[case(
        "mock-gateway/protocol/src/close.rs",
        "#[cfg(test)]\nmod tests {\n1013 }",
        false
    )]
    fn what_shows_a_row(#[case] path: &str, #[case] text: &str, #[case] shown: bool) {
        let tree = tree(&[(path, text.to_owned())]);
        let ledger = Ledger::of(&tree);
        let row = Row {
            registry: "close code",
            name: "1013".to_owned(),
        };
        assert_eq!(ledger.rows[&row].is_shown(), shown);
    }
}
