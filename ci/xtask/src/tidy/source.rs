//! Rules about source files: sizes, `select!`, to-do notes, the word for a socket.

use crate::tidy::Finding;
use crate::tidy::code::{code_of, comments_of, without_text};
use crate::tidy::tree::{SourceFile, Tree};

/// Longer files are split; most stay under 250.
const MAX_FILE_LINES: usize = 600;

/// Rustfmt keeps code at 100; this holds comments and tables too. Strings do not count: a recorded
/// frame or a golden vector stays in one piece.
const MAX_LINE_CHARACTERS: usize = 160;

/// No Rust file over the hard stop.
pub(crate) fn file_size(tree: &Tree) -> Vec<Finding> {
    let long = tree.rust().filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > MAX_FILE_LINES).then(|| {
            let message = format!("has {lines} lines, at most {MAX_FILE_LINES}");
            Finding::new("file_size", &file.path, 0, message)
        })
    });
    long.collect()
}

/// A scenario may hold a whole frame in one line, but not a page.
const MAX_SCENARIO_LINE_CHARACTERS: usize = 360;

/// No overlong line in Rust or in a scenario.
pub(crate) fn line_length(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree
        .files
        .iter()
        .filter(|file| file.is_rust() || is_scenario(file))
    {
        let counted = if file.is_rust() {
            without_text(&file.text)
        } else {
            file.text.clone()
        };
        let limit = if file.is_rust() {
            MAX_LINE_CHARACTERS
        } else {
            MAX_SCENARIO_LINE_CHARACTERS
        };
        for (number, line) in (1..).zip(counted.lines()) {
            let length = line.chars().count();
            if length > limit {
                let message = format!("{length} characters, at most {limit}");
                findings.push(Finding::new("line_length", &file.path, number, message));
            }
        }
    }
    findings
}

fn is_scenario(file: &SourceFile) -> bool {
    file.path.starts_with("scenarios/suite/") && file.has_extension("toml")
}

/// `select!` without `biased;` polls in random order, and two equal runs differ.
pub(crate) fn biased_select(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let code = code_of(&file.text);
        let mut line = 1;
        let mut rest = code.as_str();
        while let Some((before, after)) = rest.split_once("select!") {
            line += before.matches('\n').count();
            let body = after
                .trim_start()
                .trim_start_matches(['{', '(', '['])
                .trim_start();
            let part_of_a_word = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if !part_of_a_word && !body.starts_with("biased;") {
                findings.push(Finding::new(
                    "biased_select",
                    &file.path,
                    line,
                    "`select!` starts with `biased;`",
                ));
            }
            rest = after;
        }
    }
    findings
}

/// A note for later belongs in an issue, and names it.
pub(crate) fn todo_names_an_issue(tree: &Tree) -> Vec<Finding> {
    // Put together here, so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let mut findings = Vec::new();
    for file in tree.written().filter(|file| !file.has_extension("lock")) {
        let searched = if file.is_rust() {
            comments_of(&file.text)
        } else {
            file.text.clone()
        };
        for (number, line) in (1..).zip(searched.lines()) {
            let marked = words(line).any(|word| marks.contains(&word));
            let names_an_issue = line
                .split('#')
                .skip(1)
                .any(|tail| tail.starts_with(|c: char| c.is_ascii_digit()));
            if marked && !names_an_issue {
                findings.push(Finding::new(
                    "todo_names_an_issue",
                    &file.path,
                    number,
                    "a note for later names its issue",
                ));
            }
        }
    }
    findings
}

/// What a socket is called by those who call it a session.
const SOCKET_WORDS: &[&str] = &[
    "client",
    "conn",
    "connection",
    "gateway",
    "node",
    "operator",
    "peer",
    "socket",
    "stream",
    "tcp",
    "websocket",
    "ws",
];

/// In this protocol a session is a chat session; a socket is a connection (docs/GLOSSARY.md). A file that speaks of
/// chat sessions says so in a comment, and may then call one of them `session`.
pub(crate) fn sockets_are_connections(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let code = code_of(&file.text);
        let comments = comments_of(&file.text);
        let about_chat = comments.to_lowercase().contains("chat session");
        for ((number, code), comment) in (1..).zip(code.lines()).zip(comments.lines()) {
            let named = words(code).any(|word| {
                names_a_socket(word) && !(about_chat && word.eq_ignore_ascii_case("session"))
            });
            let described = describes_a_socket_so(comment);
            if named || described {
                let message = "a socket is a connection; a session is a chat session";
                findings.push(Finding::new(
                    "sockets_are_connections",
                    &file.path,
                    number,
                    message,
                ));
            }
        }
    }
    findings
}

fn names_a_socket(identifier: &str) -> bool {
    let parts = parts_of(identifier);
    let is_chat_word = |part: &String| part == "session" || part == "sessions";
    let alone = parts.len() == 1 && parts.first().is_some_and(|part| part == "session");
    alone
        || (parts.iter().any(is_chat_word)
            && parts
                .iter()
                .any(|part| SOCKET_WORDS.contains(&part.as_str())))
}

fn describes_a_socket_so(comment: &str) -> bool {
    let lower = comment.to_lowercase();
    let all: Vec<_> = words(&lower).collect();
    all.windows(2)
        .any(|pair| matches!(pair, [first, "session"] if SOCKET_WORDS.contains(first)))
}

/// `OpenSocket` and `open_socket` are both `["open", "socket"]`.
fn parts_of(identifier: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    let mut start_new = true;
    for character in identifier.chars() {
        if character == '_' {
            start_new = true;
            continue;
        }
        start_new |= character.is_uppercase() && identifier.contains(char::is_lowercase);
        match parts.last_mut() {
            Some(part) if !start_new => part.extend(character.to_lowercase()),
            _ => parts.push(character.to_lowercase().collect()),
        }
        start_new = false;
    }
    parts
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
}
