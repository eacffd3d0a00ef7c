//! State, orders and faults.

use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse as _;
use gateway_core::{Control, ControlError};
use link::{FAULTS, FaultId, FaultSpec, HealTarget};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use transcript::{Draft, Kind};

use super::{ControlSite, error};
use crate::http::json_body;

pub(super) async fn state(State(site): State<ControlSite>) -> Response<Body> {
    match view(&site).await {
        Ok(view) => json_body(StatusCode::OK, &view),
        Err(response) => *response,
    }
}

pub(super) async fn part(
    State(site): State<ControlSite>,
    Path(part): Path<String>,
) -> Response<Body> {
    let view = match view(&site).await {
        Ok(view) => view,
        Err(response) => return *response,
    };
    if let Some(member) = view.get(&part) {
        return json_body(StatusCode::OK, member);
    }
    let known: Vec<&str> = view
        .as_object()
        .map(|members| members.keys().map(String::as_str).collect())
        .unwrap_or_default();
    error(
        StatusCode::NOT_FOUND,
        "not_found",
        &format!(
            "the state has no part {part:?}; it has {}",
            known.join(", ")
        ),
    )
}

/// The state, with the faults that are installed.
pub(super) async fn view(site: &ControlSite) -> Result<Value, Box<Response<Body>>> {
    let gone = || {
        Box::new(error(
            StatusCode::SERVICE_UNAVAILABLE,
            "gone",
            "the gateway is gone",
        ))
    };
    let view = site.hub.view().await.ok_or_else(gone)?;
    let mut view = serde_json::to_value(view).map_err(|_| gone())?;
    if let Some(members) = view.as_object_mut() {
        members.insert("faults".to_owned(), faults(site));
    }
    Ok(view)
}

pub(super) async fn control(State(site): State<ControlSite>, body: Bytes) -> Response<Body> {
    let command = match read_order(&body) {
        Ok(command) => command,
        Err(response) => return *response,
    };
    let order = described(&body);
    let result = site.hub.control(command).await;
    let outcome = result
        .as_ref()
        .map_or_else(ToString::to_string, |_| "done".to_owned());
    note(&site, &order, &outcome);
    match result {
        Ok(answer) => json_body(StatusCode::OK, &answer),
        Err(problem) => {
            let (status, code) = status_of(&problem);
            error(status, code, &problem.to_string())
        }
    }
}

fn read_order(body: &[u8]) -> Result<Control, Box<Response<Body>>> {
    let order: Value = parse(body)?;
    let problem = match serde_json::from_value::<Control>(order.clone()) {
        Ok(command) => return Ok(command),
        Err(problem) => problem.to_string(),
    };
    let guilty = if problem.starts_with("unknown variant") {
        guilty(&order, &problem).or_else(|| Some("verb".to_owned()))
    } else {
        guilty(&order, &problem)
    };
    Err(Box::new(match guilty {
        Some(name) => bad(&format!("{name}: {problem}")),
        None => bad(&problem),
    }))
}

/// The member without which the problem would be another one: what is told by its verb is read as a whole first, so that
/// what is wrong inside has no place of its own.
fn guilty(order: &Value, problem: &str) -> Option<String> {
    let members = order.as_object()?;
    let mut names = members.keys().filter(|name| *name != "verb");
    names
        .find(|name| {
            let mut rest = members.clone();
            rest.remove(*name);
            let without = serde_json::from_value::<Control>(Value::Object(rest)).err();
            without.is_none_or(|other| other.to_string() != problem)
        })
        .cloned()
}

/// The verb and what it is about; never a token.
fn described(body: &[u8]) -> String {
    const TOLD: [&str; 7] = [
        "verb",
        "request_id",
        "device_id",
        "node_id",
        "role",
        "name",
        "conn",
    ];
    let order: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut words: Vec<String> = TOLD
        .iter()
        .filter_map(|name| order.get(name))
        .map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
        .collect();
    if let Some(name) = order.pointer("/behavior/name").and_then(Value::as_str) {
        words.push(name.to_owned());
    }
    words.join(" ")
}

/// Puts what was done from here into the transcript, where the inspector shows it among the frames.
fn note(site: &ControlSite, order: &str, outcome: &str) {
    let draft = Draft::new(site.clock.micros(), Kind::Note)
        .text(format!("control: {order}"))
        .data(json!({"outcome": outcome}));
    site.recorder.record(draft);
}

fn status_of(problem: &ControlError) -> (StatusCode, &'static str) {
    match problem {
        ControlError::UnknownRequest { .. } => (StatusCode::NOT_FOUND, "unknown_request"),
        ControlError::UnknownDevice { .. } => (StatusCode::NOT_FOUND, "unknown_device"),
        ControlError::UnknownNode { .. } => (StatusCode::NOT_FOUND, "unknown_node"),
        ControlError::UnknownConnection { .. } => (StatusCode::NOT_FOUND, "unknown_connection"),
        ControlError::UnknownSetupCode => (StatusCode::NOT_FOUND, "unknown_setup_code"),
        ControlError::UnknownInvoke { .. } => (StatusCode::NOT_FOUND, "unknown_invoke"),
        ControlError::NoUrl => (StatusCode::UNPROCESSABLE_ENTITY, "no_url"),
        ControlError::Behavior { .. } => (StatusCode::CONFLICT, "behavior"),
        ControlError::Config(_) => (StatusCode::UNPROCESSABLE_ENTITY, "config"),
        ControlError::Refused(_) => (StatusCode::CONFLICT, "refused"),
        ControlError::Down => (StatusCode::SERVICE_UNAVAILABLE, "down"),
    }
}

pub(super) async fn transcript(
    State(site): State<ControlSite>,
    RawQuery(query): RawQuery,
) -> Response<Body> {
    let since = match since(query.as_deref()) {
        Ok(since) => since,
        Err(response) => return *response,
    };
    let mut transcript = site.recorder.transcript();
    transcript.entries.retain(|entry| entry.n > since);
    let content_type = HeaderValue::from_static("application/jsonl; charset=utf-8");
    (
        [(header::CONTENT_TYPE, content_type)],
        transcript.to_jsonl(),
    )
        .into_response()
}

/// `since=N` of a query; 0 without one.
pub(super) fn since(query: Option<&str>) -> Result<u64, Box<Response<Body>>> {
    let pairs = query.unwrap_or_default().split('&');
    let mut since = 0;
    for pair in pairs.filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != "since" {
            let problem = format!("unknown query parameter {name:?}; allowed: since");
            return Err(Box::new(bad(&problem)));
        }
        since = value.parse().map_err(|_| {
            let problem = format!("since: expected the number of an entry, found {value:?}");
            Box::new(bad(&problem))
        })?;
    }
    Ok(since)
}

fn faults(site: &ControlSite) -> Value {
    let rows = site.faults.installed().into_iter();
    rows.map(|(id, spec)| json!({"fault": id.0, "spec": spec}))
        .collect()
}

pub(super) async fn list_faults(State(site): State<ControlSite>) -> Response<Body> {
    json_body(StatusCode::OK, &faults(&site))
}

pub(super) async fn install_fault(State(site): State<ControlSite>, body: Bytes) -> Response<Body> {
    let spec: FaultSpec = match parse(&body) {
        Ok(spec) => spec,
        Err(response) => return *response,
    };
    if let Err(problem) = spec.check() {
        return bad(&problem.to_string());
    }
    json_body(
        StatusCode::OK,
        &json!({"fault": site.faults.install(spec).0}),
    )
}

pub(super) async fn heal_fault(
    State(site): State<ControlSite>,
    Path(name): Path<String>,
) -> Response<Body> {
    if let Some(target) = heal_target(&name) {
        return json_body(StatusCode::OK, &json!({"healed": site.faults.heal(target)}));
    }
    let known: Vec<&str> = FAULTS.iter().map(|row| row.name.as_str()).collect();
    error(
        StatusCode::NOT_FOUND,
        "unknown_fault",
        &format!(
            "{name:?} is no fault; expected its number, all, or one of {}",
            known.join(", ")
        ),
    )
}

fn heal_target(text: &str) -> Option<HealTarget> {
    if text == "all" {
        return Some(HealTarget::All);
    }
    if let Ok(id) = text.parse() {
        return Some(HealTarget::Id(FaultId(id)));
    }
    FAULTS
        .iter()
        .map(|row| row.name)
        .find(|name| name.as_str() == text)
        .map(HealTarget::Name)
}

/// Reads a body; the error names the member and what is allowed there.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Box<Response<Body>>> {
    let reader = &mut serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(reader).map_err(|problem| {
        let at = problem.path().to_string();
        let inner = problem.into_inner();
        Box::new(if at == "." {
            bad(&inner.to_string())
        } else {
            bad(&format!("{at}: {inner}"))
        })
    })
}

pub(super) fn bad(message: &str) -> Response<Body> {
    error(StatusCode::UNPROCESSABLE_ENTITY, "bad_request", message)
}
