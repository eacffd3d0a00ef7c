//! The manager against a reference model: what must be on disk and who may be connected, after any order of wishes,
//! answers of two gateways, broken connections, a full disk and time.
//!
//! The model knows nothing of phases, timers or queues. It says which tokens and which active gateway are durable, and
//! whether the user wants a connection; [`agree`] compares that with the client after each transition, and [`settle`]
//! demands that a healed world always ends connected.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::OverallState;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Transition {
    Connect,
    Disconnect,
    Reconnect,
    Switch(Place),
    SetupCode(Place),
    /// The newest connection of the role gets hello-ok, with a fresh token.
    Accept(Role),
    /// Its device token, or whatever it sent, is refused as a mismatch of the device token.
    Mismatch(Role),
    /// Somebody must approve it.
    Pairing(Role),
    /// It is closed by a restart.
    Restart(Role),
    /// It can't be dialled.
    Unreachable(Role),
    /// An old socket speaks again.
    Late(Role),
    /// Writes fail, or succeed again.
    DiskFull(bool),
    Elapse(u64),
}

/// One of two gateways: at the near one a stranger could listen, at the safe one TLS proves who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Plain,
    Safe,
}

impl Place {
    fn id(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Safe => "safe",
        }
    }

    fn url(self) -> &'static str {
        match self {
            Self::Plain => "ws://plain.example:1",
            Self::Safe => "wss://safe.example:2",
        }
    }
}

fn transitions() -> impl Strategy<Value = Vec<Transition>> {
    let role = || prop_oneof![Just(Role::Operator), Just(Role::Node)];
    let place = || prop_oneof![Just(Place::Plain), Just(Place::Safe)];
    let one = prop_oneof![
        3 => Just(Transition::Connect),
        1 => Just(Transition::Disconnect),
        1 => Just(Transition::Reconnect),
        1 => place().prop_map(Transition::Switch),
        1 => place().prop_map(Transition::SetupCode),
        8 => role().prop_map(Transition::Accept),
        3 => role().prop_map(Transition::Mismatch),
        1 => role().prop_map(Transition::Pairing),
        2 => role().prop_map(Transition::Restart),
        1 => role().prop_map(Transition::Unreachable),
        1 => role().prop_map(Transition::Late),
        1 => any::<bool>().prop_map(Transition::DiskFull),
        5 => prop_oneof![Just(0u64), Just(200), Just(1_250), Just(75_000)].prop_map(Transition::Elapse),
    ];
    prop::collection::vec(one, 0..60)
}

/// What must be so.
struct Reference {
    policy: Policy,
    active: Place,
    is_wanted: bool,
    disk_is_full: bool,
    tokens: BTreeMap<(Place, Role), String>,
    bootstrap: BTreeSet<Place>,
    /// Roles that have used their one recovery.
    recovered: BTreeSet<(Place, Role)>,
}

impl Reference {
    fn new(policy: Policy) -> Self {
        Self {
            policy,
            active: Place::Plain,
            is_wanted: false,
            disk_is_full: false,
            tokens: BTreeMap::new(),
            bootstrap: BTreeSet::new(),
            recovered: BTreeSet::new(),
        }
    }

    /// The record was saved and a connect follows.
    fn moved_to(&mut self, place: Place) {
        if !self.disk_is_full {
            self.active = place;
            self.is_wanted = true;
        }
    }

    fn applied_code(&mut self, place: Place) {
        self.moved_to(place);
        if self.disk_is_full {
            return;
        }
        self.bootstrap.insert(place);
        if self.policy == Policy::Pr741 {
            self.tokens.retain(|(at, _), _| *at != place);
        }
    }

    fn accepted(&mut self, place: Place, role: Role, token: &str) {
        if !self.disk_is_full {
            self.tokens.insert((place, role), token.to_owned());
        }
        self.recovered.remove(&(place, role));
    }

    /// `used_token`: the refused connect carried the device token. `operator_is_live`: at that moment.
    fn mismatched(&mut self, role: Role, used_token: bool, operator_is_live: bool) {
        let place = self.active;
        let hardened = self.policy == Policy::Hardened;
        let stored = self.tokens.contains_key(&(place, role));
        let allowed = match role {
            Role::Operator => true,
            Role::Node => hardened && operator_is_live,
        };
        // The record always has a shared token, which the older client does not fall back to.
        let fallback = hardened || self.bootstrap.contains(&place);
        let safe = !hardened || place == Place::Safe;
        let first = !self.recovered.contains(&(place, role));
        if stored && used_token && allowed && fallback && safe && first {
            self.recovered.insert((place, role));
            if !self.disk_is_full {
                self.tokens.remove(&(place, role));
            }
        }
    }
}

/// The client with its scripted world.
struct Sut {
    bench: Bench,
    last_token: u64,
}

impl Sut {
    fn new(policy: Policy) -> Self {
        let mut state = DurableState::default();
        for place in [Place::Plain, Place::Safe] {
            let mut record = GatewayRecord::new(place.id(), place.url());
            record.shared_gateway_token = Some(SharedToken::new("shared"));
            let seed = if place == Place::Safe {
                [1; 32]
            } else {
                [2; 32]
            };
            let identity = Identity::from_seed(seed, UnixMillis(1));
            state.identities.insert(record.id.clone(), identity);
            state.registry.upsert(record);
        }
        state.registry.active_id = Some(Place::Plain.id().to_owned());
        Self {
            bench: Bench::new(policy, state),
            last_token: 0,
        }
    }

    fn newest(&self, role: Role) -> Option<SocketId> {
        let live = |(_, socket): &(&SocketId, &Socket)| socket.role == role && socket.live;
        self.bench.sockets.iter().rfind(live).map(|(id, _)| *id)
    }

    /// A connection that waits for its answer; brings it so far when it is not there yet.
    fn asking(&mut self, role: Role) -> Option<SocketId> {
        let socket = self.newest(role)?;
        if self.bench.sent(socket, "connect").is_empty() {
            self.bench.challenge(socket);
            return Some(socket);
        }
        // One that has its answer is not asked again.
        None
    }

    fn used_token(&self, socket: SocketId) -> bool {
        let connect = self.bench.sent(socket, "connect");
        connect
            .iter()
            .any(|it| it["params"]["auth"]["deviceToken"].is_string())
    }

    fn place_of(&self, socket: SocketId) -> Place {
        if self.bench.sockets[&socket].url.starts_with("wss") {
            Place::Safe
        } else {
            Place::Plain
        }
    }
}

fn apply(sut: &mut Sut, model: &mut Reference, transition: &Transition) {
    match transition {
        Transition::Connect => {
            sut.bench.intent(Intent::Connect);
            model.is_wanted = true;
        }
        Transition::Reconnect => {
            sut.bench.intent(Intent::Reconnect);
            model.is_wanted = true;
        }
        Transition::Disconnect => {
            sut.bench.intent(Intent::Disconnect);
            model.is_wanted = false;
        }
        Transition::Switch(place) => {
            // Making active what is active needs no write.
            let needs_write = *place != model.active;
            sut.bench.intent(Intent::SwitchGateway {
                id: place.id().to_owned(),
            });
            if needs_write {
                model.moved_to(*place);
            } else {
                model.is_wanted = true;
            }
        }
        Transition::SetupCode(place) => apply_code(sut, model, *place),
        Transition::Accept(role) => accept(sut, model, *role),
        Transition::Mismatch(role) => mismatch(sut, model, *role),
        Transition::Pairing(role) => {
            if let Some(socket) = sut.asking(*role) {
                sut.bench.refuse_connect(socket, not_paired("r-1"));
            }
        }
        Transition::Restart(role) => {
            if let Some(socket) = sut.newest(*role) {
                sut.bench.closed(socket, 1012, "service restart");
            }
        }
        Transition::Unreachable(role) => {
            let Some(socket) = sut.newest(*role) else {
                return;
            };
            if sut.bench.sent(socket, "connect").is_empty() {
                sut.bench.end(socket, "refused".into());
                let error = "connection refused".to_owned();
                sut.bench.input(Input::OpenFailed { socket, error });
            }
        }
        Transition::Late(role) => speak_late(sut, *role),
        Transition::DiskFull(full) => {
            model.disk_is_full = *full;
            sut.bench.fails = if *full { |_| true } else { |_| false };
        }
        Transition::Elapse(by) => sut.bench.elapse(ms(*by)),
    }
}

fn apply_code(sut: &mut Sut, model: &mut Reference, place: Place) {
    let known = model.bootstrap.contains(&place) && place == model.active;
    if known && model.disk_is_full {
        // The same record again: nothing has to be written, and only the clear could fail.
        return;
    }
    let code = gateway_protocol::SetupCode {
        url: Some(place.url().to_owned()),
        bootstrap_token: Some(BootstrapToken::new("boot")),
        expires_at_ms: None,
    };
    sut.bench.intent(Intent::ApplySetupCode {
        code: code.encode(),
    });
    model.applied_code(place);
}

fn mismatch(sut: &mut Sut, model: &mut Reference, role: Role) {
    let Some(socket) = sut.asking(role) else {
        return;
    };
    let live = sut.bench.client.snapshot().operator.state == crate::OperatorState::Connected;
    let used = sut.used_token(socket);
    let refusal = unauthorized("AUTH_DEVICE_TOKEN_MISMATCH", "device token mismatch");
    sut.bench.refuse_connect(socket, refusal);
    model.mismatched(role, used, live);
}

fn speak_late(sut: &mut Sut, role: Role) {
    let dead = |(_, socket): &(&SocketId, &Socket)| socket.role == role && !socket.live;
    let Some((socket, _)) = sut.bench.sockets.iter().find(dead) else {
        return;
    };
    let socket = *socket;
    let hello = json!({"type": "hello-ok", "auth": admin("late")});
    let connect = sut.bench.sent(socket, "connect");
    let id = connect.first().map(|it| it["id"].clone());
    let frame = json!({"type": "res", "id": id, "ok": true, "payload": hello});
    sut.bench.text(socket, &frame);
}

fn accept(sut: &mut Sut, model: &mut Reference, role: Role) {
    let Some(socket) = sut.asking(role) else {
        return;
    };
    sut.last_token += 1;
    let token = format!("token-{}", sut.last_token);
    let place = sut.place_of(socket);
    let auth = match role {
        Role::Operator => admin(&token),
        Role::Node => json!({ "deviceToken": token }),
    };
    sut.bench.hello(socket, auth);
    model.accepted(place, role, &token);
}

/// The client is as the model says.
fn agree(sut: &Sut, model: &mut Reference, had_bootstrap: &BTreeSet<Place>) {
    let durable = sut.bench.client.durable();
    assert_eq!(
        durable.registry.active_id.as_deref(),
        Some(model.active.id())
    );
    for place in [Place::Plain, Place::Safe] {
        let identity = &durable.identities[place.id()];
        assert!(identity.validate().is_ok());
        for role in Role::ALL {
            let expected = model.tokens.get(&(place, role)).map(String::as_str);
            assert_eq!(identity.token(role), expected, "{place:?} {role}");
        }
        let record = durable.registry.find(place.id()).unwrap();
        assert_eq!(record.usable_shared_token(), Some("shared"));
        let has = record.usable_bootstrap_token().is_some();
        if had_bootstrap.contains(&place) && !has {
            assert!(
                identity.has_both_tokens(),
                "dropped only once both tokens are durable"
            );
            model.bootstrap.remove(&place);
        }
        assert_eq!(has, model.bootstrap.contains(&place), "{place:?}");
    }
    let live: Vec<&Socket> = sut.bench.sockets.values().filter(|it| it.live).collect();
    assert!(
        live.iter().all(|it| it.url == model.active.url()),
        "{live:?}"
    );
    for role in Role::ALL {
        assert!(live.iter().filter(|it| it.role == role).count() <= 1);
    }
    if !model.is_wanted {
        assert!(live.is_empty());
        assert_eq!(
            sut.bench.client.snapshot().overall_state,
            OverallState::Idle
        );
    }
}

/// A healed world: whoever wants a connection gets it, with both tokens durable.
fn settle(sut: &mut Sut, model: &mut Reference) {
    apply(sut, model, &Transition::DiskFull(false));
    if !model.is_wanted {
        sut.bench.elapse(secs(600));
        assert!(sut.bench.sockets.values().all(|it| !it.live));
        return;
    }
    apply(sut, model, &Transition::Reconnect);
    for _ in 0..6 {
        accept(sut, model, Role::Operator);
        accept(sut, model, Role::Node);
        sut.bench.elapse(secs(1));
    }
    let snapshot = sut.bench.client.snapshot();
    assert_eq!(snapshot.overall_state, OverallState::Ready, "{snapshot:#?}");
    assert!(sut.bench.client.durable().identities[model.active.id()].has_both_tokens());
}

fn run(policy: Policy, transitions: &[Transition]) {
    let (mut sut, mut model) = (Sut::new(policy), Reference::new(policy));
    for transition in transitions {
        let had = model.bootstrap.clone();
        apply(&mut sut, &mut model, transition);
        let possible = had.union(&model.bootstrap).copied().collect();
        agree(&sut, &mut model, &possible);
    }
    settle(&mut sut, &mut model);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_client_agrees_with_the_model(transitions in transitions(), hardened in any::<bool>()) {
        run(if hardened { Policy::Hardened } else { Policy::Pr741 }, &transitions);
    }
}
