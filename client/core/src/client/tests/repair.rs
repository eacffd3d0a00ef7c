//! A managed gateway that is gone: catalogue rows 133, 152 to 155. ref: client-behaviour.md §25

use rstest::rstest;

use super::*;
use crate::RepairOutcome;

fn managed() -> DurableState {
    let mut record = record(None, None);
    record.url = "ws://127.0.0.1:18789".into();
    record.is_local = true;
    record.setup_managed_distro_name = Some("OpenClaw".into());
    let mut state = disk(record, Some(identity(Some("d"), Some("n"))));
    let mut other = GatewayRecord::new("other", "ws://other.example:18789");
    other.shared_gateway_token = Some(SharedToken::new("o"));
    state.registry.upsert(other);
    state
}

fn keeper(policy: Policy) -> Bench {
    let options = ClientOptions {
        policy,
        keeps_services: true,
        ..ClientOptions::default()
    };
    let mut bench = Bench::with(options, managed());
    bench.intent(Intent::Connect);
    bench
}

/// A client whose gateway refuses every connection until the first repair is due.
fn gone() -> Bench {
    let mut bench = keeper(Policy::Hardened);
    refuse_until(&mut bench, 65);
    bench
}

/// Lets time pass to this second; whatever is opened meanwhile is refused.
fn refuse_until(bench: &mut Bench, second: u64) {
    let end = Duration::from_secs(second);
    loop {
        refuse_open(bench);
        match bench.client.wake_at().filter(|at| *at <= end) {
            Some(at) => {
                bench.now = bench.now.max(at);
                bench.input(Input::Woke);
            }
            None => break,
        }
    }
    bench.now = end;
}

fn refuse_open(bench: &mut Bench) {
    let open = bench.sockets.iter().filter(|(_, it)| it.live);
    let open: Vec<_> = open.map(|(id, _)| *id).collect();
    for socket in open {
        if let Some(it) = bench.sockets.get_mut(&socket) {
            it.live = false;
        }
        let error = "connection refused".to_owned();
        bench.input(Input::OpenFailed { socket, error });
    }
}

fn outcomes(bench: &Bench) -> Vec<RepairOutcome> {
    let of_repair = |event: &ClientEvent| match event {
        ClientEvent::Repair { outcome, .. } => Some(*outcome),
        _ => None,
    };
    bench.events.iter().filter_map(of_repair).collect()
}

fn probed(bench: &mut Bench, answers: bool) {
    let (repair, port) = *bench.probes.last().expect("a port is tried");
    assert_eq!(port, 18789);
    bench.input(Input::Probed { repair, answers });
}

fn restarted(bench: &mut Bench, result: Result<(), String>) {
    let (repair, endpoint) = bench.restarts.last().expect("a restart").clone();
    assert_eq!(endpoint.distro, "OpenClaw");
    bench.input(Input::Restarted { repair, result });
}

#[test]
fn a_gateway_that_is_gone_is_looked_at_after_the_grace_and_the_outage() {
    let mut bench = keeper(Policy::Hardened);
    refuse_until(&mut bench, 59);
    assert_eq!(bench.probes, []);
    refuse_until(&mut bench, 60);
    assert_eq!(bench.probes, [(RepairId(1), 18789)]);
}

#[test]
fn the_older_client_repairs_nothing() {
    let mut bench = keeper(Policy::Pr741);
    refuse_until(&mut bench, 600);
    assert_eq!(bench.probes, []);
}

#[test]
fn a_client_that_is_connected_repairs_nothing() {
    let mut bench = keeper(Policy::Hardened);
    bench.complete(Role::Operator, admin("d"));
    bench.now = Duration::from_secs(100);
    bench.input(Input::Woke);
    assert_eq!(bench.probes, []);
}

#[test]
fn a_silent_port_costs_a_restart_and_the_connection_is_verified() {
    let mut bench = gone();
    probed(&mut bench, false);
    assert_eq!(bench.restarts.len(), 1);
    restarted(&mut bench, Ok(()));
    assert_eq!(outcomes(&bench), []);
    bench.complete(Role::Operator, admin("d"));
    assert_eq!(outcomes(&bench), [RepairOutcome::Repaired]);
}

#[test]
fn a_port_that_answers_is_reconnected_first() {
    let mut bench = gone();
    let before = bench.opened(Role::Operator);
    probed(&mut bench, true);
    assert_eq!(bench.opened(Role::Operator), before + 1);
    assert_eq!(bench.restarts.len(), 0);
    bench.complete(Role::Operator, admin("d"));
    assert_eq!(outcomes(&bench), [RepairOutcome::ReconnectedWithoutRestart]);
}

#[test]
fn a_port_that_answers_and_lets_nobody_in_is_restarted_then() {
    let mut bench = gone();
    probed(&mut bench, true);
    refuse_until(&mut bench, 79);
    assert_eq!(bench.restarts.len(), 0);
    refuse_until(&mut bench, 80);
    assert_eq!(bench.restarts.len(), 1);
    restarted(&mut bench, Ok(()));
    refuse_until(&mut bench, 96);
    assert_eq!(
        outcomes(&bench),
        [RepairOutcome::ReconnectPendingVerification]
    );
}

#[test]
fn three_restarts_are_the_budget_and_a_connection_gives_it_back() {
    let mut bench = gone();
    for second in [200, 350, 500] {
        probed(&mut bench, false);
        restarted(&mut bench, Err("start-limit".to_owned()));
        refuse_until(&mut bench, second);
    }
    probed(&mut bench, false);
    assert_eq!(bench.restarts.len(), 3);
    let failed = RepairOutcome::RestartFailed;
    let spent = RepairOutcome::AttemptsExhausted;
    assert_eq!(outcomes(&bench), [failed, failed, failed, spent]);
    // Saying so once is enough; looking goes on.
    refuse_until(&mut bench, 650);
    probed(&mut bench, false);
    assert_eq!(outcomes(&bench).len(), 4);

    refuse_until(&mut bench, 800);
    probed(&mut bench, true);
    bench.complete(Role::Operator, admin("d"));
    bench.now += Duration::from_secs(5);
    bench.input(Input::Woke);
    let socket = bench.socket(Role::Operator);
    bench.input(Input::Closed {
        socket,
        code: None,
        reason: String::new(),
    });
    refuse_until(&mut bench, 1_000);
    probed(&mut bench, false);
    assert_eq!(bench.restarts.len(), 4);
}

#[test]
fn a_gateway_is_not_repaired_again_for_ninety_seconds() {
    let mut bench = gone();
    probed(&mut bench, false);
    restarted(&mut bench, Err("broken".to_owned()));
    refuse_until(&mut bench, 154);
    assert_eq!(bench.probes.len(), 1);
    refuse_until(&mut bench, 160);
    assert_eq!(bench.probes.len(), 2);
}

#[rstest]
#[case::disconnects(Intent::Disconnect, RepairOutcome::AbortedUserIntent)]
#[case::switches(Intent::SwitchGateway { id: "other".into() }, RepairOutcome::AbortedGatewayChanged)]
#[case::forgets(Intent::RemoveGateway { id: "g".into() }, RepairOutcome::AbortedGatewayChanged)]
fn what_the_user_does_before_a_restart_ends_the_repair(
    #[case] intent: Intent,
    #[case] expected: RepairOutcome,
) {
    let mut bench = gone();
    bench.intent(intent);
    probed(&mut bench, false);
    assert_eq!(outcomes(&bench), [expected]);
    assert_eq!(bench.restarts.len(), 0);
}

#[test]
fn a_record_that_was_edited_is_another_gateway() {
    let mut bench = gone();
    let mut edited = managed().registry.find("g").expect("it is there").clone();
    edited.url = "ws://127.0.0.1:18790".into();
    let record = Box::new(edited);
    bench.intent(Intent::AddGateway { record });
    probed(&mut bench, false);
    assert_eq!(outcomes(&bench), [RepairOutcome::AbortedGatewayChanged]);
}

#[rstest]
#[case::setup_code(Intent::ApplySetupCode { code: "x".into() })]
#[case::shared_token(Intent::ConnectSharedToken { url: "ws://127.0.0.1:18789".into(), token: "t".into(), ssh_tunnel: None })]
#[case::switch(Intent::SwitchGateway { id: "other".into() })]
#[case::disconnect(Intent::Disconnect)]
fn a_wish_waits_for_a_restart_that_runs_and_comes_before_the_reconnect(#[case] intent: Intent) {
    let name = intent.name();
    let mut bench = gone();
    probed(&mut bench, false);
    bench.events.clear();
    bench.intent(intent);
    let is_done = |event: &ClientEvent| matches!(event, ClientEvent::IntentDone { intent, .. } if intent == name);
    assert!(!bench.events.iter().any(is_done), "{:?}", bench.events);
    restarted(&mut bench, Ok(()));
    assert_eq!(outcomes(&bench), [RepairOutcome::AbortedUserIntent]);
    let reconnects = |event: &ClientEvent| matches!(event, ClientEvent::IntentDone { intent, .. } if intent == "reconnect_if_current");
    assert!(!bench.events.iter().any(reconnects), "{:?}", bench.events);
}

#[test]
fn a_wish_that_runs_is_not_interrupted() {
    let mut bench = gone();
    bench.held = Some(Vec::new());
    bench.intent(Intent::AddGateway {
        record: Box::new(GatewayRecord::new("third", "ws://third.example:1")),
    });
    probed(&mut bench, false);
    assert_eq!(outcomes(&bench), [RepairOutcome::AlreadyInProgress]);
    assert_eq!(bench.restarts.len(), 0);
}

#[test]
fn a_gateway_that_refuses_meanwhile_is_not_restarted() {
    let mut bench = gone();
    probed(&mut bench, true);
    let socket = bench.socket(Role::Operator);
    bench.challenge(socket);
    let error = unauthorized("AUTH_DEVICE_TOKEN_MISMATCH", "device token mismatch");
    bench.refuse_connect(socket, error);
    assert_eq!(
        outcomes(&bench),
        [RepairOutcome::AbortedNonTransportFailure]
    );
    refuse_until(&mut bench, 200);
    assert_eq!(bench.restarts.len(), 0);
}

#[test]
fn a_port_that_somebody_else_has_is_told_and_left() {
    let options = ClientOptions {
        keeps_services: true,
        probes_owners: true,
        ..ClientOptions::default()
    };
    let mut state = managed();
    state.identities.clear();
    let mut record = state.registry.find("g").expect("it is there").clone();
    record.shared_gateway_token = Some(SharedToken::new("s"));
    state.registry.upsert(record);
    let mut bench = Bench::with(options, state);
    bench.input(Input::EndpointOwner {
        gateway_id: "g".into(),
        owner: crate::EndpointOwner::Foreign,
    });
    bench.intent(Intent::Connect);
    refuse_until(&mut bench, 65);
    assert_eq!(outcomes(&bench), [RepairOutcome::PortConflictBlocked]);
    assert_eq!((bench.probes.len(), bench.restarts.len()), (0, 0));
}

#[test]
fn what_comes_for_an_older_repair_does_nothing() {
    let mut bench = gone();
    probed(&mut bench, false);
    bench.input(Input::Restarted {
        repair: RepairId(7),
        result: Ok(()),
    });
    bench.input(Input::Probed {
        repair: RepairId(1),
        answers: true,
    });
    assert_eq!((outcomes(&bench).len(), bench.restarts.len()), (0, 1));
}

#[test]
fn before_a_repair_reconnects_the_owner_is_looked_up() {
    let mut bench = gone();
    probed(&mut bench, false);
    let (repair, _) = bench.restarts[0].clone();
    let input = Input::Restarted {
        repair,
        result: Ok(()),
    };
    assert_eq!(bench.client.looks_before(&input), []);
    let options = ClientOptions {
        probes_owners: true,
        keeps_services: true,
        ..ClientOptions::default()
    };
    let mut bench = Bench::with(options, managed());
    bench.intent(Intent::Connect);
    refuse_until(&mut bench, 65);
    probed(&mut bench, false);
    let looks = bench.client.looks_before(&input);
    let expected = ManagedEndpoint {
        gateway_id: "g".into(),
        distro: "OpenClaw".into(),
        port: 18789,
    };
    assert_eq!(looks, [expected]);
}
