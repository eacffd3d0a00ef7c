//! However its address is written, a gateway has one record, and with it one identity and one pairing.

use std::collections::BTreeMap;

use client_core::url::GatewayUrl;

use super::{Breach, Evidence, Row, Subject, breach};

pub(super) const ROW: Row = Row {
    name: "one_record_for_one_gateway",
    doc: "A client keeps one record for one gateway: another spelling of its address makes no second one, and its id stays.",
    source: "client-behaviour §4.1; scenario-catalogue K6; field-bugs 65",
    subject: Subject::Companion,
    mutant: "client:alias_is_another",
    check,
};

/// What makes a gateway another one. Names of this computer are one host; letter case makes no difference.
type Place = (bool, String, u16, String, Option<String>);

fn check(evidence: &Evidence<'_>) -> Vec<Breach> {
    let mut records: BTreeMap<(&str, &str), Place> = BTreeMap::new();
    let mut breaches = Vec::new();
    for note in &evidence.record.stores {
        let Some(id) = note.what.strip_suffix("/record") else {
            continue;
        };
        let actor = note.actor.as_str();
        let place = note.value.as_deref().and_then(place);
        let Some(place) = place.filter(|_| note.present) else {
            records.remove(&(actor, id));
            continue;
        };
        let twin = records
            .iter()
            .find(|((of, other), known)| *of == actor && *other != id && **known == place);
        if let Some(((_, twin), _)) = twin {
            let what = format!("{actor} keeps the records {twin} and {id} for one gateway");
            breaches.push(breach(what, &[]));
        }
        records.insert((actor, id), place);
    }
    breaches
}

fn place(url: &str) -> Option<Place> {
    let url = GatewayUrl::parse(url)?;
    let host = url.host.to_ascii_lowercase();
    let here = ["localhost", "127.0.0.1", "::1"].contains(&host.as_str());
    let path = if url.path.is_empty() { "/" } else { &url.path };
    Some((
        url.tls,
        if here { String::new() } else { host },
        url.port,
        path.to_ascii_lowercase(),
        url.query.map(|query| query.to_ascii_lowercase()),
    ))
}
