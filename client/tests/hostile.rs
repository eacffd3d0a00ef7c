//! Whatever is in the files, in a URL and on the wire: no panic, no credential lost, no file replaced by a worse one.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use client_core::url::GatewayUrl;
use client_core::{
    Client, ClientOptions, DurableState, GatewayRecord, Identity, Inbound, Input, Intent, Output,
    Registry, SocketId, StoreOp,
};
use gateway_client::{FileStore, Store as _};
use gateway_protocol::{DeviceToken, Now, Role, SharedToken, UnixMillis};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

fn known() -> DurableState {
    let mut record = GatewayRecord::new("g", "ws://gateway.example:18789");
    record.shared_gateway_token = Some(SharedToken::new("shared"));
    let mut identity = Identity::from_seed([7; 32], UnixMillis(5));
    for (role, token) in [(Role::Operator, "operator"), (Role::Node, "node")] {
        identity.set_token(role, Some(DeviceToken::new(token)), None);
    }
    let mut state = DurableState::default();
    state.registry.active_id = Some("g".to_owned());
    state.registry.upsert(record);
    state.identities.insert("g".to_owned(), identity);
    state
}

fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

/// A file with some bytes cut out of it, and others in their place.
fn damaged(file: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let len = file.len();
    let bytes = prop::collection::vec(any::<u8>(), 0..6);
    (0..=len, 0..=len, bytes).prop_map(move |(one, other, bytes)| {
        let (from, to) = (one.min(other), one.max(other).min(one.min(other) + 40));
        let mut changed = file.clone();
        changed.splice(from..to, bytes);
        changed
    })
}

/// Words of the protocol, and nonsense.
fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "event",
        "res",
        "req",
        "type",
        "id",
        "ok",
        "payload",
        "error",
        "method",
        "params",
        "event",
        "connect.challenge",
        "hello-ok",
        "node.invoke.request",
        "node.invoke.cancel",
        "presence",
        "device.pair.requested",
        "device.pair.resolved",
        "node.pair.resolved",
        "tick",
        "shutdown",
        "nonce",
        "ts",
        "code",
        "details",
        "requestId",
        "command",
        "deviceToken",
        "auth",
        "role",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => any::<String>()]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((word(), inner), 0..5)
                .prop_map(|members| { Value::Object(members.into_iter().collect()) }),
        ]
    })
}

/// A frame of a known form with members of every kind.
fn frame() -> impl Strategy<Value = String> {
    let event = (word(), value())
        .prop_map(|(name, payload)| json!({"type": "event", "event": name, "payload": payload}));
    let answer = (word(), any::<bool>(), value(), value()).prop_map(|(id, ok, payload, error)| {
        json!({"type": "res", "id": id, "ok": ok, "payload": payload, "error": error})
    });
    let request = (word(), word(), value()).prop_map(
        |(id, method, params)| json!({"type": "req", "id": id, "method": method, "params": params}),
    );
    let hello = word().prop_map(|id| {
        let auth = json!({"role": "operator", "scopes": [], "deviceToken": "theirs"});
        json!({"type": "res", "id": id, "ok": true, "payload": {"type": "hello-ok", "auth": auth}})
    });
    prop_oneof![
        1 => hello.prop_map(|frame| frame.to_string()),
        3 => event.prop_map(|frame| frame.to_string()),
        3 => answer.prop_map(|frame| frame.to_string()),
        2 => request.prop_map(|frame| frame.to_string()),
        1 => value().prop_map(|frame| frame.to_string()),
        1 => any::<String>(),
    ]
}

/// A client with every socket that it opens; what it stores is stored.
struct Bench {
    client: Client,
    now: Now,
    sockets: Vec<SocketId>,
}

impl Bench {
    fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            self.client.handle(self.now, input);
            while let Some(output) = self.client.poll() {
                match output {
                    Output::Open { socket, .. } => {
                        self.sockets.push(socket);
                        inputs.push(Input::Opened { socket });
                    }
                    Output::Store { op } => inputs.push(Input::Stored { op, result: Ok(()) }),
                    Output::Send { .. }
                    | Output::Close { .. }
                    | Output::Abort { .. }
                    | Output::StartTunnel { .. }
                    | Output::ProbePort { .. }
                    | Output::RestartService { .. }
                    | Output::StopTunnel { .. }
                    | Output::Event(_)
                    | Output::Invoke(_)
                    | Output::InvokeCancel { .. } => {}
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing that answers no question of ours changes what is kept.
    #[test]
    fn no_frame_that_nobody_asked_for_costs_a_credential(frames in prop::collection::vec(frame(), 0..40)) {
        let now = Now::at(Duration::ZERO, UnixMillis(1_767_225_600_000));
        let client = Client::new(ClientOptions::default(), known(), now);
        let mut bench = Bench { client, now, sockets: Vec::new() };
        bench.input(Input::User(Intent::Connect));
        for text in frames {
            let Some(socket) = bench.sockets.last().copied() else { break };
            bench.input(Input::Message { socket, message: Inbound::Text(text) });
        }
        let (kept, wanted) = (bench.client.durable(), known());
        prop_assert_eq!(&kept.identities, &wanted.identities);
        let tokens = |state: &DurableState| {
            let record = state.registry.find("g");
            record.and_then(|it| it.usable_shared_token().map(str::to_owned))
        };
        prop_assert_eq!(tokens(kept), tokens(&wanted));
    }

    #[test]
    fn a_url_has_one_normal_form_and_shows_no_password(text in "(ws|wss|http|HTTPS)?(://)?[a-z:@\\[\\]%/?#.0-9 é]{0,24}") {
        if let Some(url) = GatewayUrl::parse(&text) {
            let normal = url.normalized();
            let again = GatewayUrl::parse(&normal).map(|url| url.normalized());
            prop_assert_eq!(again, Some(normal));
            let shown = GatewayUrl::parse(&url.display());
            prop_assert_eq!(shown.and_then(|url| url.userinfo), None);
        }
    }

    /// A damaged key is either still the same key or none, and its file stays as it is whatever is stored after it.
    #[test]
    fn a_damaged_identity_is_never_replaced(bytes in damaged(file_of(|folder| folder.join("gateways/g/device-key-ed25519.json")))) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("gateways/g/device-key-ed25519.json");
        put(&path, &bytes);
        let mut store = FileStore::open(folder.path()).unwrap();
        store.apply(&StoreOp::SaveRegistry { registry: known().registry }).unwrap();
        let state = store.load().unwrap();
        let key = known().identities["g"].device_id.clone();
        match state.identities.get("g") {
            Some(identity) => prop_assert!(identity.device_id.eq_ignore_ascii_case(&key)),
            None => prop_assert!(state.damaged.contains_key("g")),
        }
        let fresh = Identity::from_seed([9; 32], UnixMillis(6));
        let create = StoreOp::CreateIdentity { gateway_id: "g".to_owned(), identity: fresh };
        drop(store.apply(&create));
        prop_assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }

    /// A registry that can't be read is kept beside the first one that is written over it.
    #[test]
    fn a_damaged_registry_loses_no_token(bytes in damaged(file_of(|folder| folder.join("gateways.json")))) {
        let folder = TempDir::new().unwrap();
        put(&folder.path().join("gateways.json"), &bytes);
        let mut store = FileStore::open(folder.path()).unwrap();
        let readable = store.load().unwrap().registry != Registry::default();
        store.apply(&StoreOp::SaveRegistry { registry: Registry::default() }).unwrap();
        let is_registry = serde_json::from_slice::<Registry>(&bytes).is_ok();
        let files = std::fs::read_dir(folder.path()).unwrap();
        let copies = files.filter(|file| {
            std::fs::read(file.as_ref().unwrap().path()).is_ok_and(|kept| kept == bytes)
        });
        prop_assert!(readable || is_registry || copies.count() == 1);
    }
}

/// A file as the store writes it.
fn file_of(path: impl Fn(&Path) -> std::path::PathBuf) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let mut store = FileStore::open(folder.path()).unwrap();
    let state = known();
    let registry = state.registry.clone();
    store.apply(&StoreOp::SaveRegistry { registry }).unwrap();
    let identity = state.identities.get("g").unwrap().clone();
    let gateway_id = "g".to_owned();
    store
        .apply(&StoreOp::CreateIdentity {
            gateway_id,
            identity,
        })
        .unwrap();
    std::fs::read(path(folder.path())).unwrap()
}
