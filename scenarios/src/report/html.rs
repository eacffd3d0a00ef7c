//! The report as one page: verdicts by shard, and for each scenario its sequence with a frame inspector.
//!
//! The page holds everything it needs and may load nothing; its own content policy forbids it. It is made from the files
//! of a run folder or a bundle, so it shows what was written and nothing else.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use transcript::{Direction, Entry, Kind, Stage, Transcript};

use super::sequence::{WSL_LANE, is_of_wsl};
use crate::judge::wire::{Wire, summary};

mod compact;

use compact::Pool;

const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The lane of the gateway, and of what the harness does to the wire.
const GATEWAY: &str = "gateway";
const FAULTS: &str = "faults";

/// The page of the run folder or bundle whose files these are.
pub fn page(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut pool = Pool::default();
    let results: Vec<Value> = files
        .keys()
        .filter_map(|path| path.strip_suffix("/verdict.json"))
        .filter_map(|place| result(files, place, &mut pool))
        .collect();
    let passed = results
        .iter()
        .filter(|result| result.get("verdict") == Some(&"passed".into()))
        .count();
    let mut gateways: Vec<&str> = results
        .iter()
        .filter_map(|result| result.get("gateway")?.as_str())
        .collect();
    gateways.sort_unstable();
    gateways.dedup();
    let manifest = json_file(files, "manifest.json").unwrap_or_default();
    let commit = manifest.get("head").and_then(Value::as_str);
    let data = json!({
        "headline": format!("{passed} of {} passed", results.len()),
        "label": format!("{}; commit {}", gateways.join(", "), commit.unwrap_or("unknown")),
        "words": pool.words(),
        "results": results,
    });
    PAGE.replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT)
        .replace("{{data}}", &inside_script(&data.to_string()))
        .replace("{{frames}}", &inside_script(pool.frames()))
}

/// JSON that ends no script element.
fn inside_script(json: &str) -> String {
    json.replace("</", "<\\/").replace("<!--", "<\\u0021--")
}

fn json_file(files: &BTreeMap<String, Vec<u8>>, path: &str) -> Option<Value> {
    serde_json::from_slice(files.get(path)?).ok()
}

fn result(files: &BTreeMap<String, Vec<u8>>, place: &str, pool: &mut Pool) -> Option<Value> {
    let verdict = json_file(files, &format!("{place}/verdict.json"))?;
    let text = std::str::from_utf8(files.get(&format!("{place}/transcript.jsonl"))?).ok()?;
    let transcript = Transcript::parse(text).ok()?;
    let state = json_file(files, &format!("{place}/state.json")).unwrap_or_default();
    let id = verdict
        .get("scenario")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let (lanes, rows) = rows(&transcript);
    Some(json!({
        "side": place.split_once("scenarios/").map_or("", |(side, _)| side.trim_end_matches('/')),
        "id": id,
        "shard": id.split('/').next(),
        "world": verdict.get("world"),
        "title": verdict.get("title"),
        "seed": verdict.get("seed"),
        "verdict": verdict.get("verdict"),
        "why": verdict.get("why"),
        "findings": verdict.get("findings"),
        "command": verdict.get("command"),
        "gateway": transcript.header.gateway,
        "client": transcript.header.client,
        "state": state.get("durable"),
        "lanes": lanes,
        "messages": pool.take(&rows),
    }))
}

/// Names of the lanes, and the rows: number, microseconds, connection, from lane, to lane, kind, words, what became of
/// it when it was lost, frame.
pub fn rows(transcript: &Transcript) -> (Vec<String>, Vec<Value>) {
    let wire = Wire::of(&transcript.entries);
    let lane_of = |conn: u32| {
        let known = wire.connection(conn);
        let actor = known
            .and_then(|known| known.actor.as_deref())
            .unwrap_or("client");
        let role = known.and_then(|known| known.role.as_deref());
        role.map_or_else(|| actor.to_owned(), |role| format!("{actor} {role}"))
    };
    let mut lanes: Vec<String> = Vec::new();
    for (conn, _) in wire.connections() {
        let lane = lane_of(conn);
        if !lanes.contains(&lane) {
            lanes.push(lane);
        }
    }
    lanes.push(GATEWAY.to_owned());
    if transcript.entries.iter().any(is_of_wsl) {
        lanes.push(WSL_LANE.to_owned());
    }
    if transcript
        .entries
        .iter()
        .any(|entry| entry.kind == Kind::Fault)
    {
        lanes.push(FAULTS.to_owned());
    }
    let lane = |name: &str| lanes.iter().position(|lane| lane == name);
    let gateway = lane(GATEWAY);
    let row = |entry: &Entry| {
        let lost = match (entry.kind, entry.stage) {
            (Kind::Ping | Kind::Pong, _) | (_, Some(Stage::Delivered)) => return None,
            (_, Some(stage @ (Stage::Dropped | Stage::Held))) => stage.as_str(),
            (_, Some(Stage::Sent) | None) => "",
        };
        let own = entry.conn.and_then(|conn| lane(&lane_of(conn)));
        let (from, to) = match (entry.dir, entry.kind) {
            (_, Kind::Fault) => (lane(FAULTS), lane(FAULTS)),
            _ if is_of_wsl(entry) => (lane(WSL_LANE), lane(WSL_LANE)),
            (Some(Direction::ClientToGateway), _) => (own, gateway),
            (Some(Direction::GatewayToClient), _) => (gateway, own),
            (None, _) => (own.or(gateway), own.or(gateway)),
        };
        let index =
            |lane: Option<usize>| lane.and_then(|lane| i64::try_from(lane).ok()).unwrap_or(-1);
        Some(json!([
            entry.n,
            entry.t_us,
            entry.conn,
            index(from),
            index(to),
            kind(entry),
            summary(entry, &wire),
            lost,
            entry.frame.as_deref().or(entry.data.as_ref()),
        ]))
    };
    (
        lanes.clone(),
        transcript.entries.iter().filter_map(row).collect(),
    )
}

/// The word that gives a row its colour.
fn kind(entry: &Entry) -> &'static str {
    match (entry.kind, entry.frame_type()) {
        (Kind::Fault, _) => "fault",
        (Kind::Note, _) if is_of_wsl(entry) => "wsl",
        (_, Some("req")) => "req",
        (_, Some("res")) if entry.ok() == Some(true) => "ok",
        (_, Some("res")) | (Kind::Close | Kind::Reset, _) => "err",
        (_, Some("event")) if matches!(entry.event(), Some("tick" | "health")) => "quiet",
        (_, Some("event")) => "event",
        _ => "other",
    }
}
