//! The client against the mock gateway, over memory in virtual time and over TCP in real time.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod admit;
mod watch;

use std::io;
use std::time::Duration;

use admit::let_in;
use client_core::{
    ClientEvent, ClientOptions, DurableState, GatewayRecord, Intent, OperatorState, OverallState,
    PairingStatus, Policy, Snapshot,
};
use gateway_client::{
    Builtins, ClientHandle, Clock, Connector, DeviceFacts, FileStore, MemoryState, MemoryStore,
    RunPolicy, SearchPath, Setup, Store, TcpConnector,
};
use gateway_protocol::time::VIRTUAL_EPOCH;
use gateway_protocol::{Role, SharedToken};
use link::FaultTable;
use link::memory::{MemoryNet, MemoryStream};
use mock_gateway::{Config, Control, MockGateway, Running, StateView};
use rstest::rstest;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::either::Either;
use watch::until;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum World {
    Memory,
    Loopback,
}

#[derive(Clone)]
enum Net {
    Memory(MemoryNet),
    Loopback,
}

impl Connector for Net {
    type Stream = Either<MemoryStream, TcpStream>;

    async fn connect(&self, url: &str) -> io::Result<Self::Stream> {
        match self {
            Self::Memory(net) => net.connect().map(Either::Left),
            Self::Loopback => TcpConnector.connect(url).await.map(Either::Right),
        }
    }
}

/// Tells a story in a world; virtual time only where nothing real takes part.
fn tell<F: Future<Output = ()>>(world: World, story: impl FnOnce(Running, Net) -> F) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime
        .enable_all()
        .start_paused(world == World::Memory)
        .build()
        .unwrap();
    runtime.block_on(async {
        let faults = FaultTable::default();
        let gateway = MockGateway::new()
            .config(Config::with_token("shared"))
            .faults(faults.clone());
        let (gateway, net) = match world {
            World::Memory => {
                let net = MemoryNet::new(faults);
                (gateway.serve_on(net.listener()), Net::Memory(net))
            }
            World::Loopback => (
                gateway.serve_tcp(([127, 0, 0, 1], 0).into()).await.unwrap(),
                Net::Loopback,
            ),
        };
        timeout(Duration::from_hours(1), story(gateway, net))
            .await
            .unwrap();
    });
}

fn start(store: impl Store, net: Net) -> ClientHandle {
    start_as(Policy::default(), store, net)
}

fn start_as(policy: Policy, store: impl Store, net: Net) -> ClientHandle {
    let options = ClientOptions {
        policy,
        node: client_core::NodeSurface {
            caps: Builtins::caps(),
            commands: Builtins::commands(),
            ..client_core::NodeSurface::default()
        },
        builtin_commands: false,
        ..ClientOptions::default()
    };
    let handler = Builtins::new(
        SearchPath::of_this_process(),
        RunPolicy::default(),
        DeviceFacts::of_this_machine(),
    );
    Setup::new(options, store, net, Clock::starting_at(VIRTUAL_EPOCH))
        .invoke_handler(handler)
        .spawn()
        .unwrap()
}

/// A state that knows the gateway and its shared token.
fn known(gateway: &Running) -> MemoryState {
    let mut record = GatewayRecord::new("g", gateway.ws_url());
    record.shared_gateway_token = Some(SharedToken::new("shared"));
    let mut state = DurableState::default();
    state.registry.upsert(record);
    state.registry.active_id = Some("g".to_owned());
    MemoryState::new(state)
}

async fn view(gateway: &Running) -> StateView {
    gateway.view().await.unwrap()
}

#[rstest]
#[case(World::Memory)]
#[case(World::Loopback)]
fn a_shared_token_connects_both_roles(#[case] world: World) {
    tell(world, async |gateway, net| {
        let state = known(&gateway);
        let client = start(MemoryStore::over(state.clone()), net);
        client.intent(Intent::Connect).await.unwrap();
        let snapshot = let_in(&gateway, &client).await;
        assert_eq!(snapshot.overall_state, OverallState::Ready);
        let view = view(&gateway).await;
        let mut roles: Vec<_> = view
            .connections
            .iter()
            .filter_map(|connection| connection.role)
            .collect();
        roles.sort();
        assert_eq!(roles, Role::ALL);
        assert!(state.read().identities["g"].has_both_tokens());
        client.shutdown().await;
        gateway.stop().await;
    });
}

#[rstest]
#[case(World::Memory)]
#[case(World::Loopback)]
fn a_setup_code_leaves_two_role_tokens_and_no_bootstrap_token(#[case] world: World) {
    tell(world, async |gateway, net| {
        let mint = Control::MintSetupCode {
            url: Some(gateway.ws_url()),
            ttl_ms: None,
            limited: false,
        };
        let minted = gateway.control(mint).await.unwrap();
        let state = MemoryState::default();
        let client = start(MemoryStore::over(state.clone()), net);
        let code = minted["setupCode"].as_str().unwrap().to_owned();
        client
            .intent(Intent::ApplySetupCode { code })
            .await
            .unwrap();
        let_in(&gateway, &client).await;
        until(&client, |now| {
            now.gateway
                .as_ref()
                .is_some_and(|gateway| !gateway.has_bootstrap_token)
        })
        .await;
        let state = state.read();
        let identity = state.identities.values().next().unwrap();
        assert!(identity.has_both_tokens());
        assert_eq!(state.registry.gateways[0].bootstrap_token, None);
        client.shutdown().await;
        gateway.stop().await;
    });
}

#[rstest]
#[case(World::Memory)]
#[case(World::Loopback)]
fn a_restarted_gateway_is_found_again_without_asking(#[case] world: World) {
    tell(world, async |gateway, net| {
        let client = start(MemoryStore::over(known(&gateway)), net);
        client.intent(Intent::Connect).await.unwrap();
        let_in(&gateway, &client).await;
        gateway
            .control(Control::Restart {
                down_for_ms: Some(100),
                reason: None,
            })
            .await
            .unwrap();
        until(&client, |now| {
            now.operator.state == OperatorState::Connecting
        })
        .await;
        until(&client, Snapshot::is_fully_connected).await;
        let view = view(&gateway).await;
        assert_eq!(
            (view.devices.len(), view.pending_devices.len()),
            (1, 0),
            "{view:?}"
        );
        client.shutdown().await;
        gateway.stop().await;
    });
}

#[rstest]
#[case(World::Memory)]
#[case(World::Loopback)]
fn an_approved_node_answers_an_invoke(#[case] world: World) {
    tell(world, async |gateway, net| {
        let mut client = start(MemoryStore::over(known(&gateway)), net);
        let mut events = client.events().unwrap();
        client.intent(Intent::Connect).await.unwrap();
        let_in(&gateway, &client).await;
        gateway
            .control(Control::ApproveNode {
                request_id: "latest".to_owned(),
            })
            .await
            .unwrap();
        let node_id = view(&gateway).await.nodes[0].node_id.as_str().to_owned();
        let invoke = Control::Invoke {
            node_id,
            command: "device.info".to_owned(),
            params: None,
            timeout_ms: None,
            idempotency_key: None,
        };
        gateway.control(invoke).await.unwrap();
        while !matches!(
            events.recv().await.unwrap(),
            ClientEvent::InvokeAnswered { .. }
        ) {}
        // The answer is on its way; each look goes through the gateway's own queue.
        let answer = loop {
            if let Some(answer) = view(&gateway).await.invokes[0].answer.clone() {
                break answer;
            }
        };
        assert!(answer.to_string().contains("deviceName"), "{answer}");
        client.shutdown().await;
        gateway.stop().await;
    });
}

/// A token that the gateway no longer accepts is replaced by way of the shared token, with the same key.
#[rstest]
#[case(World::Memory)]
#[case(World::Loopback)]
fn a_rotated_token_is_recovered(#[case] world: World) {
    tell(world, async |gateway, net| {
        let state = known(&gateway);
        let client = start(MemoryStore::over(state.clone()), net);
        client.intent(Intent::Connect).await.unwrap();
        let_in(&gateway, &client).await;
        let before = state.read().identities["g"].clone();
        let rotate = Control::RotateToken {
            device_id: before.device_id.clone(),
            role: Role::Operator,
            scopes: None,
        };
        gateway.control(rotate).await.unwrap();
        client.intent(Intent::Reconnect).await.unwrap();
        let is_new = |state: &MemoryState| {
            state.read().identities["g"].token(Role::Operator) != before.token(Role::Operator)
        };
        until(&client, |now| is_new(&state) && now.is_fully_connected()).await;
        let after = state.read().identities["g"].clone();
        assert_eq!(after.private_key_base64, before.private_key_base64);
        assert!(after.has_both_tokens());
        client.shutdown().await;
        gateway.stop().await;
    });
}

#[test]
fn files_carry_a_pairing_from_one_process_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    tell(World::Loopback, async |gateway, net| {
        let first = start(FileStore::open(folder.path()).unwrap(), net.clone());
        let (url, token) = (gateway.ws_url(), "shared".to_owned());
        first
            .intent(Intent::ConnectSharedToken {
                url,
                token,
                ssh_tunnel: None,
            })
            .await
            .unwrap();
        let_in(&gateway, &first).await;
        first.shutdown().await;
        let second = start(FileStore::open(folder.path()).unwrap(), net);
        second.intent(Intent::Connect).await.unwrap();
        until(&second, Snapshot::is_fully_connected).await;
        let view = view(&gateway).await;
        assert_eq!(view.devices.len(), 1, "{view:?}");
        let auth: Vec<_> = view
            .connections
            .iter()
            .filter_map(|connection| connection.auth.clone())
            .collect();
        assert_eq!(json!(auth), json!(["device-token", "device-token"]));
        second.shutdown().await;
        gateway.stop().await;
    });
}

/// The older client's files under the newer one: the same device and tokens, and nobody is asked to approve again.
#[rstest]
#[case::upgrade(Policy::Pr741, Policy::Hardened)]
#[case::downgrade(Policy::Hardened, Policy::Pr741)]
fn another_generation_goes_on_with_the_same_pairing(#[case] before: Policy, #[case] after: Policy) {
    let folder = tempfile::tempdir().unwrap();
    let open = || FileStore::open(folder.path()).unwrap();
    tell(World::Loopback, async |gateway, net| {
        let first = start_as(before, open(), net.clone());
        let wish = Intent::ConnectSharedToken {
            url: gateway.ws_url(),
            token: "shared".to_owned(),
            ssh_tunnel: None,
        };
        first.intent(wish).await.unwrap();
        let_in(&gateway, &first).await;
        first.shutdown().await;
        let old = open().load().unwrap();
        let devices = view(&gateway).await.devices;

        let mut second = start_as(after, open(), net);
        let mut events = second.events().unwrap();
        second.intent(Intent::Connect).await.unwrap();
        let asks = |now: &Snapshot| now.operator.state == OperatorState::PairingRequired;
        let seen = until(&second, |now| now.is_fully_connected() || asks(now)).await;
        assert!(!asks(&seen), "the pairing was lost");
        second.shutdown().await;
        while let Some(event) = events.recv().await {
            let pairing = matches!(
                event,
                ClientEvent::Pairing {
                    status: PairingStatus::Pending,
                    ..
                }
            );
            assert!(!pairing, "{event:?}");
        }
        let new = open().load().unwrap();
        assert_eq!(new.identities, old.identities, "device, key and tokens");
        assert_eq!(new.registry.active_id, old.registry.active_id);
        let now = view(&gateway).await;
        assert!(now.pending_devices.is_empty(), "{:?}", now.pending_devices);
        assert_eq!(now.devices.len(), devices.len());
        gateway.stop().await;
    });
}
