//! `cargo xtask tidy`: the house rules that no compiler knows. Also a test, so nobody has to remember it.
//!
//! - [`tree`]: the files of the workspace, as values.
//! - [`code`]: Rust source with its strings and comments blanked.
//! - [`arrows`]: who may depend on whom.
//! - [`bans`]: the pure crates forbid at least what the root forbids.
//! - [`source`]: sizes, `select!`, to-do notes, the word for a socket.
//! - [`text`]: dashes, machine paths, package hosts, pinned actions, links.
//! - [`suite`]: scenarios and crate pages.

pub(crate) mod arrows;
mod bans;
mod code;
mod source;
mod suite;
mod text;
pub(crate) mod tree;

use std::fmt;
use std::path::Path;

use crate::error::XtaskError;
use crate::tidy::tree::Tree;
use crate::{generate, ledger, print};

/// One broken rule, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) rule: &'static str,
    pub(crate) path: String,
    /// From 1; 0 means the whole file.
    pub(crate) line: usize,
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn new(
        rule: &'static str,
        path: &str,
        line: usize,
        message: impl Into<String>,
    ) -> Self {
        Self {
            rule,
            path: path.to_owned(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}: {}", self.path, self.rule, self.message),
            line => write!(f, "{}:{line}: {}: {}", self.path, self.rule, self.message),
        }
    }
}

/// A rule over the files of the workspace.
type Check = fn(&Tree) -> Vec<Finding>;

/// Every rule over files, by name. Each has a violating example in the tests below.
const CHECKS: &[(&str, Check)] = &[
    ("file_size", source::file_size),
    ("line_length", source::line_length),
    ("biased_select", source::biased_select),
    ("todo_names_an_issue", source::todo_names_an_issue),
    ("sockets_are_connections", source::sockets_are_connections),
    ("bans_are_a_superset", bans::superset),
    ("no_em_dash", text::no_em_dash),
    ("no_machine_path", text::no_machine_path),
    ("no_package_host", text::no_package_host),
    ("actions_are_pinned", text::actions_are_pinned),
    ("links_lead_somewhere", text::links_lead_somewhere),
    ("scenario_has_about", suite::scenario_has_about),
    ("scenario_id_is_its_path", suite::scenario_id_is_its_path),
    ("crate_page", suite::crate_page),
    ("shard_lists_what_is_there", generate::shards::deleted),
    ("fault_has_self_test", suite::fault_has_self_test),
    ("ledger", ledger::findings),
    ("protocol_notes_are_shown", suite::protocol_notes_are_shown),
];

/// Prints every finding; fails when there is one.
pub(crate) fn run(root: &Path) -> Result<(), XtaskError> {
    let findings = findings(root)?;
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

/// All findings of all rules, in a stable order.
fn findings(root: &Path) -> Result<Vec<Finding>, XtaskError> {
    let tree = Tree::load(root)?;
    let mut findings: Vec<_> = CHECKS.iter().flat_map(|(_, check)| check(&tree)).collect();
    findings.extend(arrows::check(&arrows::metadata(root)?));
    findings.extend(generate::findings(&tree));
    findings.sort_by(|a, b| (&a.path, a.line, a.rule).cmp(&(&b.path, b.line, b.rule)));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use rstest::rstest;

    use super::*;

    fn tree_of(files: &[(&str, &str)]) -> Tree {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            File::create(path)
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
        }
        Tree::load(folder.path()).unwrap()
    }

    fn check(name: &str) -> Check {
        CHECKS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, check)| *check)
            .unwrap()
    }

    fn every_fault() -> String {
        let names: Vec<_> = link::FAULTS.iter().map(|row| row.name.as_str()).collect();
        names.join("\n")
    }

    fn every_row() -> String {
        format!("{:?}", ledger::rows())
    }

    const ROOT_BANS: &str = "disallowed-methods = [{ path = \"std::fs::write\", reason = \"r\" }]";

    /// Each row: rule, files that obey it, files that break it, the line of the first finding.
    const SHARD: &str = "scenarios/shards/setup-connect.toml";
    const SCENARIO: (&str, &str) = (
        "scenarios/suite/setup-connect/a.toml",
        "title = \"t\"\nabout = \"a\"\nworlds = [\"core\"]\n[actor.raw]\nkind = \"raw\"\n[[step]]\nstart = \"raw\"\n",
    );

    #[rstest]
    #[case("file_size", &[("a/src/lib.rs", &*"\n".repeat(600))], &[("a/src/lib.rs", &*"\n".repeat(601))], 0)]
    #[case("line_length", &[("a/src/lib.rs", &*format!("{}\"{}\"", "x".repeat(160), "y".repeat(99)))], &[("a/src/lib.rs", &*format!("\n{}", "x".repeat(161)))], 2)]
    #[case("biased_select", &[("a.rs", "tokio::select! {\n    biased;\n    _ = x => {} }")], &[("a.rs", "\ntokio::select! {\n    _ = x => {} }")], 2)]
    #[case("biased_select", &[("a.rs", "// select! { in a comment }\nlet s = \"select! { }\";")], &[("a.rs", "select!(a => b)")], 1)]
    #[case("todo_names_an_issue", &[("a.rs", concat!("// TO", "DO(#12): later"))], &[("a.rs", concat!("// TO", "DO: later"))], 1)]
    #[case("todo_names_an_issue", &[("a.rs", "fn todoist() {}")], &[("ci/run", concat!("# FIX", "ME"))], 1)]
    #[case("sockets_are_connections", &[("a.rs", "let chat_session_key = 1; // a chat session")], &[("a.rs", "struct GatewaySession;")], 1)]
    #[case("sockets_are_connections", &[("a.rs", "/// A chat session.\nlet session = 1;")], &[("a.rs", "/// A chat.\nlet session = 1;")], 2)]
    #[case("sockets_are_connections", &[("a.rs", "call(\"sessions.list\");")], &[("a.rs", "/// One per WebSocket session.")], 1)]
    #[case("bans_are_a_superset", &[("clippy.toml", ROOT_BANS), ("a/clippy.toml", ROOT_BANS)], &[("clippy.toml", ROOT_BANS), ("a/clippy.toml", "disallowed-methods = []")], 0)]
    #[case("no_em_dash", &[("README.md", "a - b")], &[("README.md", "a \u{2014} b")], 1)]
    #[case("no_machine_path", &[("a.rs", "/usr/bin/env")], &[("a.rs", concat!("\n// see /wo", "rk/main"))], 2)]
    #[case("no_package_host", &[("a.md", "from the npm registry")], &[("a.md", concat!("registry.npm", "js.org"))], 1)]
    #[case("actions_are_pinned", &[(".github/workflows/ci.yml", "uses: actions/checkout@0123456789abcdef0123456789abcdef01234567 # v5")], &[(".github/workflows/ci.yml", "uses: actions/checkout@v5")], 1)]
    #[case("links_lead_somewhere", &[("docs/a.md", "[b](../b/#c) [x](https://x.y)"), ("b/c.txt", "")], &[("docs/a.md", "[b](b.md)")], 1)]
    #[case("scenario_has_about", &[("scenarios/suite/a/b.toml", "title = \"t\"\nabout = \"#1\"")], &[("scenarios/suite/a/b.toml", "title = \"t\"")], 0)]
    #[case("scenario_id_is_its_path", &[("scenarios/suite/a/b-c.toml", "title = \"t\"")], &[("scenarios/suite/a/B_c.toml", "title = \"t\"")], 0)]
    #[case("scenario_id_is_its_path", &[("scenarios/suite/a/b.toml", "id = \"a/b\"")], &[("scenarios/suite/a/b.toml", "id = \"a/c\"")], 0)]
    #[case("crate_page", &[("a/Cargo.toml", "[package]\nname = \"n\""), ("a/README.md", "# n\n\nThe n of m.\n")], &[("a/Cargo.toml", "[package]\nname = \"n\"")], 0)]
    #[case("crate_page", &[("ci/Cargo.toml", "[workspace]")], &[("a/Cargo.toml", "[package]\nname = \"n\""), ("a/README.md", "# other\n")], 0)]
    #[case("shard_lists_what_is_there", &[(SHARD, "[must_pass]\n"), SCENARIO], &[(SHARD, "\n[must_pass]\n\"setup-connect/a\" = [\"core\"]\n\"setup-connect/b\" = [\"core\"]"), SCENARIO], 4)]
    #[case("shard_lists_what_is_there", &[(SHARD, "[must_pass]\n\"setup-connect/a\" = [\"core\"]"), SCENARIO], &[(SHARD, "[must_pass]\n\"setup-connect/a\" = [\"core\", \"memory\"]"), SCENARIO], 2)]
    #[case("ledger", &[("scenarios/suite/a/b.toml", &*every_row())], &[("scenarios/suite/a/b.toml", "connect")], 0)]
    #[case("protocol_notes_are_shown", &[("docs/protocol.md", "- x [flow: a/b]"), ("scenarios/conform/flows/a/b.toml", ""), ("scenarios/conform/golden/1/a/b.jsonl", "")], &[("docs/protocol.md", "\n- x [flow: a/b]")], 2)]
    #[case("protocol_notes_are_shown", &[("docs/protocol.md", "text")], &[("docs/protocol.md", "- nobody shows this")], 1)]
    #[case("fault_has_self_test", &[("mock-gateway/link/tests/a.rs", &*every_fault())], &[("mock-gateway/link/tests/a.rs", "refuse")], 0)]
    fn every_rule_can_be_obeyed_and_broken(
        #[case] name: &str,
        #[case] tidy: &[(&str, &str)],
        #[case] untidy: &[(&str, &str)],
        #[case] line: usize,
    ) {
        assert_eq!(check(name)(&tree_of(tidy)), []);
        let findings = check(name)(&tree_of(untidy));
        assert_eq!(
            findings.first().map(|finding| (finding.rule, finding.line)),
            Some((name, line))
        );
    }

    #[test]
    fn the_workspace_is_tidy() {
        let findings = findings(&crate::workspace_root()).unwrap();
        let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{}", lines.join("\n"));
    }
}
