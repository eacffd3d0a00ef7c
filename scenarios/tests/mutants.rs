//! Each invariant is shown to catch something: a client with a deliberate bug, a gateway that lies on demand, or a
//! record that was tampered with. The judge must name exactly that invariant. An invariant without a mutant fails.

mod common;

use scenarios::judge::invariant::REGISTRY;
use scenarios::judge::record::{Leak, ProgramNote, RunRecord};
use scenarios::judge::{Verdict, judge};
use scenarios::referee::standing;
use scenarios::run::run_job;
use scenarios::scenario::WorldName;
use transcript::{Direction, Entry, Kind, Stage};

/// A paired companion with both roles, up to the point where it is ready.
const READY: &str = r#"
holds = { shared_token = "valid", operator_token = "valid", node_token = "valid" }
[[step]]
start = "companion"
[[step]]
expect = { actor = "companion", snapshot = { overallState = "Ready" } }
"#;

/// Lets a good part of an hour pass.
const WAIT: &str = r#"
[[step]]
elapse = "10m"
"#;

/// What follows `[actor.companion]` for a bug of the client.
fn client_script(mutation: &str) -> Option<String> {
    let paired = "holds = { shared_token = \"valid\", operator_token = \"valid\", node_token = \"valid\" }\n";
    let start = "[[step]]\nstart = \"companion\"\n";
    let script = match mutation {
        // Shown by any connection at all.
        "second_auth_key" | "connect_twice" | "send_before_connect" | "reuse_nonce" | "duplicate_request_id" => {
            format!("{paired}{start}{WAIT}")
        }
        // 25 MiB a time: once is enough.
        "oversize_frame" => format!("{paired}{start}[[step]]\nelapse = \"900ms\"\n"),
        // Shown by an operator whose hello-ok takes a while.
        "node_before_operator" => {
            "#gateway\n[[gateway.on]]\nname = \"slow\"\nmethod = \"connect\"\nrole = \"operator\"\ndelay = \"5s\"\npass = true\n#actor\n"
                .to_owned()
                + paired
                + start
                + WAIT
        }
        // Shown by the second connection.
        "new_key_on_reconnect" => format!(
            "{READY}[[step]]\ncontrol = {{ restart = {{ down_for = \"2s\" }} }}\n{WAIT}"
        ),
        "unknown_close_code" => {
            format!("{READY}[[step]]\ndo = {{ actor = \"companion\", intent = \"disconnect\" }}\n{WAIT}")
        }
        // Shown by a gateway that refuses, for now or for good.
        "reconnect_storm" => refusing(
            r#"{ code = "UNAVAILABLE", message = "gateway starting; retry shortly", retryable = true, details = { reason = "startup-sidecars" }, close = { code = 1013, reason = "gateway starting" } }"#,
        ) + paired + start + "[[step]]\nelapse = \"2s\"\n",
        "keep_retrying_after_terminal" => refusing(
            r#"{ code = "INVALID_REQUEST", message = "unauthorized: too many failed authentication attempts (retry later)", details = { code = "AUTH_RATE_LIMITED" }, close = { code = 1008, reason = "unauthorized" } }"#,
        ) + paired + start + WAIT,
        // Shown by a gateway that says nothing, at first or later (gives_up_on_a_silent_gateway).
        "wait_for_the_challenge_for_ever" => format!(
            "#gateway\n[gateway]\nhandshake_timeout = \"1m\"\n[[gateway.on]]\nname = \"silent\"\nopen = true\nchallenge = {{ skip = true }}\n#actor\n{paired}{start}[[step]]\nelapse = \"50s\"\n"
        ),
        "deaf_to_silence" => format!(
            "{READY}[[step]]\nfault = {{ name = \"blackhole\", actor = \"companion\" }}\n{WAIT}"
        ),
        // Shown by a lifecycle that begins while the last one has a socket, and by the ticks that go on arriving there.
        "keep_old_socket" => format!(
            "{READY}[[step]]\ndo = {{ actor = \"companion\", intent = \"reconnect\" }}\n[[step]]\nelapse = \"2m\"\n"
        ),
        // Shown by another spelling of the address.
        "alias_is_another" => format!(
            "url = \"ipv4\"\n{paired}{start}[[step]]\nexpect = {{ actor = \"companion\", snapshot = {{ overallState = \"Ready\" }} }}\n\
             [[step]]\ncontrol = {{ mint_setup_code = {{}}, capture = {{ code = \"/setupCode\" }} }}\n\
             [[step]]\ndo = {{ actor = \"companion\", intent = \"apply_setup_code\", code = \"$code\" }}\n\
             [[step]]\nelapse = \"20s\"\n"
        ),
        // Shown by a stranger who takes the port while the gateway is slow.
        "send_to_strangers" => format!(
            "#gateway\n[[gateway.connection]]\nfrom = 1\nto = 1\nhold = \"5s\"\n#actor\n\
             holds = {{ shared_token = \"valid\", managed = true }}\n\
             [[step]]\ncontrol = {{ listener = {{ of = \"companion\", is = \"gateway\" }} }}\n{start}\
             [[step]]\nelapse = \"1s\"\n\
             [[step]]\ncontrol = {{ listener = {{ of = \"companion\", is = \"stranger\" }} }}\n{WAIT}"
        ),
        "answer_invoke_twice" => format!(
            "{READY}[[step]]\ncontrol = {{ invoke = {{ node = \"$companion.device\", command = \"device.info\" }} }}\n{WAIT}"
        ),
        // Shown by a client that has nothing but a code.
        "bootstrap_sent_as_shared" => format!("holds = {{ bootstrap_token = \"valid\" }}\n{start}{WAIT}"),
        // Shown while credentials are handed out.
        "clear_bootstrap_early" => format!(
            "holds = {{ bootstrap_token = \"valid\" }}\n{start}\
             [[step]]\nexpect = {{ to = \"companion\", response = \"connect\", ok = false }}\n\
             [[step]]\ncontrol = {{ approve = \"latest\" }}\n{WAIT}"
        ),
        "swap_role_tokens" => format!(
            "holds = {{ shared_token = \"valid\" }}\n{start}\
             [[step]]\nexpect = {{ to = \"companion\", response = \"connect\", ok = false }}\n\
             [[step]]\ncontrol = {{ approve = \"latest\" }}\n{WAIT}\
             [[step]]\ndo = {{ actor = \"companion\", intent = \"reconnect\" }}\n{WAIT}"
        ),
        _ => return refused_script(mutation, &(paired.to_owned() + start)),
    };
    Some(script)
}

/// The same for bugs that show after a refusal, of a paired client that starts.
fn refused_script(mutation: &str, begins: &str) -> Option<String> {
    let script = match mutation {
        // Shown by a gateway that names the token it refuses.
        "shows_its_token" => refusing(
            r#"{ code = "INVALID_REQUEST", message = "$gateway.token", details = { code = "AUTH_TOKEN_MISMATCH" }, close = { code = 1008, reason = "unauthorized" } }"#,
        ) + begins + WAIT,
        // Shown by a list that goes on naming the own node, and an approval that is refused.
        "approves_from_the_list" => {
            "#gateway\n[gateway]\nlatency = [\"2ms\"]\n[[gateway.on]]\nname = \"listed\"\nmethod = \"node.pair.list\"\nrespond = { pending = [{ requestId = \"r-1\", nodeId = \"$companion.device\", ts = 1 }], paired = [] }\n#actor\n"
                .to_owned()
                + begins
                + "[[step]]\nexpect = { actor = \"companion\", snapshot = { overallState = \"Ready\" } }\n\
                   [[step]]\ncontrol = { broadcast = { event = \"node.pair.requested\", role = \"operator\", payload = { requestId = \"r-1\", nodeId = \"$companion.device\", ts = 1 } } }\n\
                   [[step]]\nelapse = \"500ms\"\n"
        }
        _ => return None,
    };
    Some(script)
}

/// A gateway that answers every `connect` like this.
fn refusing(error: &str) -> String {
    // Tables of the file come before those of the actor that the script goes on with.
    format!(
        "#gateway\n[[gateway.on]]\nname = \"refuse\"\nmethod = \"connect\"\nerror = {error}\n#actor\n"
    )
}

/// A lie of the gateway: the table of a behaviour, and what the client does.
fn gateway_script(behaviour: &str) -> Option<(&'static str, &'static str)> {
    let ask =
        "[[step]]\ndo = { actor = \"companion\", intent = \"request\", method = \"status\" }\n";
    let lie = match behaviour {
        "raw" => {
            r#"method = "status"
raw = "this is no JSON""#
        }
        "open_events" => {
            r#"open = true
events = [{ event = "tick", payload = { ts = 1 } }]
pass = true"#
        }
        "answer_twice" => {
            r#"method = "status"
raw = '{"type":"res","id":$id,"ok":true,"payload":{}}'
pass = true"#
        }
        "answer_nobody" => {
            r#"method = "status"
raw = '{"type":"res","id":"nobody","ok":true,"payload":{}}'
pass = true"#
        }
        "odd_payload" => {
            r#"method = "status"
events = [{ event = "tick", payload = { odd = true } }]
pass = true"#
        }
        "raw_seq" => {
            r#"method = "status"
raw = '{"type":"event","event":"tick","payload":{"ts":1},"seq":999}'
pass = true"#
        }
        "unknown_method" => "",
        _ => return None,
    };
    let ask = match behaviour {
        "open_events" => "",
        "unknown_method" => {
            "[[step]]\ncontrol = { on = { name = \"forgetful\", method = \"health\", error = { code = \"INVALID_REQUEST\", message = \"unknown method: health\" } } }\n\
             [[step]]\ndo = { actor = \"companion\", intent = \"reconnect\" }\n"
        }
        _ => ask,
    };
    Some((lie, ask))
}

fn tamper(field: &str, record: &mut RunRecord) -> bool {
    match field {
        "leaks" => record.leaks.push(Leak {
            kind: "device-token".to_owned(),
            form: "raw".to_owned(),
            file: "transcript.jsonl".to_owned(),
        }),
        // A program that was to stay and ended (client_keeps_running).
        "programs" => record.programs.push(ProgramNote {
            actor: "companion".to_owned(),
            what: "start".to_owned(),
            stays: true,
            ended_us: Some(1),
            code: Some(13),
            ..ProgramNote::default()
        }),
        "leftovers" => record.leftovers.push("a task".to_owned()),
        "errors_logged" => record
            .errors_logged
            .push("gateway: something broke".to_owned()),
        "message_after_close" => {
            let n = record.transcript.entries.last().map_or(0, |entry| entry.n);
            let frame = serde_json::json!({"type": "event", "event": "health", "payload": {}});
            let entry = |n: u64, kind: Kind, stage: Stage| Entry {
                n,
                t_us: 1,
                conn: Some(1),
                actor: None,
                dir: Some(Direction::GatewayToClient),
                stage: Some(stage),
                kind,
                frame: (kind == Kind::Text).then(|| frame.clone().into()),
                raw: None,
                close: (kind == Kind::Close).then(transcript::CloseInfo::default),
                text: None,
                data: None,
            };
            record
                .transcript
                .entries
                .push(entry(n + 1, Kind::Close, Stage::Sent));
            record
                .transcript
                .entries
                .push(entry(n + 2, Kind::Text, Stage::Sent));
        }
        _ => return false,
    }
    true
}

/// The invariants that a verdict names.
fn named(verdict: &Verdict) -> Vec<String> {
    let mut names: Vec<String> = verdict
        .findings()
        .iter()
        .filter_map(|finding| finding.rule.strip_prefix("invariant:").map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// Invariants that a mutant breaks as well, because one mistake is the cause of both.
const COMPANY: &[(&str, &str, &str)] = &[
    (
        "client:answer_invoke_twice",
        "request_ids_are_unique",
        "the second answer is the first one again, with its request id",
    ),
    (
        "client:alias_is_another",
        "device_id_never_changes",
        "another record has another identity",
    ),
    (
        "client:send_to_strangers",
        "credentials_follow_trust",
        "the stranger is told what the listener's proof was for",
    ),
    (
        "client:send_to_strangers",
        "nothing_for_a_stranger",
        "and the client had kept the credential back",
    ),
    (
        "client:reuse_nonce",
        "credentials_follow_trust",
        "what is signed is no challenge of this connection",
    ),
];

fn run(text: &str) -> Verdict {
    let scenario = common::scenario("setup-connect/mutant", text);
    run_job(
        &common::job(&scenario, WorldName::Memory),
        common::SEED,
        None,
    )
    .verdict
}

fn head(mutation: Option<&str>) -> String {
    let mutation = mutation.map_or(String::new(), |name| format!("mutation = \"{name}\"\n"));
    format!("[actor.companion]\nkind = \"client\"\nnode = true\n{mutation}")
}

const TITLE: &str = "title = \"a mutant\"\nabout = \"tests/mutants.rs\"\nworlds = [\"memory\"]\ntrust = \"strict\"\n";

fn of_client(mutation: &str) -> Result<(Verdict, Verdict), String> {
    let script =
        client_script(mutation).ok_or_else(|| format!("no script for client:{mutation}"))?;
    let (gateway, actor) = match script
        .strip_prefix("#gateway\n")
        .and_then(|rest| rest.split_once("#actor\n"))
    {
        Some((gateway, actor)) => (gateway.to_owned(), actor.to_owned()),
        None => (String::new(), script),
    };
    let whole = |mutation| format!("{TITLE}{gateway}{}{actor}", head(mutation));
    Ok((run(&whole(None)), run(&whole(Some(mutation)))))
}

fn of_gateway(behaviour: &str) -> Result<(Verdict, Verdict), String> {
    let (lie, ask) =
        gateway_script(behaviour).ok_or_else(|| format!("no script for gateway:{behaviour}"))?;
    let lies = if lie.is_empty() {
        String::new()
    } else {
        format!("[[gateway.on]]\nname = \"lie\"\n{lie}\n")
    };
    let whole = |lies: &str, ask: &str| format!("{TITLE}{lies}{}{READY}{ask}{WAIT}", head(None));
    Ok((run(&whole("", "")), run(&whole(&lies, ask))))
}

fn of_record(field: &str) -> Result<(Verdict, Verdict), String> {
    let scenario = common::scenario(
        "setup-connect/mutant",
        &format!("{TITLE}{}{READY}", head(None)),
    );
    let mut outcome = run_job(
        &common::job(&scenario, WorldName::Memory),
        common::SEED,
        None,
    );
    let honest = judge(&scenario, &outcome.record);
    if !tamper(field, &mut outcome.record) {
        return Err(format!("nothing tampers with record:{field}"));
    }
    Ok((honest, judge(&scenario, &outcome.record)))
}

#[test]
fn every_invariant_has_a_mutant_that_it_names() {
    let failures = common::in_parallel(REGISTRY, |row| {
        if row.name == "every_frame_is_schema_valid" && !standing().verified() {
            eprintln!("{}: {}", row.name, standing());
            return Ok(());
        }
        let (honest, mutant) = match row.mutant.split_once(':') {
            Some(("client", mutation)) => of_client(mutation)?,
            Some(("gateway", behaviour)) => of_gateway(behaviour)?,
            Some(("record", field)) => of_record(field)?,
            _ => return Err(format!("{}: no mutant called {}", row.name, row.mutant)),
        };
        if !named(&honest).is_empty() {
            return Err(format!(
                "{}: without the mistake the judge names {:?}",
                row.name,
                named(&honest)
            ));
        }
        let mut expected = vec![row.name.to_owned()];
        expected.extend(
            COMPANY
                .iter()
                .filter(|(mutant, _, _reason)| *mutant == row.mutant)
                .map(|(_, company, _)| (*company).to_owned()),
        );
        expected.sort();
        expected.dedup();
        let outside = !matches!(mutant, Verdict::Failed(_));
        if outside {
            return Err(format!(
                "{} by {}: the verdict is {mutant:?}",
                row.name, row.mutant
            ));
        }
        if named(&mutant) == expected {
            Ok(())
        } else {
            Err(format!(
                "{} by {}: the judge names {:?}",
                row.name,
                row.mutant,
                named(&mutant)
            ))
        }
    });
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
