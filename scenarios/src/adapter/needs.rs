//! What a scenario asks of a client that is a process: what it says in `needs`, and what follows from its script.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::scenario::{
    Actor, ClientActor, Close, Do, End, Expect, Held, How, Pattern, Peer, RoleName, Scenario, Step,
};

/// A scenario with this need is judged by the wire alone, so that any client can be its client.
pub const BLACK_BOX: &str = "black-box";

/// A real-time run that must wait longer is not for a foreign client.
const LONGEST: Duration = Duration::from_secs(45);

/// Needs that only our own client in this process meets.
const INSIDE: &str = "a client whose state can be looked at";

/// Everything that the client must be able to do, in words that adapters use for their capabilities.
pub fn needs_of(scenario: &Scenario) -> BTreeSet<String> {
    let mut needs: BTreeSet<String> = scenario.needs.iter().cloned().collect();
    let clients: Vec<&ClientActor> = scenario.actor.values().filter_map(Actor::client).collect();
    if clients.len() > 1 {
        needs.insert("more than one client under test".to_owned());
    }
    needs.extend(clients.iter().flat_map(|client| of_actor(client)));
    for step in &scenario.steps {
        needs.extend(of_step(scenario, &step.value));
    }
    if scenario.finally.iter().any(|end| end.actor.is_some()) {
        needs.insert(INSIDE.to_owned());
    }
    if waits(scenario) > LONGEST {
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
        ..ClientActor::default()
    };
    let mut needs = Vec::new();
    if *client != plain || holds.requires_v2 || holds.shared_token == Held::Blank {
        needs.push(INSIDE.to_owned());
    }
    let stored = [
        holds.bootstrap_token,
        holds.operator_token,
        holds.node_token,
    ];
    if stored.iter().any(|held| *held != Held::Absent) {
        needs.push("stored tokens".to_owned());
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

fn of_step(scenario: &Scenario, step: &Step) -> Option<String> {
    match step {
        Step::Do(wish) => Some(of_wish(wish)),
        Step::Expect(expect) => of_expect(scenario, expect),
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
        Step::Start(_)
        | Step::Stop(_)
        | Step::Send(_)
        | Step::Fault(_)
        | Step::Heal(_)
        | Step::Elapse(_)
        | Step::Close(_)
        | Step::Control(_)
        | Step::Clock(_)
        | Step::Note(_) => None,
    }
}

fn is_client(scenario: &Scenario, actor: &str) -> bool {
    scenario
        .actor
        .get(actor)
        .is_some_and(|actor| actor.client().is_some())
}

/// `do:chat` for a turn of a conversation, `do:INTENT` for the rest.
fn of_wish(wish: &Do) -> String {
    if !wish.capture.is_empty() {
        return INSIDE.to_owned();
    }
    format!("do:{}", wish.action().0)
}

fn of_expect(scenario: &Scenario, expect: &Expect) -> Option<String> {
    if expect.snapshot.is_some() || expect.durable.is_some() {
        return Some(INSIDE.to_owned());
    }
    if let Some(report) = &expect.reports {
        let event = report.get("event").and_then(serde_json::Value::as_str);
        return Some(match event {
            Some("exited" | "printed") => "process".to_owned(),
            _ => INSIDE.to_owned(),
        });
    }
    of_pattern(scenario, &expect.pattern())
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

/// Time that passes whatever the client does.
fn waits(scenario: &Scenario) -> Duration {
    let each = scenario.steps.iter().map(|step| match &step.value {
        Step::Elapse(lapse) => lapse.0,
        Step::Quiet(quiet) => quiet.lasting.0,
        Step::Expect(expect) => expect.not_before.unwrap_or_default().0,
        Step::Start(_)
        | Step::Stop(_)
        | Step::Do(_)
        | Step::Send(_)
        | Step::Fault(_)
        | Step::Heal(_)
        | Step::Close(_)
        | Step::Control(_)
        | Step::Clock(_)
        | Step::Note(_) => Duration::ZERO,
    });
    each.sum()
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
    #[case::own_policy("policy = \"pr741\"\n", &[INSIDE])]
    fn what_an_actor_asks(#[case] line: &str, #[case] expected: &[&str]) {
        assert_eq!(needs(&format!("{line}{START}")), expected);
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
    #[case::snapshot("expect = { actor = \"client\", snapshot = {} }", INSIDE)]
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
