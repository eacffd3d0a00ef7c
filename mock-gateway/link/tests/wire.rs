//! What enters a wire leaves it: in order, once, when it should, unless a rule says otherwise.

use std::time::Duration;

use gateway_protocol::{CloseFrame, Now, UnixMillis};
use link::{ConnSelector, Cut, Departure, FaultName, FaultSpec, FaultTable, Wire, WireMessage};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;
use transcript::{Direction, Header, Kind, Recorder, Stage};

const C2G: Direction = Direction::ClientToGateway;
const G2C: Direction = Direction::GatewayToClient;

fn at(ms: u64) -> Now {
    Now::at(Duration::from_millis(ms), UnixMillis(0))
}

fn text(text: &str) -> WireMessage {
    WireMessage::Text(text.to_owned())
}

struct Bench {
    faults: FaultTable,
    recorder: Recorder,
    wire: Wire,
}

impl Bench {
    fn new() -> Self {
        let faults = FaultTable::new();
        let recorder = Recorder::in_memory(Header::new(1, "core", "none"));
        let wire = Wire::new(1, faults.clone(), recorder.clone());
        Self {
            faults,
            recorder,
            wire,
        }
    }

    fn drain(&mut self, ms: u64) -> Vec<String> {
        let mut left = Vec::new();
        while let Some(leaving) = self.wire.poll(at(ms)) {
            left.push(match &leaving.what {
                Departure::Deliver(WireMessage::Text(text)) => text.clone(),
                Departure::Deliver(_) | Departure::Cut(_) => format!("{:?}", leaving.what),
            });
        }
        left
    }

    fn stages(&self, kind: Kind) -> Vec<Stage> {
        let entries = self.recorder.raw_since(0);
        entries
            .iter()
            .filter(|e| e.kind == kind)
            .filter_map(|e| e.stage)
            .collect()
    }
}

#[test]
fn a_message_has_a_sent_and_a_delivered_entry() {
    let mut bench = Bench::new();
    bench.wire.enter(at(1), C2G, text("{\"type\":\"req\"}"));
    assert_eq!(bench.wire.next_deadline(), Some(Duration::from_millis(1)));
    assert_eq!(bench.drain(5), ["{\"type\":\"req\"}"]);
    assert_eq!(bench.wire.next_deadline(), None);
    let entries = bench.recorder.transcript().entries;
    assert_eq!(entries.len(), 2);
    assert_eq!(
        (entries[0].stage, entries[0].t_us),
        (Some(Stage::Sent), 1_000)
    );
    assert_eq!(
        (entries[1].stage, entries[1].t_us),
        (Some(Stage::Delivered), 5_000)
    );
    assert_eq!(entries[0].frame.as_deref(), Some(&json!({"type": "req"})));
}

#[test]
fn a_delay_makes_late_what_follows() {
    let mut bench = Bench::new();
    bench
        .faults
        .install(FaultSpec::new(FaultName::Delay).delay_ms(100).count(1));
    bench.wire.enter(at(0), G2C, text("a"));
    bench.wire.enter(at(1), G2C, text("b"));
    bench.wire.enter(at(2), C2G, text("c"));
    assert_eq!(bench.drain(2), ["c"], "the other direction is not late");
    assert_eq!(bench.drain(99), [""; 0]);
    assert_eq!(bench.wire.next_deadline(), Some(Duration::from_millis(100)));
    assert_eq!(bench.drain(100), ["a", "b"]);
}

#[test]
fn what_is_held_leaves_in_order_when_healed() {
    let mut bench = Bench::new();
    let id = bench
        .faults
        .install(FaultSpec::new(FaultName::Blackhole).connections(ConnSelector::All));
    bench.wire.enter(at(0), G2C, text("a"));
    bench.wire.enter(at(1), C2G, text("b"));
    bench.wire.enter(at(2), G2C, WireMessage::Ping(vec![]));
    assert_eq!(bench.drain(1_000_000), [""; 0]);
    assert_eq!(
        bench.wire.next_deadline(),
        None,
        "nothing but a heal changes that"
    );
    assert_eq!(bench.faults.heal(id), 1);
    assert_eq!(bench.drain(1_000_001), ["a", "b", "Deliver(Ping([]))"]);
    assert_eq!(
        bench.stages(Kind::Ping),
        [Stage::Sent, Stage::Held, Stage::Delivered]
    );
}

#[test]
fn of_two_black_holes_both_must_heal() {
    let mut bench = Bench::new();
    let one = bench.faults.install(FaultSpec::new(FaultName::Blackhole));
    let two = bench
        .faults
        .install(FaultSpec::new(FaultName::BlackholeOneWay));
    bench.wire.enter(at(0), G2C, text("a"));
    bench.faults.heal(one);
    assert_eq!(bench.drain(1), [""; 0]);
    bench.faults.heal(two);
    assert_eq!(bench.drain(2), ["a"]);
}

#[rstest]
#[case::in_place(json!({"t": 2}), 0, &["{\"t\":1}", "Cut(Reset)"])]
#[case::the_second_of_its_shape(json!({}), 1, &["{\"t\":1}", "Cut(Reset)"])]
fn a_cut_in_place_of_a_message(
    #[case] pattern: serde_json::Value,
    #[case] after: u64,
    #[case] left: &[&str],
) {
    let mut bench = Bench::new();
    bench.faults.install(
        FaultSpec::new(FaultName::Reset)
            .matching(pattern)
            .after(after),
    );
    for word in ["{\"t\":1}", "{\"t\":2}", "{\"t\":3}"] {
        bench.wire.enter(at(0), G2C, text(word));
    }
    assert_eq!(bench.drain(0), left);
    assert!(bench.wire.is_cut());
    bench.wire.enter(at(1), C2G, text("late"));
    assert_eq!(bench.drain(1), [""; 0]);
    assert_eq!(
        bench.stages(Kind::Text),
        [
            Stage::Sent,
            Stage::Sent,
            Stage::Dropped,
            Stage::Sent,
            Stage::Delivered,
            Stage::Dropped,
            Stage::Sent,
            Stage::Dropped,
        ]
    );
}

#[test]
fn a_cut_at_once_comes_before_what_is_on_its_way() {
    let mut bench = Bench::new();
    bench.wire.enter(at(0), G2C, text("a"));
    let frame = CloseFrame::new(1013, "gateway starting");
    bench.faults.install(FaultSpec {
        code: Some(1013),
        reason: Some(frame.reason.clone()),
        ..FaultSpec::new(FaultName::CloseThenReset)
    });
    let leaving = bench.wire.poll(at(1)).unwrap();
    assert_eq!(leaving.what, Departure::Cut(Cut::CloseThenReset(frame)));
    assert_eq!(bench.stages(Kind::Text), [Stage::Sent, Stage::Dropped]);
}

#[test]
fn selectors_take_the_connections_they_name() {
    let faults = FaultTable::new();
    let recorder = Recorder::off();
    let open = |conn| Wire::new(conn, faults.clone(), recorder.clone());
    let is_hit = |wire: &mut Wire| {
        wire.enter(at(0), G2C, text("x"));
        wire.poll(at(0)).is_none()
    };
    let drop_all = |connections| {
        FaultSpec::new(FaultName::DropMessage)
            .count(99)
            .connections(connections)
    };
    let mut first = open(1);
    for (selector, expected) in [
        (ConnSelector::Current, [true, false, false]),
        (ConnSelector::Next(1), [false, true, false]),
        (ConnSelector::All, [true, true, true]),
        (ConnSelector::Numbers(vec![1, 9]), [true, false, false]),
    ] {
        let base = faults.next_connection() * 10;
        let id = faults.install(drop_all(selector.clone()));
        let (mut second, mut third) = (open(base), open(base + 1));
        let hit = [is_hit(&mut first), is_hit(&mut second), is_hit(&mut third)];
        assert_eq!(hit, expected, "{selector:?}");
        faults.heal(id);
    }
}

#[rstest]
#[case(json!({"name": "reset"}), None)]
#[case(json!({"name": "refuse", "connections": "next"}), None)]
#[case(json!({"name": "reset", "delay_ms": 5}), Some("fault `reset` takes no `delay_ms`, expected `connections`, `dir`, `after`, `matching`"))]
#[case(json!({"name": "refuse", "after": 1}), Some("fault `refuse` takes no `after`, expected `connections` or nothing"))]
#[case(json!({"name": "delay"}), Some("fault `delay` needs `delay_ms`"))]
fn specifications_are_checked(#[case] spec: serde_json::Value, #[case] error: Option<&str>) {
    let spec: FaultSpec = serde_json::from_value(spec).unwrap();
    let found = spec.check().err().map(|error| error.to_string());
    assert_eq!(found.as_deref(), error);
}

#[rstest]
#[case(json!("all"), Ok(ConnSelector::All))]
#[case(json!(3), Ok(ConnSelector::Numbers(vec![3])))]
#[case(json!([1, 2]), Ok(ConnSelector::Numbers(vec![1, 2])))]
#[case(json!({"next": 2}), Ok(ConnSelector::Next(2)))]
#[case(json!({"from": 2, "to": 3}), Ok(ConnSelector::Range { from: 2, to: Some(3) }))]
#[case(json!({"from": 2}), Ok(ConnSelector::Range { from: 2, to: None }))]
#[case(json!(0), Err("invalid value: integer `0`, expected \"all\""))]
#[case(json!("some"), Err("invalid value: string \"some\", expected \"all\""))]
#[case(json!({"last": 2}), Err("unknown field `last`, expected one of `next`, `from`, `to`"))]
fn selectors_are_read(
    #[case] value: serde_json::Value,
    #[case] expected: Result<ConnSelector, &str>,
) {
    match (serde_json::from_value::<ConnSelector>(value), expected) {
        (Ok(found), Ok(expected)) => {
            assert_eq!(found, expected);
            let again: ConnSelector =
                serde_json::from_value(serde_json::to_value(&found).unwrap()).unwrap();
            assert_eq!(again, found);
        }
        (Err(found), Err(expected)) => assert!(found.to_string().starts_with(expected), "{found}"),
        (found, expected) => panic!("{found:?} for {expected:?}"),
    }
}

#[derive(Clone, Debug)]
enum Act {
    Enter(Direction, u64),
    Poll(u64),
    Install(Box<FaultSpec>),
    HealAll,
}

fn any_act() -> impl Strategy<Value = Act> {
    let dir = prop_oneof![Just(C2G), Just(G2C)];
    let spec = (
        prop_oneof![
            Just(FaultName::Delay),
            Just(FaultName::Duplicate),
            Just(FaultName::DropMessage),
            Just(FaultName::Blackhole),
            Just(FaultName::BlackholeOneWay),
            Just(FaultName::Reset),
        ],
        prop::option::of(dir.clone()),
        0_u64..3,
    )
        .prop_map(|(name, dir, after)| FaultSpec {
            dir,
            after,
            delay_ms: Some(7),
            ..FaultSpec::new(name)
        });
    prop_oneof![
        8 => (dir, 0_u64..5).prop_map(|(dir, later)| Act::Enter(dir, later)),
        3 => (0_u64..20).prop_map(Act::Poll),
        1 => spec.prop_map(|spec| Act::Install(Box::new(spec))),
        1 => Just(Act::HealAll),
    ]
}

/// Plays acts and returns what left, with its time, and the transcript.
fn play(acts: &[Act]) -> (Vec<(u64, String)>, String) {
    let mut bench = Bench::new();
    let mut left = Vec::new();
    let mut ms = 0;
    for (number, act) in acts.iter().enumerate() {
        match act {
            Act::Enter(dir, later) => {
                ms += later;
                bench
                    .wire
                    .enter(at(ms), *dir, text(&format!("{dir} {number}")));
            }
            Act::Poll(later) => {
                ms += later;
                left.extend(bench.drain(ms).into_iter().map(|what| (ms, what)));
            }
            Act::Install(spec) => drop(bench.faults.install(FaultSpec::clone(spec))),
            Act::HealAll => drop(bench.faults.heal_all()),
        }
    }
    bench.faults.heal_all();
    left.extend(
        bench
            .drain(ms + 1_000)
            .into_iter()
            .map(|what| (ms + 1_000, what)),
    );
    (left, bench.recorder.transcript().to_jsonl())
}

fn of_dir(left: &[(u64, String)], dir: Direction) -> Vec<String> {
    let of_dir = left
        .iter()
        .filter(|(_, what)| what.starts_with(dir.as_str()));
    of_dir.map(|(_, what)| what.clone()).collect()
}

fn entered(acts: &[Act], dir: Direction) -> Vec<String> {
    let entered = acts
        .iter()
        .enumerate()
        .filter(|(_, act)| matches!(act, Act::Enter(d, _) if *d == dir));
    entered
        .map(|(number, _)| format!("{dir} {number}"))
        .collect()
}

proptest! {
    #[test]
    fn without_rules_everything_leaves_once_in_order(acts in prop::collection::vec(any_act(), 0..60)) {
        let acts: Vec<Act> = acts.into_iter().filter(|act| !matches!(act, Act::Install(_))).collect();
        let (left, _) = play(&acts);
        for dir in Direction::BOTH {
            prop_assert_eq!(of_dir(&left, dir), entered(&acts, dir));
        }
    }

    #[test]
    fn with_rules_nothing_is_reordered_and_only_a_rule_loses(acts in prop::collection::vec(any_act(), 0..60)) {
        let (left, lines) = play(&acts);
        let lossy = lines.contains("\"dropped\"");
        for dir in Direction::BOTH {
            let mut seen = of_dir(&left, dir);
            seen.dedup();
            let mut rest = entered(&acts, dir).into_iter();
            for what in &seen {
                prop_assert!(rest.any(|next| next == *what), "{} is out of order in {:?}", what, left);
            }
            if !lossy {
                prop_assert_eq!(seen, entered(&acts, dir));
            }
        }
        let times: Vec<u64> = left.iter().map(|(ms, _)| *ms).collect();
        prop_assert!(times.is_sorted());
    }

    #[test]
    fn the_same_acts_give_the_same_run(acts in prop::collection::vec(any_act(), 0..60)) {
        prop_assert_eq!(play(&acts), play(&acts));
    }
}
