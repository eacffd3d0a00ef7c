//! The description against the router: nothing is in one that is not in the other, and every example is true.

use std::collections::BTreeSet;

use gateway_core::Config;
use jsonschema::Validator;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use transcript::Header;

use super::*;
use crate::{MockGateway, Running};

const TOKEN: &str = "control-token-0123456789";

fn description() -> Value {
    serde_json::from_str(OPENAPI).unwrap()
}

/// Every operation as method, path and its object.
fn operations(description: &Value) -> Vec<(String, String, Value)> {
    let paths = description["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap();
        methods
            .iter()
            .map(|(method, operation)| (method.to_uppercase(), path.clone(), operation.clone()))
    });
    all.collect()
}

/// A schema of the description, with its components at hand.
fn validator(description: &Value, schema: &Value) -> Validator {
    let mut whole = schema.clone();
    if let Some(members) = whole.as_object_mut() {
        members.insert("components".to_owned(), description["components"].clone());
    }
    jsonschema::validator_for(&whole).unwrap()
}

/// Values that stand as examples beside a schema.
fn examples(media: &Value) -> Vec<Value> {
    let named = media["examples"].as_object();
    let many = named
        .into_iter()
        .flat_map(|named| named.values().map(|one| one["value"].clone()));
    media
        .get("example")
        .cloned()
        .into_iter()
        .chain(many)
        .collect()
}

#[test]
fn router_and_description_name_the_same_routes() {
    let description = description();
    let described: BTreeSet<(String, String)> = operations(&description)
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    let routed: BTreeSet<(String, String)> = ROUTES
        .iter()
        .map(|route| (route.method.to_owned(), route.path.to_owned()))
        .collect();
    assert_eq!(described, routed);
}

#[test]
fn the_description_says_which_routes_need_no_token() {
    let description = description();
    for (method, path, operation) in operations(&description) {
        let route = ROUTES
            .iter()
            .find(|route| route.method == method && route.path == path)
            .unwrap();
        assert_eq!(
            operation["security"] == json!([]),
            route.public,
            "{method} {path}"
        );
    }
}

#[test]
fn every_order_is_described() {
    let description = description();
    let described: BTreeSet<&str> = description["components"]["schemas"]["Control"]["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|order| order["properties"]["verb"]["const"].as_str().unwrap())
        .collect();
    let error = serde_json::from_value::<gateway_core::Control>(json!({"verb": "?"})).unwrap_err();
    let text = error.to_string();
    let known: BTreeSet<&str> = text.split('`').skip(3).step_by(2).collect();
    assert_eq!(described, known);
}

#[test]
fn every_example_fits_its_schema() {
    let description = description();
    let mut checked = 0;
    for (method, path, operation) in operations(&description) {
        let request = operation.pointer("/requestBody/content/application~1json");
        let responses = operation["responses"].as_object().unwrap().values();
        let answers =
            responses.filter_map(|response| response.pointer("/content/application~1json"));
        for media in request.into_iter().chain(answers) {
            let validator = validator(&description, &media["schema"]);
            for example in examples(media) {
                let problem = validator
                    .validate(&example)
                    .err()
                    .map(|error| error.to_string());
                assert_eq!(problem, None, "{method} {path}: {example}");
                checked += 1;
            }
        }
    }
    assert!(checked > 40, "{checked} examples");
}

async fn running() -> (Running, SocketAddr) {
    let gateway = MockGateway::new()
        .config(Config::with_token("gateway-token-0123456789"))
        .recorder(Recorder::in_memory(Header::new(
            1,
            "serve",
            "mock profile 2026.6.34",
        )))
        .serve_tcp(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let control = gateway
        .open_control_port(SharedToken::new(TOKEN))
        .await
        .unwrap();
    (gateway, control)
}

/// Status, content type and body of one request.
async fn ask(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, String, String) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A stream of events has no end; its beginning is enough.
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        answer.extend_from_slice(&chunk[..read]);
        if String::from_utf8_lossy(&answer).contains("event: hello") {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let kind = head
        .lines()
        .find_map(|line| line.strip_prefix("content-type: "))
        .unwrap_or_default();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (
        status,
        kind.split(';').next().unwrap().to_owned(),
        body.to_owned(),
    )
}

/// Sends every example of the description to a running mock: what comes back is described and fits.
#[tokio::test]
async fn every_example_request_is_answered_as_described() {
    let description = description();
    let (gateway, control) = running().await;
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let mut statuses = BTreeSet::new();
    for (method, path, operation) in operations(&description) {
        let mut path = path;
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let (name, example) = (parameter["name"].as_str().unwrap(), &parameter["example"]);
            let example = example
                .as_str()
                .map_or_else(|| example.to_string(), str::to_owned);
            path = path.replace(&format!("{{{name}}}"), &example);
        }
        let media = operation.pointer("/requestBody/content/application~1json");
        let mut bodies: Vec<String> = media
            .map(|media| examples(media).iter().map(Value::to_string).collect())
            .unwrap_or_default();
        if media.is_some() {
            bodies.push(r#"{"verb":"fly","name":"fly","match":1}"#.to_owned());
        } else {
            bodies.push(String::new());
        }
        for headers in [token.as_str(), ""] {
            for body in &bodies {
                let (status, kind, answer) = ask(control, &method, &path, headers, body).await;
                let described = &operation["responses"][status.to_string()];
                assert!(
                    described.is_object(),
                    "{method} {path} {body}: undescribed {status} {answer}"
                );
                let media = &described["content"][&kind];
                assert!(media.is_object(), "{method} {path}: undescribed {kind}");
                if kind == "application/json" {
                    let answer: Value = serde_json::from_str(&answer).unwrap();
                    let problem = validator(&description, &media["schema"])
                        .validate(&answer)
                        .err()
                        .map(|error| error.to_string());
                    assert_eq!(problem, None, "{method} {path} {body}: {answer}");
                }
                statuses.insert(status);
            }
        }
    }
    assert_eq!(statuses, BTreeSet::from([200, 401, 404, 408, 422]));
    gateway.stop().await;
}

#[tokio::test]
async fn a_path_that_is_not_there_names_those_that_are() {
    let (gateway, control) = running().await;
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let (status, _, answer) = ask(control, "GET", "/v2/state", &token, "").await;
    assert!(
        status == 404 && answer.contains("GET /v1/state"),
        "{answer}"
    );
    let (status, _, _) = ask(control, "PUT", "/v1/state", &token, "").await;
    assert_eq!(status, 405);
    gateway.stop().await;
}

/// Nobody can reach the port from elsewhere, since it is bound to 127.0.0.1. Should that change, the guard still asks.
#[rstest::rstest]
#[case("203.0.113.7:4000", 403, "not_loopback")]
#[case("[2001:db8::7]:4000", 403, "not_loopback")]
#[case("[::ffff:203.0.113.7]:4000", 403, "not_loopback")]
#[case("[::ffff:127.0.0.1]:4000", 200, "connections")]
#[tokio::test]
async fn a_peer_from_elsewhere_is_refused_even_with_the_token(
    #[case] peer: SocketAddr,
    #[case] status: u16,
    #[case] says: &str,
) {
    let (gateway, _control) = running().await;
    let site = gateway.control_site(SharedToken::new(TOKEN));
    let (cancel, tasks) = (site.cancel.clone(), TaskTracker::new());
    // What the server says of the peer is replaced before the guard sees it.
    let router = router(site).layer(axum::Extension(axum::extract::ConnectInfo(peer)));
    let addr = serve(router, cancel, &tasks).await.unwrap();
    let token = format!("Authorization: Bearer {TOKEN}\r\n");
    let (got, _, answer) = ask(addr, "GET", "/v1/state", &token, "").await;
    assert_eq!(got, status, "{answer}");
    assert!(answer.contains(says), "{answer}");
    gateway.stop().await;
}
