//! A client's durable state as a scenario may speak of it: what is there, never what it is.

use std::collections::BTreeMap;

use client_core::url::GatewayUrl;
use client_core::{DurableState, GatewayRecord, Registry, StoreOp};
use gateway_protocol::Role;
use serde_json::{Value, json};

use super::record::StoreNote;

/// The durable state without its secrets.
///
/// ```json
/// { "gateways": 1, "active": "g1", "url": "ws://localhost:1", "shared_token": true, "bootstrap_token": false,
///   "operator_token": true, "node_token": true, "operator_scopes": ["operator.admin"], "node_scopes": [],
///   "requires_v2": false, "device": "6f...", "identities": 1, "damaged": 0 }
/// ```
pub fn view(state: &DurableState) -> Value {
    let record = state.registry.active();
    let identity = record.and_then(|record| state.identities.get(&record.id));
    json!({
        "gateways": state.registry.gateways.len(),
        "active": state.registry.active_id,
        "url": record.map(|record| &record.url),
        "shared_token": record.is_some_and(|record| record.usable_shared_token().is_some()),
        "bootstrap_token": record.is_some_and(|record| record.usable_bootstrap_token().is_some()),
        "operator_token": identity.is_some_and(|identity| identity.token(Role::Operator).is_some()),
        "node_token": identity.is_some_and(|identity| identity.token(Role::Node).is_some()),
        "operator_scopes": identity.and_then(|identity| identity.scopes(Role::Operator)),
        "node_scopes": identity.and_then(|identity| identity.scopes(Role::Node)),
        "requires_v2": record.is_some_and(|record| record.requires_v2_signature),
        "device": identity.map(|identity| identity.device_id.clone()),
        "identities": state.identities.len(),
        "damaged": state.damaged.len(),
    })
}

/// What of a state is the same as it was before, as booleans; both sides absent is the same too. Compared as it is, so equality
/// is shown without the values.
///
/// ```json
/// { "record": true, "device": true, "shared_token": true, "bootstrap_token": false, "operator_token": true, "node_token": true }
/// ```
pub fn kept(before: &DurableState, after: &DurableState) -> Value {
    let parts = |state: &DurableState| {
        let record = state.registry.active();
        let identity = record.and_then(|record| state.identities.get(&record.id));
        let token = |role| identity.and_then(|identity| identity.token(role).map(str::to_owned));
        [
            ("record", record.map(|record| record.id.clone())),
            (
                "device",
                identity.map(|identity| identity.device_id.clone()),
            ),
            (
                "shared_token",
                record.and_then(|record| Some(record.usable_shared_token()?.to_owned())),
            ),
            (
                "bootstrap_token",
                record.and_then(|record| Some(record.usable_bootstrap_token()?.to_owned())),
            ),
            ("operator_token", token(Role::Operator)),
            ("node_token", token(Role::Node)),
        ]
    };
    let mut same = serde_json::Map::new();
    for ((name, before), (_, after)) in parts(before).into_iter().zip(parts(after)) {
        same.insert(name.to_owned(), Value::from(before == after));
    }
    Value::Object(same)
}

/// Turns a client's store operations into notes: one per durable thing that came or went.
#[derive(Clone, Debug)]
pub struct StoreNotes {
    actor: String,
    present: BTreeMap<String, bool>,
    /// Address of each record, by its id.
    records: BTreeMap<String, String>,
}

impl StoreNotes {
    /// Notes of one client, which begins with this state.
    pub fn new(actor: &str, state: &DurableState) -> Self {
        let mut present = BTreeMap::new();
        for record in &state.registry.gateways {
            for (what, there) in credentials(record) {
                present.insert(what, there);
            }
        }
        for (gateway, identity) in &state.identities {
            for role in [Role::Operator, Role::Node] {
                present.insert(token_of(gateway, role), identity.token(role).is_some());
            }
        }
        Self {
            actor: actor.to_owned(),
            present,
            records: addresses(&state.registry),
        }
    }

    /// The notes that describe where the client begins.
    pub fn beginning(&self) -> Vec<StoreNote> {
        let credentials = self.present.iter();
        let credentials = credentials.map(|(what, present)| self.note(0, what, *present, None));
        let records = self.records.iter();
        let records =
            records.map(|(id, url)| self.note(0, &record_of(id), true, Some(url.clone())));
        credentials.chain(records).collect()
    }

    /// The notes of one operation that was carried out.
    pub fn of(&mut self, t_us: u64, op: &StoreOp) -> Vec<StoreNote> {
        let mut changes = Vec::new();
        match op {
            StoreOp::SaveRegistry { registry } => {
                for record in &registry.gateways {
                    changes.extend(
                        credentials(record)
                            .into_iter()
                            .map(|(what, there)| (what, there, None)),
                    );
                }
            }
            StoreOp::CreateIdentity {
                gateway_id,
                identity,
            } => {
                let device = identity.device_id.clone();
                changes.push((format!("{gateway_id}/device"), true, Some(device)));
                for role in [Role::Operator, Role::Node] {
                    changes.push((
                        token_of(gateway_id, role),
                        identity.token(role).is_some(),
                        None,
                    ));
                }
            }
            StoreOp::SaveToken {
                gateway_id, role, ..
            } => changes.push((token_of(gateway_id, *role), true, None)),
            StoreOp::ClearToken { gateway_id, role } => {
                changes.push((token_of(gateway_id, *role), false, None));
            }
            StoreOp::ClearAllTokens { gateway_id } => {
                changes.push((token_of(gateway_id, Role::Operator), false, None));
                changes.push((token_of(gateway_id, Role::Node), false, None));
            }
        }
        let mut notes = match op {
            StoreOp::SaveRegistry { registry } => self.of_records(t_us, registry),
            StoreOp::CreateIdentity { .. }
            | StoreOp::SaveToken { .. }
            | StoreOp::ClearToken { .. }
            | StoreOp::ClearAllTokens { .. } => Vec::new(),
        };
        for (what, there, value) in changes {
            let before = self.present.insert(what.clone(), there);
            if before != Some(there) || value.is_some() {
                notes.push(self.note(t_us, &what, there, value));
            }
        }
        notes
    }

    /// Records that came, moved or went; those that went come last, so that one that takes another's place is seen
    /// beside it.
    fn of_records(&mut self, t_us: u64, registry: &Registry) -> Vec<StoreNote> {
        let before = std::mem::replace(&mut self.records, addresses(registry));
        let came = self.records.iter();
        let came = came
            .filter(|(id, url)| before.get(*id) != Some(url))
            .map(|(id, url)| self.note(t_us, &record_of(id), true, Some(url.clone())));
        let went = before
            .iter()
            .filter(|(id, _)| !self.records.contains_key(*id));
        let went = went.map(|(id, _)| self.note(t_us, &record_of(id), false, None));
        came.chain(went).collect()
    }

    fn note(&self, t_us: u64, what: &str, present: bool, value: Option<String>) -> StoreNote {
        StoreNote {
            actor: self.actor.clone(),
            t_us,
            what: what.to_owned(),
            present,
            value,
        }
    }
}

/// Where the gateways of a registry are, without user names and passwords.
fn addresses(registry: &Registry) -> BTreeMap<String, String> {
    let records = registry.gateways.iter();
    records
        .map(|record| {
            let url = GatewayUrl::parse(&record.url).map(|url| url.normalized());
            (record.id.clone(), url.unwrap_or_default())
        })
        .collect()
}

fn record_of(gateway: &str) -> String {
    format!("{gateway}/record")
}

fn token_of(gateway: &str, role: Role) -> String {
    format!("{gateway}/{}_token", role.as_str())
}

fn credentials(record: &GatewayRecord) -> Vec<(String, bool)> {
    vec![
        (
            format!("{}/shared_token", record.id),
            record.usable_shared_token().is_some(),
        ),
        (
            format!("{}/bootstrap_token", record.id),
            record.usable_bootstrap_token().is_some(),
        ),
    ]
}
