//! A disk that takes its time: the connections go on meanwhile, and what must be durable first still is.
//! ref: client-behaviour.md §17

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

#[expect(dead_code, reason = "each test file uses a part of it")]
mod peer;

use std::sync::mpsc;
use std::time::Duration;

use client_core::{DurableState, Intent, Role, Snapshot, StoreError, StoreOp};
use gateway_client::{Clock, LoadError, MemoryState, MemoryStore, Setup, Store};
use gateway_protocol::{BootstrapToken, UnixMillis};
use peer::{known_gateway, net, options};
use serde_json::json;
use tokio::time::{advance, timeout};

/// How long a write waits for the test before it goes on by itself, so that a client that waits for its disk fails
/// the test instead of stalling it. Real time: the disk is a thread.
const PATIENCE: Duration = Duration::from_secs(20);

/// A memory store whose writes of the node's token wait for the test.
struct SlowDisk {
    store: MemoryStore,
    begun: tokio::sync::mpsc::Sender<StoreOp>,
    go: mpsc::Receiver<()>,
}

impl Store for SlowDisk {
    fn may_be_slow(&self) -> bool {
        true
    }

    fn apply(&mut self, op: &StoreOp) -> Result<(), StoreError> {
        drop(self.begun.try_send(op.clone()));
        if matches!(
            op,
            StoreOp::SaveToken {
                role: Role::Node,
                ..
            }
        ) {
            let _expired = self.go.recv_timeout(PATIENCE);
        }
        self.store.apply(op)
    }

    fn load(&self) -> Result<DurableState, LoadError> {
        self.store.load()
    }
}

fn known() -> MemoryState {
    let mut state = known_gateway();
    let mut record = state.registry.find("g").unwrap().clone();
    record.bootstrap_token = Some(BootstrapToken::new("boot"));
    state.registry.upsert(record);
    MemoryState::new(state)
}

fn has_bootstrap(state: &DurableState) -> bool {
    let record = state.registry.find("g").unwrap();
    record.bootstrap_token.is_some()
}

#[tokio::test(start_paused = true)]
async fn a_slow_disk_holds_up_no_answer_and_keeps_its_order() {
    let state = known();
    let (net, mut listener) = net();
    let (go, gate) = mpsc::channel();
    let (begun, mut writes) = tokio::sync::mpsc::channel(64);
    let store = SlowDisk {
        store: MemoryStore::over(state.clone()),
        begun,
        go: gate,
    };
    let clock = Clock::starting_at(UnixMillis(1_767_225_600_000));
    let client = Setup::new(options(&["system.which"]), store, net, clock)
        .spawn()
        .unwrap();
    client.intent(Intent::Connect).await.unwrap();
    let mut operator = listener.accept().await;
    operator.admit().await;
    let mut node = listener.accept().await;
    node.admit().await;
    let is_nodes = |op: &StoreOp| {
        matches!(
            op,
            StoreOp::SaveToken {
                role: Role::Node,
                ..
            }
        )
    };
    while !is_nodes(&writes.recv().await.unwrap()) {}

    // The disk is busy with the node's token: pings are answered, however long it takes.
    for n in 0..3 {
        let id = json!(format!("ping-{n}"));
        node.say(json!({"type": "req", "id": id, "method": "ping"}))
            .await;
        let answer = node.frame().await;
        assert_eq!((&answer["id"], &answer["ok"]), (&id, &json!(true)));
        operator.event("tick", json!({"ts": 1})).await;
        advance(Duration::from_secs(30)).await;
    }
    // An invoke waits for the node to be one.
    let call = json!({"id": "i-1", "command": "system.which", "paramsJSON": "{}"});
    node.event("node.invoke.request", call).await;
    let disk = state.read();
    assert_eq!(disk.identities["g"].token(Role::Node), None);
    assert!(has_bootstrap(&disk), "one role token is not durable yet");

    go.send(()).unwrap();
    let result = node.request("node.invoke.result").await;
    assert_eq!(result["params"]["id"], "i-1");
    let mut snapshot = client.snapshot();
    let connected = snapshot.wait_for(Snapshot::is_fully_connected);
    drop(timeout(Duration::from_mins(1), connected).await.unwrap());
    // The bootstrap token goes only in a write that begins when both role tokens are there.
    loop {
        let write = timeout(Duration::from_mins(1), writes.recv()).await;
        let StoreOp::SaveRegistry { registry } = write.unwrap().unwrap() else {
            continue;
        };
        if registry.find("g").unwrap().bootstrap_token.is_none() {
            break;
        }
    }
    let disk = state.read();
    assert_eq!(
        (
            disk.identities["g"].token(Role::Operator),
            disk.identities["g"].token(Role::Node)
        ),
        (Some("operator-token"), Some("node-token"))
    );
    client.shutdown().await;
    assert!(
        !has_bootstrap(&state.read()),
        "a stop finishes what was begun"
    );
}
