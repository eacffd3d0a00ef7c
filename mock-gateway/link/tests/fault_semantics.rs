//! Each fault does to a socket what its row says, as seen by a client of plain `std::net`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unreachable,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and this client knows a few frames only"
)]

mod peer;

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Instant;

use link::{ConnSelector, FAULTS, FaultName, FaultSpec};
use peer::{Client, Peer, Saw};
use serde_json::json;
use transcript::{Direction, Kind, Stage};

/// Late enough to be told from at once on a busy machine.
const LATE_MS: u64 = 120;

/// How long messages are gathered, or a FIN is late: long enough for three messages on a busy machine.
const GATHER_MS: u64 = 1_500;

fn text(text: &str) -> Saw {
    Saw::Text(text.to_owned())
}

fn spec(name: FaultName) -> FaultSpec {
    FaultSpec::new(name)
}

#[test]
fn without_a_fault_the_peer_echoes_and_closes() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    client.say("a");
    assert_eq!(client.see(), text("a"));
    client.ping();
    assert_eq!(client.see(), Saw::Pong);
    client.close();
    assert_eq!(client.see(), Saw::Close(1000, String::new()));
    assert_eq!(client.see(), Saw::Eof);
}

#[test]
fn refuse() {
    let peer = Peer::start();
    let mut before = Client::open(peer.addr);
    let id = peer.faults.install(spec(FaultName::Refuse));
    for _ in 0..3 {
        let error = TcpStream::connect(peer.addr).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    before.say("still here");
    assert_eq!(
        before.see(),
        text("still here"),
        "live connections are left alone"
    );
    peer.faults.heal(id);
    Client::open(peer.addr);
}

#[test]
fn refuse_while_the_gateway_is_down() {
    let peer = Peer::start();
    peer.faults.set_down(true);
    let error = TcpStream::connect(peer.addr).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    peer.faults.set_down(false);
    Client::open(peer.addr);
}

#[test]
fn refuse_two_then_work() {
    let peer = Peer::start();
    peer.faults
        .install(spec(FaultName::Refuse).connections(ConnSelector::Next(2)));
    for _ in 0..2 {
        let seen = Client::ask(peer.addr).and_then(|mut client| client.upgraded());
        assert_eq!(seen.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    Client::open(peer.addr);
}

#[test]
fn accept_and_hold() {
    let peer = Peer::start();
    peer.faults.install(spec(FaultName::AcceptAndHold));
    let mut client = Client::ask(peer.addr).unwrap();
    assert_eq!(client.listen(), Saw::Silence);
    peer.faults.heal(FaultName::AcceptAndHold);
    client.upgraded().unwrap();
    assert_eq!(client.see(), text("challenge"), "heals without FIN");
}

#[test]
fn upgrade_then_silence() {
    let peer = Peer::start();
    peer.faults.install(spec(FaultName::UpgradeThenSilence));
    let mut client = Client::ask(peer.addr).unwrap();
    client.upgraded().unwrap();
    client.ping();
    client.say("a");
    assert_eq!(client.listen(), Saw::Silence);
    peer.faults.heal(FaultName::UpgradeThenSilence);
    let mut seen = [client.see(), client.see(), client.see()];
    seen.sort_by_key(|saw| *saw == Saw::Pong);
    assert_eq!(
        seen,
        [text("challenge"), text("a"), Saw::Pong],
        "heals without FIN"
    );
}

#[test]
fn reset() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    peer.faults.install(spec(FaultName::Reset));
    assert_eq!(client.see(), Saw::Reset);
    Client::open(peer.addr);
}

#[test]
fn reset_after_a_message() {
    let peer = Peer::start();
    peer.faults.install(
        spec(FaultName::Reset)
            .connections(ConnSelector::All)
            .dir(Direction::GatewayToClient)
            .after(2),
    );
    let mut client = Client::open(peer.addr);
    client.say("a");
    assert_eq!(client.see(), text("a"), "the second message is delivered");
    assert_eq!(client.see(), Saw::Reset);
}

#[test]
fn reset_in_place_of_a_message() {
    let peer = Peer::start();
    peer.faults.install(
        spec(FaultName::Reset)
            .connections(ConnSelector::All)
            .dir(Direction::GatewayToClient)
            .matching(json!({"type": "res"})),
    );
    let mut client = Client::open(peer.addr);
    client.say(r#"{"type":"req"}"#);
    assert_eq!(client.see(), text(r#"{"type":"req"}"#));
    client.say(r#"{"type":"res","id":"1"}"#);
    assert_eq!(client.see(), Saw::Reset, "the response is not delivered");
    let dropped = peer
        .recorder
        .transcript()
        .entries
        .into_iter()
        .find(|e| e.stage == Some(Stage::Dropped));
    assert_eq!(dropped.unwrap().frame.unwrap()["id"], "1");
}

#[test]
fn fin_without_close() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    // Unread bytes at the gateway must not turn its FIN into RST.
    client.say("a");
    assert_eq!(client.see(), text("a"));
    peer.faults.install(spec(FaultName::FinWithoutClose));
    assert_eq!(client.see(), Saw::Eof, "no close frame before the end");
    client.say("into the void");
    assert_eq!(client.see(), Saw::Eof, "and no reset after it");
}

#[test]
fn close_then_reset() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    peer.faults.install(spec(FaultName::CloseThenReset));
    assert_eq!(client.see(), Saw::Close(1012, "service restart".to_owned()));
    assert_eq!(client.see(), Saw::Reset);
}

#[test]
fn close_without_reply() {
    let peer = Peer::start();
    peer.faults.install(spec(FaultName::CloseWithoutReply));
    let mut client = Client::open(peer.addr);
    client.close();
    assert_eq!(
        client.listen(),
        Saw::Silence,
        "no close frame, no end of stream"
    );
    let entries = peer.recorder.transcript().entries;
    assert!(
        entries
            .iter()
            .any(|e| e.kind == Kind::Close && e.stage == Some(Stage::Delivered))
    );
    assert!(
        entries
            .iter()
            .any(|e| e.text.as_deref() == Some("close_without_reply"))
    );
}

#[test]
fn reply_without_close() {
    let peer = Peer::start();
    peer.faults.install(spec(FaultName::ReplyWithoutClose));
    let mut client = Client::open(peer.addr);
    client.close();
    assert_eq!(client.see(), Saw::Close(1000, String::new()));
    assert_eq!(client.listen(), Saw::Silence, "the stream stays open");
}

#[test]
fn blackhole() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    peer.faults.install(spec(FaultName::Blackhole));
    client.say("a");
    client.ping();
    assert_eq!(client.listen(), Saw::Silence);
    let mut other = Client::open(peer.addr);
    other.say("b");
    assert_eq!(other.see(), text("b"), "later connections are left alone");
    peer.faults.heal(FaultName::Blackhole);
    let mut seen = [client.see(), client.see()];
    seen.sort_by_key(|saw| *saw == Saw::Pong);
    assert_eq!(seen, [text("a"), Saw::Pong]);
    assert_eq!(client.listen(), Saw::Silence, "heals without FIN");
    client.say("c");
    assert_eq!(client.see(), text("c"));
}

#[test]
fn blackhole_hides_the_end_of_a_connection() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    peer.faults.install(spec(FaultName::Blackhole));
    peer.faults.install(spec(FaultName::FinWithoutClose));
    assert_eq!(client.listen(), Saw::Silence);
}

#[test]
fn blackhole_one_way_to_the_client() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    peer.faults.install(spec(FaultName::BlackholeOneWay));
    client.say("a");
    client.ping();
    assert_eq!(client.listen(), Saw::Silence);
    let heard = |stage| {
        let entries = peer.recorder.raw_since(0);
        entries
            .iter()
            .filter(|e| e.dir == Some(Direction::ClientToGateway) && e.stage == Some(stage))
            .count()
    };
    assert_eq!(
        (heard(Stage::Delivered), heard(Stage::Held)),
        (2, 0),
        "the gateway hears the client"
    );
    peer.faults.heal(FaultName::BlackholeOneWay);
    let mut seen = [client.see(), client.see()];
    seen.sort_by_key(|saw| *saw == Saw::Pong);
    assert_eq!(seen, [text("a"), Saw::Pong]);
}

#[test]
fn blackhole_one_way_to_the_gateway_after_a_message() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    let dir = Direction::ClientToGateway;
    peer.faults
        .install(spec(FaultName::BlackholeOneWay).dir(dir).after(1));
    client.say("a");
    assert_eq!(client.see(), text("a"));
    client.say("b");
    client.say("c");
    assert_eq!(client.listen(), Saw::Silence);
    peer.faults.heal_all();
    assert_eq!([client.see(), client.see()], [text("b"), text("c")]);
}

#[test]
fn delay() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    peer.faults.install(
        spec(FaultName::Delay)
            .dir(Direction::GatewayToClient)
            .delay_ms(80),
    );
    let start = Instant::now();
    client.say("a");
    client.say("b");
    assert_eq!([client.see(), client.see()], [text("a"), text("b")]);
    assert!(start.elapsed().as_millis() >= 80);
    let times = |stage| {
        let entries = peer.recorder.raw_since(0);
        let late = entries
            .iter()
            .rfind(|e| e.dir == Some(Direction::GatewayToClient) && e.stage == Some(stage));
        late.unwrap().t_us
    };
    assert!(times(Stage::Delivered) - times(Stage::Sent) >= 80_000);
}

#[test]
fn duplicate() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    peer.faults
        .install(spec(FaultName::Duplicate).dir(Direction::GatewayToClient));
    client.say("a");
    client.say("b");
    assert_eq!(
        [client.see(), client.see(), client.see()],
        [text("a"), text("a"), text("b")]
    );
}

#[test]
fn drop_message() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    peer.faults.install(
        spec(FaultName::DropMessage)
            .dir(Direction::GatewayToClient)
            .after(1),
    );
    for word in ["a", "b", "c"] {
        client.say(word);
    }
    assert_eq!([client.see(), client.see()], [text("a"), text("c")]);
}

#[test]
fn byte_split() {
    let peer = Peer::start();
    peer.faults.install(spec(FaultName::ByteSplit));
    let mut client = Client::open(peer.addr);
    client.say("whole in the end");
    assert_eq!(client.see(), text("whole in the end"));
    client.close();
    assert_eq!(client.last(), Saw::Close(1000, String::new()));
    assert_eq!(client.see(), Saw::Eof);
}

#[test]
fn late_fin() {
    let peer = Peer::start();
    peer.faults
        .install(spec(FaultName::LateFin).delay_ms(GATHER_MS));
    let mut client = Client::open(peer.addr);
    let start = Instant::now();
    client.close();
    assert_eq!(client.see(), Saw::Close(1000, String::new()));
    let answered = start.elapsed();
    assert_eq!(client.see(), Saw::Eof);
    assert!(
        answered.as_millis() < u128::from(GATHER_MS),
        "the close frame is answered in time: {answered:?}"
    );
    assert!(start.elapsed().as_millis() >= u128::from(GATHER_MS));
}

#[test]
fn coalesce() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    let dir = Direction::GatewayToClient;
    let id = peer
        .faults
        .install(spec(FaultName::Coalesce).dir(dir).delay_ms(GATHER_MS));
    for word in ["a", "b", "c"] {
        client.say(word);
    }
    assert_eq!(client.segment(), [text("a"), text("b"), text("c")]);
    peer.faults.heal(id);
    client.say("d");
    assert_eq!(client.segment(), [text("d")], "and one is one");
}

#[test]
fn reorder() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    peer.faults
        .install(spec(FaultName::Reorder).dir(Direction::GatewayToClient));
    client.say("a");
    assert_eq!(client.listen(), Saw::Silence, "nothing overtakes it yet");
    client.say("b");
    client.say("c");
    let seen = [client.see(), client.see(), client.see()];
    assert_eq!(seen, [text("b"), text("a"), text("c")]);
}

#[test]
fn reorder_that_heals_lets_go() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    peer.faults
        .install(spec(FaultName::Reorder).dir(Direction::GatewayToClient));
    client.say("a");
    assert_eq!(client.listen(), Saw::Silence);
    peer.faults.heal(FaultName::Reorder);
    assert_eq!(client.see(), text("a"));
}

#[test]
fn mutate() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    let patch =
        json!([{"op": "replace", "path": "/ok", "value": false}, {"op": "remove", "path": "/id"}]);
    peer.faults.install(
        spec(FaultName::Mutate)
            .dir(Direction::GatewayToClient)
            .patch(patch),
    );
    for word in ["no frame", r#"{"type":"event"}"#] {
        client.say(word);
        assert_eq!(client.see(), text(word), "the patch does not fit");
    }
    let frame = r#"{"ok":true,"id":"1"}"#;
    client.say(frame);
    assert_eq!(client.see(), text(r#"{"ok":false}"#));
    client.say(frame);
    assert_eq!(client.see(), text(frame), "one per connection");
}

/// Bytes of a burst that takes three helpings and two pauses.
const BURST: usize = 110;

#[test]
fn slow_read() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    let slow = spec(FaultName::SlowRead).chunk_bytes(50).delay_ms(LATE_MS);
    let id = peer.faults.install(slow);
    let start = Instant::now();
    let word = "x".repeat(BURST);
    client.say(&word);
    assert_eq!(client.see(), text(&word));
    let pauses = u128::from(2 * LATE_MS);
    assert!(
        start.elapsed().as_millis() >= pauses,
        "{:?}",
        start.elapsed()
    );
    peer.faults.heal(id);
    client.say("free");
    assert_eq!(client.see(), text("free"));
}

#[test]
fn slow_read_by_the_client() {
    let peer = Peer::start();
    let mut client = Client::open(peer.addr);
    peer.faults.install(
        spec(FaultName::SlowRead)
            .dir(Direction::GatewayToClient)
            .chunk_bytes(50)
            .delay_ms(LATE_MS),
    );
    let start = Instant::now();
    let word = "x".repeat(BURST);
    client.say(&word);
    assert_eq!(client.see(), text(&word));
    assert!(start.elapsed().as_millis() >= u128::from(2 * LATE_MS));
}

#[test]
fn blackhole_that_lasts_ends_by_itself_on_each_connection() {
    let peer = Peer::start();
    let lasting = spec(FaultName::Blackhole).lasts_ms(2 * LATE_MS);
    for _ in 0..2 {
        let mut client = Client::open(peer.addr);
        peer.faults.install(lasting.clone());
        let start = Instant::now();
        client.say("a");
        assert_eq!(client.see(), text("a"), "heals without FIN");
        assert!(start.elapsed().as_millis() >= u128::from(2 * LATE_MS));
        client.say("b");
        assert_eq!(client.see(), text("b"));
    }
}

#[test]
fn refuse_two_for_good_where_the_dialer_counts() {
    let peer = Peer::start();
    peer.faults.count_refusals();
    peer.faults
        .install(spec(FaultName::Refuse).connections(ConnSelector::Next(2)));
    for number in [1, 2] {
        let error = TcpStream::connect(peer.addr).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "not accepted");
        assert_eq!(peer.faults.refused(), Some(number));
    }
    Client::open(peer.addr);
    peer.faults
        .install(spec(FaultName::Refuse).connections(ConnSelector::Numbers(vec![5])));
    Client::open(peer.addr);
    assert!(TcpStream::connect(peer.addr).is_err());
    assert_eq!(peer.faults.refused(), Some(5));
    Client::open(peer.addr);
    assert_eq!(peer.faults.refused(), None, "nothing counts any more");
}

/// A fault without a self-test in this file is not a fault.
#[test]
fn every_fault_has_a_self_test() {
    let source = include_str!("fault_semantics.rs");
    for row in FAULTS {
        assert!(source.contains(&format!("fn {}", row.name)), "{}", row.name);
        assert_eq!(row.name.row().name, row.name);
        assert!(!row.doc.is_empty() && !row.client_sees.is_empty() && !row.on_heal.is_empty());
    }
}
