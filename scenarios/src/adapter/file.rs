//! `adapter.toml`: how a foreign client is started, told something, and stopped.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde::Deserialize;

use super::placeholder;
use crate::scenario::{Lapse, Located, Problem, Problems};

/// What an `adapter.toml` says.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterFile {
    /// What the client is, in a few words.
    pub title: String,
    /// Where it comes from: a page of the reference, a package, an address.
    #[serde(default)]
    pub about: String,
    /// What it can do; compared with what scenarios need.
    pub capabilities: Vec<String>,
    /// Whether it runs until it is stopped. A one-shot command ends by itself.
    #[serde(default = "yes")]
    pub stays: bool,
    /// Whether it serves the companion's tools over MCP, and says where in a line of its output:
    /// `{"type": "ready", "mcp": {"url": "http://127.0.0.1:1/mcp", "tokenFile": "/path"}}`.
    #[serde(default)]
    pub mcp: bool,
    /// Whether `{state}` is a companion's data directory: credentials are put there before it starts, and looked at later.
    #[serde(default)]
    pub keeps_state: bool,
    /// How much longer than our own client it may take: every `within` is multiplied by it.
    #[serde(default = "once")]
    pub patience: Located<f64>,
    /// Releases of it, the default one first.
    #[serde(default, rename = "version")]
    pub versions: Vec<VersionRow>,
    /// Prints its version in the first line.
    #[serde(default)]
    pub version_command: Vec<Located<String>>,
    /// Environment variables besides `HOME`, `PATH`, `LANG`, `TERM` and `NO_COLOR`; nothing else is handed on.
    #[serde(default)]
    pub environment: IndexMap<String, Located<String>>,
    /// Files that are there before it starts, by their path below `{home}`.
    #[serde(default)]
    pub files: IndexMap<String, Located<String>>,
    /// How it is started.
    pub start: StartRow,
    /// How it is stopped.
    #[serde(default)]
    pub stop: StopRow,
    /// How it is told what its user wants, by the intents of scenarios.
    #[serde(default)]
    pub action: BTreeMap<String, Located<ActionRow>>,
}

const fn yes() -> bool {
    true
}

const fn once() -> Located<f64> {
    Located::nowhere(1.0)
}

/// One release of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionRow {
    /// As in `--client NAME@VERSION`.
    pub name: String,
    /// The component of `clawproof fetch` that it is in; its packages are `{npm}`, and node is `{node}`.
    #[serde(default)]
    pub packages: Option<String>,
    /// Capabilities that this release does not have.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// A component that drives it; its packages are `{tools}`.
    #[serde(default)]
    pub tools: Option<String>,
    /// The gateway profile that its scenarios run against, unless they say otherwise.
    #[serde(default)]
    pub profile: Option<String>,
}

/// How a client is started.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartRow {
    /// Program and arguments.
    pub command: Vec<Located<String>>,
    /// Further arguments, left out when the client holds no token.
    #[serde(default)]
    pub with_token: Vec<Located<String>>,
    /// Further arguments, left out when the scenario gives it no node role.
    #[serde(default)]
    pub with_node: Vec<Located<String>>,
    /// It has opened a connection by then, else it did not start.
    #[serde(default = "a_minute")]
    pub ready_within: Lapse,
}

const fn a_minute() -> Lapse {
    Lapse::seconds(60)
}

/// How a client is stopped.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StopRow {
    /// Written to its standard input first.
    pub stdin: Option<String>,
    /// `TERM`, `INT` or `HUP`, to the program itself.
    pub signal: Located<String>,
    /// Its whole process group is killed after this.
    pub within: Lapse,
}

impl Default for StopRow {
    fn default() -> Self {
        Self {
            stdin: None,
            signal: Located::nowhere("TERM".to_owned()),
            within: Lapse::seconds(5),
        }
    }
}

/// One thing that the client can be told. Exactly one of `command` and `stdin` is given.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActionRow {
    /// A program that does it, beside the one that runs.
    pub command: Vec<Located<String>>,
    /// Further arguments of `command`, left out when the client holds no token.
    pub with_token: Vec<Located<String>>,
    /// A text for the standard input of the one that runs.
    pub stdin: Option<Located<String>>,
}

/// Reads an adapter and checks it; `file` names it in messages.
pub fn parse(file: &str, text: &str) -> Result<AdapterFile, Problems> {
    let problems = |list| Problems {
        file: file.to_owned(),
        text: text.to_owned(),
        list,
    };
    let adapter: AdapterFile = toml::from_str(text)
        .map_err(|error| problems(vec![crate::scenario::explain(&error, text)]))?;
    let found = check(&adapter);
    if found.is_empty() {
        Ok(adapter)
    } else {
        Err(problems(found))
    }
}

/// What intents can be told to a client, and the placeholders of each.
const ACTIONS: &[(&str, &[&str])] = &[
    ("request", &["method", "params"]),
    ("chat", &["text"]),
    ("approve", &["kind", "request_id"]),
    ("reject", &["kind", "request_id"]),
    ("apply_setup_code", &["setup_code"]),
    ("node_event", &["method", "params"]),
    ("run", &["words"]),
    ("connect", &[]),
    ("disconnect", &[]),
    ("reconnect", &[]),
    ("reconnect_node", &[]),
    ("connect_shared_token", &["url", "token"]),
];

fn check(adapter: &AdapterFile) -> Vec<Problem> {
    let mut problems = Vec::new();
    if adapter.start.command.is_empty() {
        problems.push(
            Problem::error("adapter::no_command", "`start` has no command".to_owned())
                .help("command = [\"program\", \"--url\", \"{url}\"]"),
        );
    }
    if !(1.0..=60.0).contains(&adapter.patience.value) {
        problems.push(
            Problem::error(
                "adapter::patience",
                format!("patience is {}", adapter.patience.value),
            )
            .at(adapter.patience.at.clone())
            .help("a factor from 1 to 60"),
        );
    }
    if !["TERM", "INT", "HUP"].contains(&adapter.stop.signal.value.as_str()) {
        problems.push(
            Problem::error(
                "adapter::signal",
                format!("no signal is called {:?}", adapter.stop.signal.value),
            )
            .at(adapter.stop.signal.at.clone())
            .help("TERM, INT or HUP"),
        );
    }
    for (name, action) in &adapter.action {
        problems.extend(check_action(name, action));
    }
    let usual = adapter
        .start
        .command
        .iter()
        .chain(&adapter.start.with_token)
        .chain(&adapter.start.with_node)
        .chain(&adapter.version_command)
        .chain(adapter.environment.values())
        .chain(adapter.files.values());
    problems.extend(usual.filter_map(|text| placeholders(text, &[])));
    problems
}

fn check_action(name: &str, action: &Located<ActionRow>) -> Vec<Problem> {
    let Some((_, own)) = ACTIONS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = ACTIONS.iter().map(|(known, _)| *known).collect();
        let problem = Problem::error(
            "adapter::unknown_action",
            format!("no scenario tells a client to {name}"),
        );
        return vec![
            problem
                .at(action.at.clone())
                .help(format!("the actions are {}", known.join(", "))),
        ];
    };
    let mut problems = Vec::new();
    if action.command.is_empty() == action.stdin.is_none() {
        problems.push(
            Problem::error(
                "adapter::exactly_one",
                format!("action {name} needs `command` or `stdin`, and not both"),
            )
            .at(action.at.clone())
            .help("`command` starts a program, `stdin` writes to the one that runs"),
        );
    }
    let texts = action
        .command
        .iter()
        .chain(&action.with_token)
        .chain(&action.stdin);
    problems.extend(texts.filter_map(|text| placeholders(text, own)));
    problems
}

/// The first placeholder that nobody fills.
fn placeholders(text: &Located<String>, own: &[&str]) -> Option<Problem> {
    let unknown = placeholder::names(&text.value)
        .find(|name| !placeholder::USUAL.contains(name) && !own.contains(name))?;
    let all: Vec<String> = own
        .iter()
        .chain(placeholder::USUAL)
        .map(|name| format!("{{{name}}}"))
        .collect();
    let problem = Problem::error(
        "adapter::unknown_placeholder",
        format!("nothing fills {{{unknown}}}"),
    );
    Some(
        problem
            .at(text.at.clone())
            .help(format!("there are {}", all.join(" "))),
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const GOOD: &str = "title = \"x\"\ncapabilities = []\n[start]\ncommand = [\"c\", \"{url}\"]\n";

    #[test]
    fn the_least_adapter_is_four_lines() {
        let adapter = parse("adapter.toml", GOOD).unwrap();
        assert!(adapter.stays);
        assert_eq!(adapter.stop.signal.value, "TERM");
    }

    #[rstest]
    #[case::field(
        "title = \"x\"\ncapabilities = []\nstrat = 1\n",
        3,
        "unknown field `strat`"
    )]
    #[case::placeholder(
        "title = \"x\"\ncapabilities = []\n[start]\ncommand = [\"c\", \"{uri}\"]\n",
        4,
        "nothing fills {uri}"
    )]
    #[case::action(
        "title = \"x\"\ncapabilities = []\n[start]\ncommand = [\"c\"]\n[action.fly]\nstdin = \"x\"\n",
        5,
        "no scenario tells a client to fly"
    )]
    #[case::both(
        "title = \"x\"\ncapabilities = []\n[start]\ncommand = [\"c\"]\n[action.chat]\nstdin = \"x\"\ncommand = [\"y\"]\n",
        5,
        "and not both"
    )]
    #[case::signal(
        "title = \"x\"\ncapabilities = []\n[start]\ncommand = [\"c\"]\n[stop]\nsignal = \"KILL\"\n",
        6,
        "no signal is called \"KILL\""
    )]
    #[case::patience(
        "title = \"x\"\ncapabilities = []\npatience = 0.5\n[start]\ncommand = [\"c\"]\n",
        3,
        "patience is 0.5"
    )]
    fn mistakes_are_told_with_their_line(
        #[case] text: &str,
        #[case] line: usize,
        #[case] says: &str,
    ) {
        let told = parse("adapter.toml", text).unwrap_err().to_string();
        assert!(told.contains(says), "{told}");
        assert!(
            told.starts_with(&format!("adapter.toml:{line}: ")),
            "{told}"
        );
    }
}
