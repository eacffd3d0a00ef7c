//! What only the mock can do: why a scenario can't be run against a gateway that we did not make.
//!
//! A reason names the one thing in the scenario that stands in the way, so that a report says more than "skipped".

use crate::scenario::{Actor, ClientActor, Close, Control, End, Held, Holds, How, Scenario, Step};

/// Time that a scenario may ask to pass in a world where it has to be waited for, in seconds.
const PATIENCE_SECONDS: u64 = 6;

/// Only the mock says what it believes.
const INNER_STATE: &str = "a look at the gateway's inner state";

/// The power of the mock that a scenario needs, if it needs one.
pub(super) fn mock_power(scenario: &Scenario, release: &str) -> Option<String> {
    let has_set_up = scenario.set_up().is_some();
    let of_set_up = has_set_up.then(|| "a set-up of a distro".to_owned());
    of_set_up.or_else(|| mock_power_beside_set_ups(scenario, release))
}

/// The same where set-ups can be run.
pub(super) fn mock_power_beside_set_ups(scenario: &Scenario, release: &str) -> Option<String> {
    if let Some(profile) = &scenario.profile
        && profile != release
    {
        return Some(format!("the profile {profile}"));
    }
    gateway_plan(scenario)
        .or_else(|| {
            scenario
                .actor
                .iter()
                .find_map(|(name, actor)| of_actor(name, actor))
        })
        .or_else(|| scenario.steps.iter().find_map(|step| of_step(&step.value)))
        .or_else(|| {
            let looks = scenario
                .finally
                .iter()
                .any(|finally| finally.value.gateway.is_some());
            looks.then(|| INNER_STATE.to_owned())
        })
}

/// The real gateway has one configuration, which serves every scenario.
fn gateway_plan(scenario: &Scenario) -> Option<String> {
    let plan = serde_json::to_value(&scenario.gateway).ok()?;
    let word = plan.as_object()?.keys().next()?.clone();
    Some(match word.as_str() {
        "on" => "a behaviour of the mock".to_owned(),
        "connection" => "a plan for single connections".to_owned(),
        _ => format!("the gateway's setting {word}"),
    })
}

fn of_actor(name: &str, actor: &Actor) -> Option<String> {
    match actor {
        Actor::Client(client) => of_client(name, client),
        Actor::Raw(_) | Actor::Setup(_) => None,
    }
}

fn of_client(name: &str, client: &ClientActor) -> Option<String> {
    let Holds {
        operator_token,
        node_token,
        bootstrap_token,
        ..
    } = &client.holds;
    let issued = [
        ("an operator token", operator_token),
        ("a node token", node_token),
        ("a bootstrap token", bootstrap_token),
    ];
    if let Some((what, _)) = issued.into_iter().find(|(_, held)| **held == Held::Valid) {
        return Some(format!("{what} that {name} was given before the run"));
    }
    client
        .mutation
        .as_ref()
        .map(|mutation| format!("the mistake {mutation}"))
}

fn of_step(step: &Step) -> Option<String> {
    match step {
        Step::Control(control) => of_control(control),
        Step::Elapse(lapse) => too_long(lapse.0.as_secs()),
        Step::Quiet(quiet) => too_long(quiet.lasting.0.as_secs()),
        Step::Clock(clock) if clock.of == "gateway" => Some("the gateway's clock".to_owned()),
        Step::Close(Close {
            by: End::Gateway,
            how: How::Close,
            ..
        }) => Some("a close by the gateway at will".to_owned()),
        Step::Expect(expect) if expect.gateway.is_some() => Some(INNER_STATE.to_owned()),
        Step::Start(_)
        | Step::Stop(_)
        | Step::Do(_)
        | Step::Send(_)
        | Step::Fault(_)
        | Step::Heal(_)
        | Step::Close(_)
        | Step::Clock(_)
        | Step::Disk(_)
        | Step::Expect(_)
        | Step::Note(_) => None,
    }
}

fn too_long(seconds: u64) -> Option<String> {
    (seconds > PATIENCE_SECONDS).then(|| format!("{seconds} s of virtual time"))
}

fn of_control(control: &Control) -> Option<String> {
    let public = [
        "approve",
        "reject",
        "remove_device",
        "revoke_token",
        "rotate_token",
        "approve_node",
        "reject_node",
        "remove_node",
        "restart",
        "mint_setup_code",
    ];
    if let Some(verb) = control
        .verbs()
        .into_iter()
        .find(|verb| !public.contains(verb))
    {
        return Some(format!("the control {verb}"));
    }
    if control
        .mint_setup_code
        .as_ref()
        .is_some_and(|mint| mint.ttl.is_some())
    {
        return Some("a setup code with a lifetime of its own".to_owned());
    }
    if control.fails.is_some() {
        return Some("a refusal in the words of the mock's control".to_owned());
    }
    let restart = control.restart.as_ref()?;
    (restart.down_for.is_some() || restart.reason.is_some())
        .then(|| "a restart that takes a given time or gives a given reason".to_owned())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::scenario::parse_unchecked;

    /// Each power is named; what needs none runs.
    #[rstest]
    #[case("", None)]
    #[case("[[step]]\nexpect = { gateway = {} }\n", Some("inner state"))]
    #[case(
        "[[step]]\ncontrol = { approve = \"x\", fails = \"no\" }\n",
        Some("the mock's control")
    )]
    #[case("[gateway]\ntick_interval = \"1s\"\n", Some("tick_interval"))]
    #[case("[[gateway.on]]\nmethod = \"x\"\nrespond = {}\n", Some("behaviour"))]
    #[case("[[step]]\nelapse = \"10m\"\n", Some("600 s of virtual time"))]
    #[case("[[step]]\nelapse = \"1s\"\n", None)]
    #[case("[[step]]\ncontrol = { approve = \"latest\" }\n", None)]
    #[case(
        "[[step]]\ncontrol = { expire_pending = true }\n",
        Some("expire_pending")
    )]
    #[case(
        "[[step]]\nclose = { actor = \"a\", by = \"gateway\" }\n",
        Some("close by the gateway")
    )]
    #[case(
        "[actor.a]\nkind = \"client\"\nholds = { operator_token = \"valid\" }\n",
        Some("operator token that a was given")
    )]
    #[case(
        "[actor.a]\nkind = \"client\"\nholds = { operator_token = \"stale\" }\n",
        None
    )]
    fn a_power_of_the_mock_is_named(#[case] text: &str, #[case] expected: Option<&str>) {
        let head = "title = \"t\"\nabout = \"a\"\n";
        let scenario = parse_unchecked("setup-connect/x", &format!("{head}{text}")).unwrap();
        let power = mock_power(&scenario, "2026.6.34");
        match (expected, &power) {
            (None, None) => {}
            (Some(part), Some(power)) => assert!(power.contains(part), "{power}"),
            _ => panic!("expected {expected:?}, got {power:?}"),
        }
    }

    #[test]
    fn another_profile_is_a_power() {
        let scenario = Scenario {
            profile: Some("2026.9.6".to_owned()),
            ..Scenario::default()
        };
        assert!(mock_power(&scenario, "2026.6.34").is_some());
        assert_eq!(mock_power(&scenario, "2026.9.6"), None);
    }
}
