//! `clawproof explain`: one word, everything the registries know of it.

use std::fmt::Write as _;

use gateway_protocol::close::close_row;
use gateway_protocol::event::event_row;
use gateway_protocol::method::{Authority, method_row};
use gateway_protocol::{DetailCode, ErrorCode};
use link::FAULTS;

use super::args::ExplainArgs;
use super::exit::Exit;
use super::library;
use super::print::{out, say};
use crate::judge::invariant;
use crate::scenario::{Scenario, WorldName};

pub(super) fn explain(args: &ExplainArgs) -> Exit {
    let word = args.word.trim();
    let mut found: Vec<String> = [
        error_code,
        detail_code,
        close_code,
        an_invariant,
        fault,
        exit,
        method,
        event,
        profile,
    ]
    .into_iter()
    .filter_map(|registry| registry(word))
    .collect();
    if found.is_empty() || word.contains('/') {
        match library::scenarios(args.suite.as_deref()) {
            Ok(scenarios) => {
                let named = scenarios.iter().filter(|scenario| scenario.id == word);
                found.extend(named.map(|one| scenario(one)));
            }
            Err(exit) => return exit,
        }
    }
    if found.is_empty() {
        say(format_args!("error: nothing is called '{word}'"));
        say(
            "hint: an error code (AUTH_TOKEN_MISMATCH), close code (1012), invariant (seq_only_grows), fault (blackhole), method (node.invoke), event (tick), exit code (22), profile (2026.9.6) or scenario id",
        );
        return Exit::NothingSelected;
    }
    out(found.join("\n\n"));
    Exit::Passed
}

fn error_code(word: &str) -> Option<String> {
    let code = ErrorCode::parse(word)?;
    Some(format!("{code}: error code (error.code)\n  {}", code.doc()))
}

fn detail_code(word: &str) -> Option<String> {
    let code = DetailCode::parse(word)?;
    Some(format!(
        "{code}: detail code (error.details.code)\n  {}",
        code.doc()
    ))
}

fn close_code(word: &str) -> Option<String> {
    let row = close_row(word.parse().ok()?)?;
    let reasons: Vec<String> = row
        .reasons
        .iter()
        .map(|reason| format!("{reason:?}"))
        .collect();
    Some(format!(
        "{}: WebSocket close code, sent by: {}\n  {}\n  reasons seen: {}",
        row.code,
        row.sender,
        row.doc,
        reasons.join(", ")
    ))
}

fn an_invariant(word: &str) -> Option<String> {
    let row = invariant::named(word.strip_prefix("invariant:").unwrap_or(word))?;
    Some(format!(
        "{}: invariant, holds in every run\n  {}\n  source: {}\n  broken on purpose by: {}\n  to break it in one scenario: allow = {{ {} = \"why\" }}",
        row.name, row.doc, row.source, row.mutant, row.name
    ))
}

fn fault(word: &str) -> Option<String> {
    let row = FAULTS.iter().find(|row| row.name.as_str() == word)?;
    let params = if row.params.is_empty() {
        "none".to_owned()
    } else {
        row.params.join(", ")
    };
    Some(format!(
        "{}: fault of the wire\n  {}\n  the client sees: {}\n  on heal: {}\n  parameters: {params}",
        row.name, row.doc, row.client_sees, row.on_heal
    ))
}

fn exit(word: &str) -> Option<String> {
    let exit = Exit::from_code(word.parse().ok()?)?;
    Some(format!(
        "{}: exit code of clawproof: {}\n  {}",
        exit.code(),
        exit.meaning(),
        exit.remedy()
    ))
}

fn method(word: &str) -> Option<String> {
    let row = method_row(word)?;
    let needs = match row.authority {
        Authority::Anyone => "any role".to_owned(),
        Authority::Node => "role node".to_owned(),
        Authority::Scope(scope) => format!("role operator with {scope}"),
    };
    Some(format!(
        "{}: method, for {needs}\n  advertised by: {}",
        row.name,
        releases(row.in_6, row.in_9)
    ))
}

fn event(word: &str) -> Option<String> {
    let row = event_row(word)?;
    let doc = if row.doc.is_empty() {
        "outside the connection and pairing surface"
    } else {
        row.doc
    };
    Some(format!(
        "{}: event\n  {doc}\n  advertised by: {}",
        row.name,
        releases(row.in_6, row.in_9)
    ))
}

fn profile(word: &str) -> Option<String> {
    let profile = gateway_core::profile(word)?;
    let rows: Vec<String> = profile
        .facts()
        .iter()
        .map(|(name, value)| format!("  {name}: {value}"))
        .collect();
    Some(format!(
        "{}: profile, a gateway release that the mock behaves like\n{}",
        profile.version,
        rows.join("\n")
    ))
}

fn releases(in_6: bool, in_9: bool) -> &'static str {
    match (in_6, in_9) {
        (true, true) => "2026.6.34, 2026.9.6",
        (true, false) => "2026.6.34",
        (false, true) => "2026.9.6",
        (false, false) => "neither release",
    }
}

fn scenario(scenario: &Scenario) -> String {
    let worlds: Vec<&str> = scenario.worlds().into_iter().map(WorldName::name).collect();
    let mut text = format!(
        "{}: scenario\n  {}\n  about: {}\n  worlds: {}\n  file: {}",
        scenario.id,
        scenario.title,
        scenario.about,
        worlds.join(", "),
        scenario.source.file
    );
    for (name, reason) in &scenario.allow {
        // Writing to a string does not fail.
        let _fine = write!(text, "\n  allows {name} to be broken: {reason}");
    }
    // Writing to a string does not fail.
    let _fine = write!(text, "\n  run it: clawproof run {}", scenario.id);
    text
}
