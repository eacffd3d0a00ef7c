//! A companion's conversation: our client meets what the recorded one met.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::seen::Seen;
use super::{inline, lapse, quoted, step};

/// How much longer than recorded an expectation waits.
const SLACK_US: u64 = 30_000_000;

/// Everything after the head of the file. `unseen`: nobody in the recording approves, so somebody did it from outside.
pub(super) fn file(recorded: &[Seen], held: Option<&str>, unseen: bool) -> String {
    let all = &kept(recorded);
    let actors = actors(all);
    let mut file = String::from("worlds = [\"core\", \"memory\"]\n");
    for (index, (name, own)) in actors.iter().enumerate() {
        match held.filter(|_| index == 0) {
            // What lies on the disk is known, so nothing is concluded from what was sent.
            Some(held) => {
                let _fine = write!(file, "\n[actor.{name}]\nkind = \"client\"\n{held}");
            }
            None => actor(&mut file, name, own),
        }
    }
    for (index, seen) in all.iter().enumerate() {
        met(&mut file, index + 1, seen);
    }
    for (name, _) in &actors {
        step(&mut file, &format!("start = {}", quoted(name)));
    }
    let mut before = 0;
    for seen in all {
        let Some((name, own)) = actors
            .iter()
            .find(|(_, own)| own.iter().any(|own| own.conn == seen.conn))
        else {
            continue;
        };
        let nth = own
            .iter()
            .position(|own| own.conn == seen.conn)
            .unwrap_or_default()
            + 1;
        let within = lapse(seen.opened_us.saturating_sub(before) * 2 + SLACK_US);
        let request = format!("request_{}", seen.conn);
        let waits = unseen && was_approved(all, seen);
        demanded(
            &mut file,
            name,
            nth,
            seen,
            &within,
            waits.then_some(&request),
        );
        if waits {
            step(
                &mut file,
                &format!("control = {{ approve = \"${request}\" }}"),
            );
        }
        // The step before waited for the answer, not for the end.
        before = seen.answered_us;
    }
    if all.len() < recorded.len() {
        let _fine = write!(
            file,
            "\n# {} more connections were recorded, after a refusal that a client in order does not meet.\n",
            recorded.len() - all.len()
        );
    }
    for (name, own) in &actors {
        let connects = own.iter().filter(|own| own.connect.is_some()).count();
        let _fine = write!(
            file,
            "\n[[count]]\nfrom = {}\nmethod = \"connect\"\nmin = {connects}\nbecause = \"so many were recorded\"\n",
            quoted(name)
        );
    }
    file
}

/// Without the attempts that followed a refusal of the client's own doing: a client that is in order needs none.
fn kept(recorded: &[Seen]) -> Vec<Seen> {
    let mut spoiled = Vec::new();
    let mut kept = Vec::new();
    for seen in recorded {
        let who = (seen.device(), seen.role());
        if spoiled.contains(&who) {
            continue;
        }
        if seen.is_own_doing() {
            spoiled.push(who);
        }
        kept.push(seen.clone());
    }
    kept
}

/// Connections by the device that opened them. One that said nothing belongs to the first.
fn actors(all: &[Seen]) -> Vec<(String, Vec<&Seen>)> {
    let mut devices: Vec<(Option<&str>, Vec<&Seen>)> = Vec::new();
    for seen in all {
        let device = seen.device();
        let is_own = |known: Option<&str>| known == device || device.is_none() || known.is_none();
        match devices.iter_mut().find(|(known, _)| is_own(*known)) {
            Some((known, own)) => {
                *known = known.or(device);
                own.push(seen);
            }
            None => devices.push((device, vec![seen])),
        }
    }
    let named = devices.into_iter().enumerate().map(|(index, (_, own))| {
        let name = if index == 0 {
            "companion".to_owned()
        } else {
            format!("companion-{}", index + 1)
        };
        (name, own)
    });
    named.collect()
}

fn actor(file: &mut String, name: &str, own: &[&Seen]) {
    let has_node = own.iter().any(|seen| seen.role() == "node");
    let mut holds: BTreeMap<&str, &str> = BTreeMap::new();
    for seen in own {
        for credential in seen.auth() {
            let (held, refusal) = match (credential, seen.role()) {
                ("token", _) => ("shared_token", "AUTH_TOKEN_MISMATCH"),
                ("bootstrapToken", _) => ("bootstrap_token", "AUTH_BOOTSTRAP_TOKEN_INVALID"),
                ("deviceToken", "node") => ("node_token", "AUTH_DEVICE_TOKEN_MISMATCH"),
                ("deviceToken", _) => ("operator_token", "AUTH_DEVICE_TOKEN_MISMATCH"),
                _ => continue,
            };
            // What it is at first counts: later ones were given to it.
            let state = if seen.detail() == refusal {
                "stale"
            } else {
                "valid"
            };
            holds.entry(held).or_insert(state);
        }
    }
    let holds: Vec<String> = holds
        .iter()
        .map(|(held, state)| format!("{held} = \"{state}\""))
        .collect();
    let _fine = write!(file, "\n[actor.{name}]\nkind = \"client\"\n");
    if has_node {
        file.push_str("node = true\n");
    }
    let _fine = writeln!(file, "holds = {{ {} }}", holds.join(", "));
}

/// Refusals that follow from the credentials an actor holds; the mock makes them by itself.
const BY_ITSELF: [&str; 6] = [
    "AUTH_TOKEN_MISMATCH",
    "AUTH_DEVICE_TOKEN_MISMATCH",
    "AUTH_BOOTSTRAP_TOKEN_INVALID",
    "AUTH_TOKEN_MISSING",
    "PAIRING_REQUIRED",
    "NOT_PAIRED",
];

/// What the gateway, or what was between, did to the connection.
fn met(file: &mut String, number: usize, seen: &Seen) {
    if let (Some(false), Some(error)) = (seen.ok, &seen.error) {
        if seen.is_own_doing() || BY_ITSELF.contains(&seen.detail()) {
            return;
        }
        let _fine = write!(
            file,
            "\n[[gateway.on]]\nname = \"refusal {number}\"\nmethod = \"connect\"\nconnection = {number}\noptional = true\nerror = {}\n",
            inline(error)
        );
        if let Some(close) = &seen.close {
            let close = json!({ "code": close.code.unwrap_or(1000), "reason": close.reason });
            let _fine = writeln!(file, "close = {}", inline(&close));
        }
        return;
    }
    let how = match &seen.close {
        Some(close) => format!(
            "close = {}",
            inline(&json!({ "code": close.code.unwrap_or(1000), "reason": close.reason }))
        ),
        None if seen.cut => "abort = true".to_owned(),
        None => return,
    };
    let after = lapse(
        seen.ended_us
            .unwrap_or_default()
            .saturating_sub(seen.opened_us),
    );
    let _fine = write!(
        file,
        "\n[[gateway.connection]]\nname = \"end of connection {number}\"\nnumbers = [{number}]\nafter = \"{after}\"\noptional = true\n{how}\n"
    );
}

/// What a client that is in order does on the connection.
fn demanded(
    file: &mut String,
    name: &str,
    nth: usize,
    seen: &Seen,
    within: &str,
    request: Option<&str>,
) {
    let Some(_) = &seen.connect else { return };
    let (name, role) = (quoted(name), quoted(seen.role()));
    step(
        file,
        &format!(
            "expect = {{ from = {name}, role = {role}, nth_connection = {nth}, method = \"connect\", within = \"{within}\" }}"
        ),
    );
    let Some(ok) = seen.ok else { return };
    if seen.is_own_doing() {
        let _fine = write!(
            file,
            "\n# Recorded was a refusal, {}: the proof of the client did not fit.",
            seen.detail()
        );
    }
    let demanded = ok || seen.is_own_doing();
    let error = if demanded {
        String::new()
    } else {
        format!(
            ", error = {{ details = {{ code = {} }} }}",
            quoted(seen.detail())
        )
    };
    let capture = request.map_or_else(String::new, |request| {
        format!(", capture = {{ {request} = \"/details/requestId\" }}")
    });
    step(
        file,
        &format!(
            "expect = {{ to = {name}, nth_connection = {nth}, response = \"connect\", ok = {demanded}{error}{capture} }}"
        ),
    );
}

/// Whether it was refused because its device waits, and let in at the next attempt.
fn was_approved(all: &[Seen], seen: &Seen) -> bool {
    let waited = |seen: &Seen| {
        seen.ok == Some(false) && ["PAIRING_REQUIRED", "NOT_PAIRED"].contains(&seen.detail())
    };
    let mut later = all
        .iter()
        .filter(|other| other.conn > seen.conn && other.role() == seen.role())
        .filter(|other| other.device().is_some() && other.device() == seen.device());
    waited(seen) && later.next().is_some_and(|next| next.ok == Some(true))
}
