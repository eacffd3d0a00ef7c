//! What a scenario asks of a client that is a process: what it says in `needs`, and what follows from its script.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::tools;
use crate::scenario::{
    Actor, ClientActor, Close, Do, End, Expect, Held, How, Pattern, Peer, Policy, RoleName,
    Scenario, Step, UrlForm,
};

/// A scenario with this need is judged by the wire alone, so that any client can be its client.
pub const BLACK_BOX: &str = "black-box";

/// A real-time run that must wait longer is not for a foreign client.
const LONGEST: Duration = Duration::from_secs(45);

/// Needs that only our own client in this process meets.
const INSIDE: &str = "a client in this process";

/// What a client that serves the companion's tools can do.
pub(super) const TOOLED: [&str; 3] = ["state", "answers", "dashboard"];

/// What a client with a companion's data directory can do.
pub(super) const KEEPER: [&str; 4] = [
    "stored-tokens",
    "durable",
    "policies",
    "starts-without-token",
];

/// Everything that the client must be able to do, in words that adapters use for their capabilities.
pub fn needs_of(scenario: &Scenario) -> BTreeSet<String> {
    let mut needs: BTreeSet<String> = scenario.needs.iter().cloned().collect();
    let clients: Vec<&ClientActor> = scenario.actor.values().filter_map(Actor::client).collect();
    if clients.len() > 1 {
        needs.insert("more than one client under test".to_owned());
    }
    needs.extend(clients.iter().flat_map(|client| of_actor(client)));
    if scenario.policy == Some(Policy::Pr741) {
        needs.insert("policies".to_owned());
    }
    for step in &scenario.steps {
        needs.extend(of_step(scenario, &step.value));
    }
    let counted = scenario
        .count
        .iter()
        .filter_map(|it| it.value.reports.as_ref());
    needs.extend(counted.map(of_report));
    for end in &scenario.finally {
        needs.extend(of_look(
            end.value.snapshot.as_ref(),
            end.value.durable.as_ref(),
        ));
    }
    if scenario.floor() > LONGEST {
        needs.insert(format!("more than {} s of real time", LONGEST.as_secs()));
    }
    needs
}

fn of_actor(client: &ClientActor) -> Vec<String> {
    let holds = &client.holds;
    let plain = ClientActor {
        node: client.node,
        peer: client.peer,
        holds: holds.clone(),
        policy: client.policy,
        upgrade: client.upgrade,
        url: client
            .url
            .filter(|form| matches!(form, UrlForm::Localhost | UrlForm::Ipv4)),
        ..ClientActor::default()
    };
    let mut needs = Vec::new();
    if *client != plain || holds.managed || holds.tunnel {
        needs.push(INSIDE.to_owned());
    }
    let stored = [
        holds.bootstrap_token,
        holds.operator_token,
        holds.node_token,
    ];
    let spelled = client.url.is_some() || holds.requires_v2 || holds.no_record;
    // A wrong token is handed over like a right one; a blank one is nothing that could be.
    let blank = holds.shared_token == Held::Blank;
    if spelled || blank || stored.iter().any(|held| *held != Held::Absent) {
        needs.push("stored-tokens".to_owned());
    }
    if client.policy.is_some() || client.upgrade.is_some() {
        needs.push("policies".to_owned());
    }
    if client.node {
        needs.push("role:node".to_owned());
    }
    if holds.shared_token == Held::Absent {
        needs.push("starts-without-token".to_owned());
    }
    if client.peer == Peer::Remote {
        needs.push("device".to_owned());
    }
    needs
}

fn of_step(scenario: &Scenario, step: &Step) -> Vec<String> {
    let need = match step {
        Step::Do(wish) => return of_wish(wish),
        Step::Expect(expect) => return of_expect(scenario, expect),
        Step::Control(control) if control.listener.is_some() || control.tunnel.is_some() => {
            Some(INSIDE.to_owned())
        }
        Step::Quiet(quiet) => of_pattern(scenario, &quiet.pattern()),
        Step::Close(Close {
            actor,
            by: End::Actor,
            how,
            ..
        }) if is_client(scenario, actor) => match how {
            How::Close | How::Fin | How::Reset => Some("a cut from the client's side".to_owned()),
        },
        Step::Clock(clock) if is_client(scenario, &clock.of) => {
            Some("a clock of its own".to_owned())
        }
        Step::Disk(disk) if is_client(scenario, &disk.of) => Some("a disk that refuses".to_owned()),
        Step::Stop(actor) if is_client(scenario, actor) => Some("process".to_owned()),
        Step::Start(_)
        | Step::Stop(_)
        | Step::Send(_)
        | Step::Fault(_)
        | Step::Heal(_)
        | Step::Elapse(_)
        | Step::Close(_)
        | Step::Control(_)
        | Step::Clock(_)
        | Step::Disk(_)
        | Step::Note(_) => None,
    };
    need.into_iter().collect()
}

fn is_client(scenario: &Scenario, actor: &str) -> bool {
    scenario
        .actor
        .get(actor)
        .is_some_and(|actor| actor.client().is_some())
}

/// `do:chat` for a turn of a conversation, `do:INTENT` for the rest.
fn of_wish(wish: &Do) -> Vec<String> {
    let mut needs = vec![format!("do:{}", wish.action().0)];
    if !wish.capture.is_empty() {
        needs.push("answers".to_owned());
    }
    needs
}

/// A look at a client's state: over its tools, or into its data directory.
fn of_look(snapshot: Option<&Value>, durable: Option<&Value>) -> Vec<String> {
    let mut needs = Vec::new();
    if let Some(pattern) = snapshot {
        let shown = tools::shows(pattern);
        needs.push(if shown { "state" } else { INSIDE }.to_owned());
    }
    if durable.is_some() {
        needs.push("durable".to_owned());
    }
    needs
}

fn of_expect(scenario: &Scenario, expect: &Expect) -> Vec<String> {
    if expect.snapshot.is_some() || expect.durable.is_some() {
        return of_look(expect.snapshot.as_ref(), expect.durable.as_ref());
    }
    if expect.dashboard.is_some() {
        return vec!["dashboard".to_owned()];
    }
    let need = match &expect.reports {
        Some(report) => Some(of_report(report)),
        None => of_pattern(scenario, &expect.pattern()),
    };
    need.into_iter().collect()
}

/// Who tells of such an event.
fn of_report(report: &Value) -> String {
    match report.get("event").and_then(Value::as_str) {
        Some("exited" | "printed") => "process".to_owned(),
        Some(event) if tools::REPORTS.contains(&event) => "answers".to_owned(),
        _ => INSIDE.to_owned(),
    }
}

/// A word about one role of the client asks for that role.
fn of_pattern(scenario: &Scenario, pattern: &Pattern) -> Option<String> {
    let role = pattern.role?;
    let actor = pattern.from.as_ref().or(pattern.to.as_ref())?;
    is_client(scenario, actor).then(|| match role {
        RoleName::Operator => "role:operator".to_owned(),
        RoleName::Node => "role:node".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::scenario::parse;

    fn needs(rest: &str) -> Vec<String> {
        let text = format!(
            "title = \"A client does something\"\nabout = \"x\"\nneeds = [\"black-box\"]\n[actor.client]\nkind = \"client\"\nholds = {{ shared_token = \"valid\" }}\n{rest}"
        );
        let scenario = parse("network-recovery/x", &text).unwrap();
        needs_of(&scenario)
            .into_iter()
            .filter(|need| need != BLACK_BOX)
            .collect()
    }

    const START: &str = "[[step]]\nstart = \"client\"\n";

    #[rstest]
    #[case::nothing("", &[])]
    #[case::node("node = true\n", &["role:node"])]
    #[case::remote("peer = \"remote\"\n", &["device"])]
    #[case::own_policy("policy = \"pr741\"\n", &["policies"])]
    #[case::own_commands("commands = [\"x\"]\n", &[INSIDE])]
    #[case::spelled("url = \"ipv4\"\n", &["stored-tokens"])]
    #[case::elsewhere("url = \"lan\"\n", &[INSIDE, "stored-tokens"])]
    fn what_an_actor_asks(#[case] line: &str, #[case] expected: &[&str]) {
        assert_eq!(needs(&format!("{line}{START}")), expected);
    }

    #[rstest]
    #[case::wrong("stale", &[])]
    #[case::blank("blank", &["stored-tokens"])]
    #[case::none("absent", &["starts-without-token"])]
    fn what_a_token_asks(#[case] held: &str, #[case] expected: &[&str]) {
        let text = format!(
            "title = \"A client does something\"\nabout = \"x\"\n[actor.client]\nkind = \"client\"\nholds = {{ shared_token = \"{held}\" }}\n{START}"
        );
        let scenario = parse("network-recovery/x", &text).unwrap();
        let needs: Vec<String> = needs_of(&scenario).into_iter().collect();
        assert_eq!(needs, expected);
    }

    #[rstest]
    #[case::chat(
        "do = { actor = \"client\", intent = \"request\", method = \"chat.send\" }",
        "do:chat"
    )]
    #[case::request(
        "do = { actor = \"client\", intent = \"request\", method = \"health\" }",
        "do:request"
    )]
    #[case::snapshot(
        "expect = { actor = \"client\", snapshot = { operator = { attempts = 1 } } }",
        INSIDE
    )]
    #[case::status(
        "expect = { actor = \"client\", snapshot = { operator = { state = \"Connected\" } } }",
        "state"
    )]
    #[case::disk(
        "expect = { actor = \"client\", durable = { gateways = 1 } }",
        "durable"
    )]
    #[case(
        "expect = { actor = \"client\", dashboard = { tokenInFragment = true } }",
        "dashboard"
    )]
    #[case::answer(
        "expect = { actor = \"client\", reports = { event = \"intent_done\" } }",
        "answers"
    )]
    #[case::inner(
        "expect = { actor = \"client\", reports = { event = \"token_stored\" } }",
        INSIDE
    )]
    #[case::exit(
        "expect = { actor = \"client\", reports = { event = \"exited\" } }",
        "process"
    )]
    #[case::role(
        "expect = { from = \"client\", role = \"operator\", method = \"connect\" }",
        "role:operator"
    )]
    #[case::cut(
        "close = { actor = \"client\", how = \"reset\" }",
        "a cut from the client's side"
    )]
    #[case::long("elapse = \"5m\"", "more than 45 s of real time")]
    fn what_a_step_asks(#[case] step: &str, #[case] expected: &str) {
        assert_eq!(needs(&format!("{START}[[step]]\n{step}\n")), [expected]);
    }
}
