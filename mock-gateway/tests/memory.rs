//! The same gateway over in-memory streams under a paused clock: what takes minutes, in milliseconds and exactly.
#![cfg(test)]

#[expect(dead_code, reason = "each program uses its part of the client")]
mod support;

use std::time::Duration;

use futures_util::SinkExt as _;
use gateway_protocol::Keypair;
use link::{ConnSelector, FaultName, FaultSpec, FaultTable, MemoryNet, MemoryStream};
use mock_gateway::{Config, Control, MockGateway, Running};
use rstest::rstest;
use serde_json::json;
use support::{Client, TOKEN};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;
use transcript::{Direction, Header, Kind, Recorder, Stage};

struct Ground {
    net: MemoryNet,
    gateway: Running,
    recorder: Recorder,
}

impl Ground {
    fn new() -> Self {
        let net = MemoryNet::new(FaultTable::new());
        let recorder = Recorder::in_memory(Header::new(7, "memory", "mock profile 2026.6.34"));
        let gateway = MockGateway::new()
            .config(Config::with_token(TOKEN))
            .seed(7)
            .recorder(recorder.clone())
            .faults(net.faults().clone())
            .serve_on(net.listener());
        Self {
            net,
            gateway,
            recorder,
        }
    }

    async fn client(&self) -> Client<MemoryStream> {
        Client::upgrade(self.net.connect().unwrap()).await.unwrap()
    }

    fn fault(&self, spec: FaultSpec) {
        self.net.faults().install(spec);
    }
}

fn key() -> Keypair {
    Keypair::from_seed([9; 32])
}

#[tokio::test(start_paused = true)]
async fn ticks_come_every_30_s_and_pings_every_25_s() {
    let ground = Ground::new();
    let start = Instant::now();
    let mut client = ground.client().await;
    client.hello(&key()).await;
    for n in 1..=20 {
        let tick = client.event("tick").await;
        assert_eq!(start.elapsed().as_secs(), 30 * n, "tick {n}");
        assert_eq!(
            tick.payload["ts"],
            json!(1_767_225_600_000_u64 + 30_000 * n)
        );
    }
    let pings = ground.recorder.transcript().entries;
    let pings = pings
        .iter()
        .filter(|entry| entry.kind == Kind::Ping && entry.stage == Some(Stage::Sent))
        .count();
    assert_eq!(pings, 24);
    ground.gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_is_closed_after_15_s() {
    let ground = Ground::new();
    let start = Instant::now();
    let mut client = ground.client().await;
    assert_eq!(client.closed().await, Some((1000, String::new())));
    assert_eq!(start.elapsed().as_secs(), 15);
    ground.gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_refuses_for_its_time_and_keeps_devices() {
    let ground = Ground::new();
    let mut client = ground.client().await;
    client.hello(&key()).await;
    ground
        .gateway
        .control(Control::Restart {
            down_for_ms: Some(4_000),
            reason: None,
        })
        .await
        .unwrap();
    assert_eq!(
        client.closed().await,
        Some((1012, "service restart".to_owned()))
    );
    assert!(ground.net.connect().is_err());
    tokio::time::advance(Duration::from_millis(3_990)).await;
    assert!(ground.net.connect().is_err());
    tokio::time::advance(Duration::from_millis(20)).await;
    while ground.net.connect().is_err() {
        tokio::task::yield_now().await;
    }
    let mut client = ground.client().await;
    client.hello(&key()).await;
    assert_eq!(ground.gateway.view().await.unwrap().devices.len(), 1);
    ground.gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_wire_is_recorded_both_ways_and_redacted() {
    let ground = Ground::new();
    let mut client = ground.client().await;
    let hello = client.hello(&key()).await;
    let device_token = hello["auth"]["deviceToken"].as_str().unwrap().to_owned();
    drop(client);
    ground.gateway.stop().await;
    let transcript = ground.recorder.transcript();
    let passed = |dir, stage, method: &str| {
        transcript.entries.iter().any(|entry| {
            entry.dir == Some(dir)
                && entry.stage == Some(stage)
                && (entry.method() == Some(method) || entry.event() == Some(method))
        })
    };
    for stage in [Stage::Sent, Stage::Delivered] {
        assert!(passed(Direction::ClientToGateway, stage, "connect"));
        assert!(passed(
            Direction::GatewayToClient,
            stage,
            "connect.challenge"
        ));
    }
    let text = transcript.to_jsonl();
    assert!(
        !text.contains(TOKEN) && !text.contains(&device_token),
        "a secret was not redacted"
    );
    assert!(
        transcript
            .entries
            .iter()
            .any(|entry| entry.kind == Kind::Open)
    );
    assert!(
        transcript
            .entries
            .iter()
            .any(|entry| entry.kind == Kind::Eof)
    );
}

#[tokio::test(start_paused = true)]
async fn two_runs_are_the_same() {
    async fn run() -> String {
        let ground = Ground::new();
        let mut client = ground.client().await;
        client.hello(&key()).await;
        client.call("1", "health", json!({})).await;
        client.event("tick").await;
        client.socket.close(None).await.unwrap();
        client.closed().await;
        ground.gateway.stop().await;
        ground.recorder.transcript().to_jsonl()
    }
    assert_eq!(run().await, run().await);
}

#[rstest]
#[case(FaultName::AcceptAndHold)]
#[case(FaultName::UpgradeThenSilence)]
#[tokio::test(start_paused = true)]
async fn silence_at_admission_ends_when_the_fault_heals(#[case] fault: FaultName) {
    let ground = Ground::new();
    ground.fault(FaultSpec::new(fault).connections(ConnSelector::Next(1)));
    let stream = ground.net.connect().unwrap();
    let quiet = async {
        let mut client = Client::upgrade(stream).await.unwrap();
        client.event("connect.challenge").await;
        client
    };
    tokio::pin!(quiet);
    assert!(
        tokio::time::timeout(Duration::from_secs(10), &mut quiet)
            .await
            .is_err()
    );
    ground.net.faults().heal_all();
    let mut client = quiet.await;
    client.socket.send(Message::Ping("p".into())).await.unwrap();
    ground.gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_reset_and_the_next_is_served() {
    let ground = Ground::new();
    ground.fault(FaultSpec::new(FaultName::Refuse).connections(ConnSelector::Numbers(vec![1])));
    let stream = ground.net.connect().unwrap();
    assert!(Client::upgrade(stream).await.is_err());
    ground.client().await.hello(&key()).await;
    ground.gateway.stop().await;
}

/// The driver gathers messages for one write; what the transcript calls delivered is written before a cut.
#[rstest]
#[case(FaultName::Reset)]
#[case(FaultName::FinWithoutClose)]
#[tokio::test(start_paused = true)]
async fn what_is_delivered_before_a_cut_arrives(#[case] fault: FaultName) {
    let ground = Ground::new();
    let first = FaultSpec::new(fault).connections(ConnSelector::Numbers(vec![1]));
    ground.fault(first.dir(Direction::GatewayToClient).after(2));
    let mut client = ground.client().await;
    assert_eq!(client.hello(&key()).await["type"], "hello-ok");
    assert_eq!(client.closed().await, None);
    ground.gateway.stop().await;
}

#[rstest]
#[case(FaultName::Reset, None)]
#[case(FaultName::FinWithoutClose, None)]
#[case(FaultName::CloseThenReset, Some((1012, "service restart".to_owned())))]
#[tokio::test(start_paused = true)]
async fn a_cut_ends_a_live_connection(
    #[case] fault: FaultName,
    #[case] close: Option<(u16, String)>,
) {
    let ground = Ground::new();
    let mut client = ground.client().await;
    client.hello(&key()).await;
    ground.fault(FaultSpec::new(fault));
    assert_eq!(client.closed().await, close);
    drop(client);
    while !ground.gateway.view().await.unwrap().connections.is_empty() {
        tokio::task::yield_now().await;
    }
    ground.gateway.stop().await;
}

#[rstest]
#[case(FaultName::CloseWithoutReply, None)]
#[case(FaultName::ReplyWithoutClose, Some((1000, "bye".to_owned())))]
#[tokio::test(start_paused = true)]
async fn a_closing_handshake_can_stay_unfinished(
    #[case] fault: FaultName,
    #[case] reply: Option<(u16, String)>,
) {
    use futures_util::StreamExt as _;
    use tokio_tungstenite::tungstenite::protocol::CloseFrame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

    let ground = Ground::new();
    let mut client = ground.client().await;
    client.hello(&key()).await;
    ground.fault(FaultSpec::new(fault));
    let frame = CloseFrame {
        code: CloseCode::Normal,
        reason: "bye".into(),
    };
    client
        .socket
        .send(Message::Close(Some(frame)))
        .await
        .unwrap();
    let mut got = None;
    let open = tokio::time::timeout(Duration::from_secs(20), async {
        while let Some(Ok(message)) = client.socket.next().await {
            if let Message::Close(Some(frame)) = message {
                got = Some((frame.code.into(), frame.reason.as_str().to_owned()));
            }
        }
    });
    assert!(open.await.is_err(), "the stream ended");
    assert_eq!(got, reply);
    drop(client);
    ground.gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_heals_without_an_end() {
    let ground = Ground::new();
    let mut client = ground.client().await;
    client.hello(&key()).await;
    ground.fault(FaultSpec::new(FaultName::Blackhole));
    client
        .send(r#"{"type":"req","id":"held","method":"health"}"#)
        .await;
    assert!(
        tokio::time::timeout(Duration::from_secs(10), client.response("held"))
            .await
            .is_err()
    );
    ground.net.faults().heal_all();
    assert!(client.response("held").await.outcome.is_ok());
    ground.gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_is_let_go() {
    let ground = Ground::new();
    let mut client = ground.client().await;
    client.hello(&key()).await;
    let conn = ground.gateway.view().await.unwrap().connections[0].conn;
    let big = "x".repeat(1 << 20);
    for _ in 0..60 {
        ground
            .gateway
            .control(Control::SendRaw {
                conn,
                text: big.clone(),
            })
            .await
            .ok();
    }
    assert!(ground.gateway.view().await.unwrap().connections.is_empty());
    assert_eq!(
        client.closed().await,
        Some((1008, "slow consumer".to_owned()))
    );
    ground.gateway.stop().await;
}

/// Nobody waits for ever to tell somebody who never reads that he reads too slowly.
#[tokio::test(start_paused = true)]
async fn a_slow_consumer_that_never_reads_again_is_cut_off() {
    let ground = Ground::new();
    let mut client = ground.client().await;
    client.hello(&key()).await;
    let conn = ground.gateway.view().await.unwrap().connections[0].conn;
    let big = "x".repeat(1 << 20);
    let start = Instant::now();
    for _ in 0..60 {
        let text = big.clone();
        let order = Control::SendRaw { conn, text };
        ground.gateway.control(order).await.ok();
    }
    assert_eq!(ground.gateway.sockets(), 1);
    tokio::time::sleep(Duration::from_millis(29_900)).await;
    assert_eq!(ground.gateway.sockets(), 1, "{:?}", start.elapsed());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(ground.gateway.sockets(), 0, "{:?}", start.elapsed());
    ground.gateway.stop().await;
}

#[tokio::test(start_paused = true)]
async fn stop_ends_every_task_even_with_a_silent_client() {
    let ground = Ground::new();
    let mut client = ground.client().await;
    client.hello(&key()).await;
    let silent = ground.net.connect().unwrap();
    let start = Instant::now();
    ground.gateway.stop().await;
    assert!(start.elapsed() <= Duration::from_millis(1_010));
    drop((client, silent));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_gateway_takes_its_tasks_along() {
    let ground = Ground::new();
    let mut client = ground.client().await;
    client.hello(&key()).await;
    drop(ground.gateway);
    assert_eq!(client.closed().await, None);
    assert!(ground.net.connect().is_err());
}
