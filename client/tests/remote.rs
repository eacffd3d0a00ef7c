//! A gateway on another address behind a reverse proxy, which the gateway knows (`trustedProxies`) or does not.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod admit;
mod proxy;
mod watch;

use admit::let_in;
use client_core::{
    ClientOptions, ErrorKind, GatewayRecord, Intent, NodeSurface, OperatorState, Snapshot,
};
use gateway_client::tls::NetConnector;
use gateway_client::{ClientHandle, Clock, MemoryState, MemoryStore, Setup};
use gateway_core::StateView;
use gateway_protocol::{Role, SharedToken};
use mock_gateway::{Config, Control, MockGateway, Running};
use proxy::Proxy;
use rstest::rstest;
use watch::until;

async fn gateway(trusts_the_proxy: bool) -> Running {
    let mut config = Config::with_token("shared");
    if trusts_the_proxy {
        config.trusted_proxies = vec!["127.0.0.1".into()];
    }
    // The companion names the address it dials as its origin, and behind a proxy no origin is the gateway's own.
    config.allowed_origins = vec!["*".into()];
    MockGateway::new()
        .config(config)
        .profile(gateway_core::profile("2026.9.6").unwrap())
        .serve_tcp(([127, 0, 0, 1], 0).into())
        .await
        .unwrap()
}

fn client(state: &MemoryState, proxy: &Proxy) -> ClientHandle {
    let mut record = GatewayRecord::new("g", proxy.url());
    record.shared_gateway_token = Some(SharedToken::new("shared"));
    state.with(|state| {
        state.registry.active_id = Some("g".to_owned());
        state.registry.upsert(record);
    });
    let options = ClientOptions {
        node: NodeSurface::companion(),
        ..ClientOptions::default()
    };
    let store = MemoryStore::over(state.clone());
    Setup::new(
        options,
        store,
        NetConnector::new(proxy.trust()),
        Clock::system(),
    )
    .spawn()
    .unwrap()
}

async fn view(gateway: &Running) -> StateView {
    gateway.view().await.unwrap()
}

#[rstest]
#[case::plain(false)]
#[case::with_tls(true)]
#[tokio::test]
async fn both_roles_come_in_through_a_trusted_proxy_and_come_back(#[case] with_tls: bool) {
    let gateway = gateway(true).await;
    let proxy = Proxy::before(gateway.addr(), with_tls).await;
    let client = client(&MemoryState::default(), &proxy);
    client.intent(Intent::Connect).await.unwrap();
    let_in(&gateway, &client).await;
    let before = view(&gateway).await;
    let roles: Vec<_> = before.connections.iter().filter_map(|it| it.role).collect();
    assert_eq!(roles.len(), 2, "{before:?}");
    assert!(
        before.connections.iter().all(|it| !it.local),
        "a proxied client is never local: {before:?}"
    );
    let restart = Control::Restart {
        down_for_ms: Some(1_500),
        reason: None,
    };
    gateway.control(restart).await.unwrap();
    // The first attempt is answered 502.
    until(&client, |now| {
        now.operator.state != OperatorState::Connected
    })
    .await;
    until(&client, Snapshot::is_fully_connected).await;
    let after = view(&gateway).await;
    let devices = (after.devices.len(), after.pending_devices.len());
    assert_eq!(devices, (1, 0), "{after:?}");
    client.shutdown().await;
    gateway.stop().await;
}

/// A gateway that does not know its proxy refuses the upgrade: nobody has said anything by then.
#[tokio::test]
async fn behind_an_unknown_proxy_nothing_is_said() {
    let gateway = gateway(false).await;
    let proxy = Proxy::before(gateway.addr(), true).await;
    let client = client(&MemoryState::default(), &proxy);
    client.intent(Intent::Connect).await.unwrap();
    let snapshot = until(&client, |now| now.operator.error.is_some()).await;
    let text = snapshot.operator.error.unwrap();
    assert!(text.contains("403"), "{text}");
    assert_eq!(snapshot.operator.error_kind, Some(ErrorKind::Network));
    let view = view(&gateway).await;
    assert!(view.pending_devices.is_empty(), "{view:?}");
    client.shutdown().await;
    gateway.stop().await;
}

/// The gateway forgets the operator's token. Behind plain ws anybody on the way could have said so.
#[rstest]
#[case::plain(false)]
#[case::with_tls(true)]
#[tokio::test]
async fn a_refused_device_token_is_recovered_only_through_tls(#[case] with_tls: bool) {
    let gateway = gateway(true).await;
    let proxy = Proxy::before(gateway.addr(), with_tls).await;
    let state = MemoryState::default();
    let client = client(&state, &proxy);
    client.intent(Intent::Connect).await.unwrap();
    let_in(&gateway, &client).await;
    let device_id = view(&gateway).await.devices[0].device_id.to_string();
    let rotate = Control::RotateToken {
        device_id,
        role: Role::Operator,
        scopes: None,
    };
    gateway.control(rotate).await.unwrap();
    let generation = client.snapshot().borrow().generation;
    client.intent(Intent::Reconnect).await.unwrap();
    let operators = async || {
        let all = view(&gateway).await.connections.into_iter();
        let operators = all.filter(|it| it.role == Some(Role::Operator));
        operators.map(|it| it.auth).collect::<Vec<_>>()
    };
    if with_tls {
        let recovered = |now: &Snapshot| {
            now.operator.state == OperatorState::Connected && now.generation > generation
        };
        until(&client, recovered).await;
        assert_eq!(operators().await, [Some("token".to_owned())]);
    } else {
        let stays = |now: &Snapshot| {
            now.operator.state == OperatorState::Error
                && now.operator.error_kind == Some(ErrorKind::DeviceTokenMismatch)
        };
        until(&client, stays).await;
        let identity = state.read().identities["g"].clone();
        assert!(
            identity.token(Role::Operator).is_some(),
            "nothing was cleared"
        );
        assert!(
            operators().await.is_empty(),
            "the shared token was not sent"
        );
    }
    client.shutdown().await;
    gateway.stop().await;
}
