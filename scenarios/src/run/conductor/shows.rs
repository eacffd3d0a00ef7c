//! What clients show of themselves.

use client_core::DurableState;
use gateway_protocol::Role;
use serde_json::{Value, json};

use super::Conductor;
use crate::judge::record::Shown;
use crate::world::World;

/// Shorter ones are a test's, and stand in other words by chance.
const SHORTEST: usize = 6;

/// A dashboard's address without the token in it.
pub(super) fn dashboard(answer: &Value) -> Value {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default();
    let url = text("url");
    let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let holds_token = |part: &str| part.split('&').any(|pair| pair.starts_with("token="));
    json!({
        "url": url,
        "credentialSource": answer.get("credentialSource"),
        "usesSharedGatewayToken": answer.get("usesSharedGatewayToken"),
        "tokenInFragment": holds_token(fragment),
        "tokenInQuery": holds_token(query) || answer.get("hasTokenQuery") == Some(&Value::Bool(true)),
    })
}

impl<W: World> Conductor<'_, W> {
    /// Secrets of each client in its snapshot at the end and in everything that it has reported.
    pub(super) fn shown_secrets(&self) -> Vec<Shown> {
        let mut shown = Vec::new();
        for (actor, after) in self.durable_states() {
            let mut known = secrets(&after);
            known.extend(self.before.get(&actor).map(secrets).unwrap_or_default());
            known.sort();
            known.dedup();
            let snapshot = self
                .world
                .snapshot(&actor)
                .map(|it| ("its snapshot".to_owned(), it));
            let reports = self.world.reports(&actor).into_iter().map(|report| {
                let kind = report
                    .get("event")
                    .and_then(Value::as_str)
                    .unwrap_or("a report");
                (format!("a report of {kind}"), report)
            });
            for (place, value) in snapshot.into_iter().chain(reports) {
                let text = value.to_string();
                for (secret, _) in known
                    .iter()
                    .filter(|(_, value)| text.contains(value.as_str()))
                {
                    let it = Shown {
                        actor: actor.clone(),
                        secret: (*secret).to_owned(),
                        place: place.clone(),
                    };
                    if !shown.contains(&it) {
                        shown.push(it);
                    }
                }
            }
        }
        shown
    }
}

/// What a client stores that nobody may see, each with its name.
fn secrets(state: &DurableState) -> Vec<(&'static str, String)> {
    let of_records = state.registry.gateways.iter().flat_map(|record| {
        [
            ("the shared token", record.usable_shared_token()),
            ("the bootstrap token", record.usable_bootstrap_token()),
        ]
    });
    let of_identities = state.identities.values().flat_map(|identity| {
        [
            (
                "its private key",
                Some(identity.private_key_base64.as_str()),
            ),
            ("the operator token", identity.token(Role::Operator)),
            ("the node token", identity.token(Role::Node)),
        ]
    });
    let all = of_records.chain(of_identities);
    all.filter_map(|(name, value)| Some((name, value?.to_owned())))
        .filter(|(_, value)| value.len() >= SHORTEST)
        .collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::fragment("http://localhost:1/#token=a", true, false)]
    #[case::query("http://localhost:1/?x=1&token=a", false, true)]
    #[case::neither("http://localhost:1/?nottoken=a#x", false, false)]
    fn a_token_is_told_by_its_place(
        #[case] url: &str,
        #[case] fragment: bool,
        #[case] query: bool,
    ) {
        let seen = dashboard(&json!({"url": url, "hasTokenQuery": false}));
        assert_eq!(
            (&seen["tokenInFragment"], &seen["tokenInQuery"]),
            (&json!(fragment), &json!(query))
        );
        assert!(!seen["url"].as_str().unwrap().contains('#'));
    }
}
