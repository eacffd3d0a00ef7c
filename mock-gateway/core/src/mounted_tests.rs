//! Which behaviour takes a request, and what it counts.

use rstest::rstest;

use super::*;
use crate::behavior::{Times, any_request, method};

fn behavior(name: &str, when: Value) -> Behavior {
    let when = serde_json::from_value(when).unwrap();
    Behavior::when(when).reply(Reply::Ignore).named(name)
}

fn subject<'a>(method: &'a str, params: &'a Value) -> Subject<'a> {
    Subject {
        conn: 1,
        method: Some(method),
        role: Some(Role::Node),
        client: Some("node-host"),
        mode: Some("node"),
        device: Some("d1"),
        params: Some(params),
        ..Subject::default()
    }
}

fn taken(mounted: &mut MountedBehaviors, subject: &Subject<'_>) -> Option<String> {
    mounted.reply_to(subject).map(|(name, _)| name)
}

#[test]
fn uses_are_counted() {
    let mut mounted = MountedBehaviors::default();
    let once = behavior("b", json!({"method": "node.*"})).times(1);
    mounted.mount(once).unwrap();
    let twice = mounted.mount(behavior("b", json!({}))).unwrap_err();
    assert_eq!(twice, "is mounted already");
    let params = json!({});
    assert_eq!(taken(&mut mounted, &subject("health", &params)), None);
    let view = mounted.views().remove(0);
    assert_eq!(view.demanded.as_deref(), Some("exactly 1 use"));
    assert_eq!(
        view.near.as_deref(),
        Some("health on connection #1: method is health, not node.*")
    );
    let event = subject("node.event", &params);
    assert_eq!(taken(&mut mounted, &event).as_deref(), Some("b"));
    assert_eq!(taken(&mut mounted, &event), None, "it steps aside");
    let view = mounted.unmount("b").unwrap();
    assert_eq!((view.matched, view.applied, view.demanded), (1, 1, None));
    assert!(mounted.unmount("b").is_none());
}

#[test]
fn nth_counts_only_what_else_matches() {
    let mut mounted = MountedBehaviors::default();
    let when = json!({"nth": 2, "role": "node", "params": {"a": {"b": 1}}});
    mounted.mount(behavior("second", when)).unwrap();
    let (fits, other) = (json!({"a": {"b": 1, "c": 2}}), json!({"a": 1}));
    let took: Vec<bool> = [&fits, &other, &fits, &fits]
        .map(|params| taken(&mut mounted, &subject("m", params)).is_some())
        .to_vec();
    assert_eq!(took, [false, false, true, false]);
}

#[rstest]
#[case(json!({"client": "node-*", "mode": "node", "device": "d1", "conn": [1, 2]}), true)]
#[case(json!({"client": "cli"}), false)]
#[case(json!({"mode": "cli"}), false)]
#[case(json!({"device": "d2"}), false)]
#[case(json!({"conn": {"from": 2}}), false)]
#[case(json!({"params": {"x": "$absent", "a": "$number"}}), true)]
#[case(json!({"params": {"a": "$string"}}), false)]
#[case(json!({"on": "open"}), false)]
fn every_member_must_hold(#[case] when: Value, #[case] fits: bool) {
    let mut mounted = MountedBehaviors::default();
    mounted.mount(behavior("b", when)).unwrap();
    let params = json!({"a": 1});
    assert_eq!(taken(&mut mounted, &subject("m", &params)).is_some(), fits);
}

#[test]
fn the_lowest_priority_wins_and_equal_ones_in_mounting_order() {
    let mut mounted = MountedBehaviors::default();
    mounted
        .mount(behavior("late", json!({})).priority(9))
        .unwrap();
    mounted
        .mount(behavior("first", json!({})).times(1))
        .unwrap();
    mounted
        .mount(behavior("second", json!({})).times(1))
        .unwrap();
    let params = json!({});
    let order: Vec<_> = (0..4)
        .map(|_| taken(&mut mounted, &subject("m", &params)).unwrap())
        .collect();
    assert_eq!(order, ["first", "second", "late", "late"]);
}

#[test]
fn notes_and_captures_open_and_shut_a_behaviour() {
    let mut mounted = MountedBehaviors::default();
    let when = json!({"after": "go", "before": "device"});
    mounted.mount(behavior("between", when)).unwrap();
    let params = json!({"device": {"id": "d1"}});
    let take = |mounted: &mut MountedBehaviors| taken(mounted, &subject("m", &params));
    assert_eq!(take(&mut mounted), None);
    mounted.note("go");
    assert_eq!(take(&mut mounted).as_deref(), Some("between"));
    let catcher = Behavior::when(method("m"))
        .reply(Reply::ok(json!({"again": "$device", "id": "$frame-id"})))
        .named("catcher")
        .priority(1)
        .times(1)
        .capture("device", "/device/id")
        .capture("frame-id", "frame/id");
    mounted.mount(catcher).unwrap();
    let subject = Subject {
        id: Some("r1"),
        ..subject("m", &params)
    };
    let (_, reply) = mounted.reply_to(&subject).unwrap();
    assert_eq!(reply, Reply::Respond(json!({"again": "d1", "id": "r1"})));
    assert_eq!(mounted.captures()["device"], "d1");
    assert_eq!(taken(&mut mounted, &subject), None, "device has come");
    let same = any_request().params(json!({"device": {"id": "$same:device"}}));
    mounted
        .mount(Behavior::when(same).reply(Reply::Pass).named("same"))
        .unwrap();
    assert_eq!(taken(&mut mounted, &subject).as_deref(), Some("same"));
}

#[test]
fn a_reply_that_cannot_be_filled_in_is_a_problem() {
    let mut mounted = MountedBehaviors::default();
    let reply = Reply::ok(json!("$nobody"));
    let broken = Behavior::when(any_request())
        .reply(reply)
        .named("broken")
        .capture("x", "/x");
    mounted.mount(broken).unwrap();
    assert!(mounted.reply_to(&subject("m", &json!({}))).is_none());
    let view = mounted.views().remove(0);
    assert_eq!(view.problems.len(), 2, "{:?}", view.problems);
    assert_eq!(Times::default(), Times::default());
}
