//! A device token is used in the role that it was issued for.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Breach, Evidence, Row, Subject, at, breach, text};

pub(super) const ROW: Row = Row {
    name: "tokens_stay_with_their_role",
    doc: "A device token that a hello-ok issued for one role is never sent in the other.",
    source: "gateway-behaviour §4.4; field-bugs 63",
    subject: Subject::Client,
    mutant: "client:swap_role_tokens",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    // Equal secrets have equal pseudonyms, so the redacted transcript is enough.
    let mut issued: BTreeMap<&str, (&str, u64)> = BTreeMap::new();
    let mut breaches = Vec::new();
    for said in evidence.said() {
        let Some(frame) = &said.entry.frame else {
            continue;
        };
        if said.by_gateway {
            let Some(auth) = at(frame, "/payload/auth") else {
                continue;
            };
            let more = auth.get("deviceTokens").and_then(Value::as_array);
            for entry in std::iter::once(auth).chain(more.into_iter().flatten()) {
                if let (Some(token), Some(role)) =
                    (text(entry, "/deviceToken"), text(entry, "/role"))
                {
                    issued.insert(token, (role, said.n()));
                }
            }
            continue;
        }
        if said.method != Some("connect") {
            continue;
        }
        let role = text(frame, "/params/role").unwrap_or("operator");
        let Some(token) = text(frame, "/params/auth/deviceToken") else {
            continue;
        };
        if let Some((issued_for, n)) = issued.get(token)
            && *issued_for != role
        {
            let who = evidence.wire.describe(said.conn);
            let what =
                format!("{who} connected as {role} with a token that was issued for {issued_for}");
            breaches.push(breach(what, &[*n, said.n()]));
        }
    }
    breaches
}
