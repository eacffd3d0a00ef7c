//! The control endpoint and `serve`, driven as another program would.
#![cfg(test)]

mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use gateway_protocol::{Keypair, SharedToken};
use mock_gateway::{Config, MockGateway, Running, ServeError, ServeOptions, serve_until};
use rstest::rstest;
use serde_json::{Value, json};
use support::{TOKEN, tcp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use transcript::{Header, Recorder};

const CONTROL_TOKEN: &str = "control-token-0123456789";

async fn gateway() -> (Running, SocketAddr) {
    let recorder = Recorder::in_memory(Header::new(7, "loopback", "mock profile 2026.6.34"));
    let gateway = MockGateway::new()
        .config(Config::with_token(TOKEN))
        .recorder(recorder)
        .serve_tcp(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let control = gateway
        .open_control_port(SharedToken::new(CONTROL_TOKEN))
        .await
        .unwrap();
    (gateway, control)
}

/// Status and body of one request.
async fn ask(addr: SocketAddr, line: &str, headers: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let length = body.len();
    let host = if headers.contains("Host: ") {
        String::new()
    } else {
        format!("Host: {addr}\r\n")
    };
    let request = format!(
        "{line} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (
        head.split(' ').nth(1).unwrap().parse().unwrap(),
        body.to_owned(),
    )
}

async fn order(addr: SocketAddr, line: &str, body: &str) -> (u16, String) {
    ask(
        addr,
        line,
        &format!("Authorization: Bearer {CONTROL_TOKEN}\r\n"),
        body,
    )
    .await
}

#[rstest]
#[case::no_token("", 401)]
#[case::wrong_token("Authorization: Bearer nope\r\n", 401)]
#[case::gateway_token("Authorization: Bearer test-shared-token-0123456789abcdef\r\n", 401)]
#[case::web_page(
    "Authorization: Bearer control-token-0123456789\r\nOrigin: http://localhost:1\r\n",
    403
)]
#[case::rebound_name(
    "Authorization: Bearer control-token-0123456789\r\nHost: gateway.example:80\r\n",
    403
)]
#[case::other_name_of_this_machine(
    "Authorization: Bearer control-token-0123456789\r\nHost: localhost:1\r\n",
    200
)]
#[case::own_page(
    "Authorization: Bearer control-token-0123456789\r\nHost: localhost:1\r\nOrigin: http://localhost:1\r\n",
    200
)]
#[case::right("Authorization: Bearer control-token-0123456789\r\n", 200)]
#[tokio::test]
async fn only_the_bearer_of_the_port_gets_in(#[case] headers: &str, #[case] status: u16) {
    let (gateway, control) = gateway().await;
    assert_eq!(ask(control, "GET /v1/state", headers, "").await.0, status);
    gateway.stop().await;
}

/// The routes of one port are not on the other.
#[tokio::test]
async fn clients_cannot_reach_the_control_endpoint() {
    let (gateway, _control) = gateway().await;
    let headers = format!("Authorization: Bearer {CONTROL_TOKEN}\r\n");
    let (status, body) = ask(gateway.addr(), "GET /v1/state", &headers, "").await;
    assert!(status == 200 && body.contains("mock gateway"), "{body}");
    assert_eq!(
        ask(gateway.addr(), "POST /v1/control", &headers, "{}")
            .await
            .0,
        404
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_wait_ends_with_the_frame_that_it_waits_for() {
    let (gateway, control) = gateway().await;
    let wanted =
        r#"{"match":{"dir":"g2c","stage":"sent","frame":{"id":"late"}},"timeout_ms":20000}"#;
    let waiting = order(control, "POST /v1/wait", wanted);
    let talking = async {
        let mut client = tcp(gateway.addr()).await;
        client.hello(&Keypair::from_seed([6; 32])).await;
        client.call("late", "health", json!({})).await;
    };
    let ((status, answer), ()) = tokio::join!(waiting, talking);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        (status, &answer["entry"]["frame"]["ok"]),
        (200, &json!(true))
    );
    gateway.stop().await;
}

/// Reads events up to the first of the given name; gives its id and data.
async fn event(addr: SocketAddr, path: &str, name: &str) -> (String, Value) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {CONTROL_TOKEN}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut text, mut chunk) = (String::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut chunk).await.unwrap();
        assert!(read > 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(&chunk[..read]).replace('\r', ""));
        let begun = text.split(&format!("event: {name}\n")).nth(1);
        let Some((block, _)) = begun.and_then(|block| block.split_once("\n\n")) else {
            continue;
        };
        let member = |wanted: &str| block.lines().find_map(|line| line.strip_prefix(wanted));
        let data = serde_json::from_str(member("data: ").unwrap()).unwrap();
        return (member("id: ").unwrap_or_default().to_owned(), data);
    }
}

#[tokio::test]
async fn events_go_on_where_they_were_left() {
    let (gateway, control) = gateway().await;
    let mut client = tcp(gateway.addr()).await;
    client.hello(&Keypair::from_seed([6; 32])).await;
    let (id, first) = event(control, "/v1/events", "entries").await;
    let first = first.as_array().unwrap();
    assert_eq!(first.last().unwrap()["n"].to_string(), id);
    assert_eq!(first[0]["kind"], "open");

    client.call("after", "health", json!({})).await;
    let (_, next) = event(control, &format!("/v1/events?since={id}"), "entries").await;
    let numbers: Vec<u64> = next
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["n"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers[0], id.parse::<u64>().unwrap() + 1);
    let (_, state) = event(control, "/v1/events", "state").await;
    assert_eq!(state["connections"][0]["phase"], "open");
    gateway.stop().await;
}

#[tokio::test]
async fn orders_state_transcript_and_faults() {
    let (gateway, control) = gateway().await;
    let mut client = tcp(gateway.addr()).await;
    client.hello(&Keypair::from_seed([6; 32])).await;

    let (status, state) = order(control, "GET /v1/state", "").await;
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!(
        (status, state["connections"].as_array().unwrap().len()),
        (200, 1)
    );

    let (status, minted) =
        order(control, "POST /v1/control", r#"{"verb":"mint_setup_code"}"#).await;
    let minted: Value = serde_json::from_str(&minted).unwrap();
    assert!(status == 200 && minted["setupCode"].is_string(), "{minted}");
    assert_eq!(
        order(
            control,
            "POST /v1/control",
            r#"{"verb":"approve","request_id":"nope"}"#
        )
        .await
        .0,
        404
    );
    assert_eq!(
        order(control, "POST /v1/control", r#"{"verb":"fly"}"#)
            .await
            .0,
        422
    );

    let (status, transcript) = order(control, "GET /v1/transcript", "").await;
    assert_eq!(status, 200);
    assert!(
        transcript.contains("connect.challenge") && transcript.contains("<shared-token:"),
        "{transcript}"
    );
    assert!(
        !transcript.contains(TOKEN) && !transcript.contains(minted["setupCode"].as_str().unwrap())
    );

    assert_eq!(
        order(control, "POST /v1/faults", r#"{"name":"reset"}"#).await,
        (200, r#"{"fault":1}"#.to_owned())
    );
    assert_eq!(client.closed().await, None);
    assert_eq!(
        order(control, "POST /v1/faults", r#"{"name":"delay"}"#)
            .await
            .0,
        422
    );
    assert_eq!(
        order(control, "DELETE /v1/faults/reset", "").await,
        (200, r#"{"healed":1}"#.to_owned())
    );
    assert_eq!(order(control, "DELETE /v1/faults/nope", "").await.0, 404);
    gateway.stop().await;
}

/// What is wrong with a call stands in the answer: the member, and what is allowed there.
#[rstest]
#[case::verb("POST /v1/control", r#"{"verb":"fly"}"#, 422, &["verb: ", "fly", "approve", "reload"])]
#[case::no_verb("POST /v1/control", r#"{"request_id":"latest"}"#, 422, &["verb"])]
#[case::member("POST /v1/control", r#"{"verb":"approve","id":"x"}"#, 422, &["id", "request_id"])]
#[case::role("POST /v1/control", r#"{"verb":"revoke_token","device_id":"d","role":"king"}"#, 422, &["role", "king", "operator", "node"])]
#[case::behaviour("POST /v1/control", r#"{"verb":"mount","behavior":{"name":"b","when":{"methd":"x"},"reply":"silence"}}"#, 422, &["behavior: ", "methd", "method"])]
#[case::key("POST /v1/control", r#"{"verb":"reload","config":{"gateway":{"trustedProxys":[]}}}"#, 422, &["gateway.trustedProxys", "allowed here", "trustedProxies"])]
#[case::value("POST /v1/control", r#"{"verb":"reload","config":{"gateway":{"trustedProxies":1}}}"#, 422, &["gateway.trustedProxies", "a list of texts"])]
#[case::fault("POST /v1/faults", r#"{"name":"dely"}"#, 422, &["name", "dely", "delay", "blackhole"])]
#[case::fault_option("POST /v1/faults", r#"{"name":"delay"}"#, 422, &["delay"])]
#[case::healed("DELETE /v1/faults/dely", "", 404, &["dely", "delay", "its number", "all"])]
#[case::wait("POST /v1/wait", r#"{"match":1}"#, 422, &["match", "an object"])]
#[case::wait_member("POST /v1/wait", r#"{"mtch":{}}"#, 422, &["mtch", "match", "timeout_ms"])]
#[case::wait_time("POST /v1/wait", r#"{"match":{},"timeout_ms":9000000}"#, 422, &["timeout_ms", "at most 300000"])]
#[case::since("GET /v1/transcript?since=x", "", 422, &["since", "number"])]
#[case::query("GET /v1/transcript?after=1", "", 422, &["after", "since"])]
#[case::part("GET /v1/state/devces", "", 404, &["devces", "devices"])]
#[tokio::test]
async fn a_wrong_call_names_the_member_and_what_is_allowed(
    #[case] line: &str,
    #[case] body: &str,
    #[case] status: u16,
    #[case] words: &[&str],
) {
    let (gateway, control) = gateway().await;
    let (got, answer) = order(control, line, body).await;
    assert_eq!(got, status, "{answer}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let message = answer["error"]["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
    gateway.stop().await;
}

/// Standard output of a `serve` under test: sends each line on.
#[derive(Clone)]
struct Output(Arc<Mutex<Option<oneshot::Sender<String>>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(sender) = self.0.lock().unwrap().take() {
            sender
                .send(String::from_utf8(bytes.to_vec()).unwrap())
                .unwrap();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn serve_says_where_it_is_and_saves_what_happened() {
    let directory = tempfile::tempdir().unwrap();
    let (sender, line) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    let mut options = ServeOptions::new(Box::new(Output(Arc::new(Mutex::new(Some(sender))))));
    options.token = Some(SharedToken::new(TOKEN));
    options.save = Some(directory.path().join("run"));
    let served = serve_until(options, async move {
        stopped.await.ok();
        "test"
    });
    let visit = async {
        let line: Value = serde_json::from_str(&line.await.unwrap()).unwrap();
        assert_eq!(
            (&line["token"], &line["profile"]),
            (&json!(TOKEN), &json!("2026.6.34"))
        );
        assert!(
            line["setupCode"].is_string()
                && line["httpUrl"]
                    .as_str()
                    .unwrap()
                    .starts_with("http://127.0.0.1:")
        );
        let control = line["control"]["url"]
            .as_str()
            .unwrap()
            .strip_prefix("http://")
            .unwrap()
            .parse()
            .unwrap();
        let headers = format!(
            "Authorization: Bearer {}\r\n",
            line["control"]["token"].as_str().unwrap()
        );
        assert_eq!(ask(control, "GET /v1/state", &headers, "").await.0, 200);
        let addr = line["url"]
            .as_str()
            .unwrap()
            .strip_prefix("ws://")
            .unwrap()
            .parse()
            .unwrap();
        let mut client = tcp(addr).await;
        client.hello(&Keypair::from_seed([6; 32])).await;
        stop.send(()).unwrap();
        assert_eq!(
            client.event("shutdown").await.payload["reason"],
            "gateway stopping"
        );
        assert_eq!(
            client.closed().await,
            Some((1012, "service restart".to_owned()))
        );
    };
    let (result, ()) = tokio::join!(served, visit);
    result.unwrap();
    let saved = std::fs::read_to_string(directory.path().join("run/transcript.jsonl")).unwrap();
    assert!(saved.contains("hello-ok") && !saved.contains(TOKEN));
}

#[tokio::test]
async fn what_cannot_be_served_is_said_with_a_hint() {
    async fn failure(change: impl FnOnce(&mut ServeOptions)) -> ServeError {
        let mut options = ServeOptions::new(Box::new(std::io::sink()));
        change(&mut options);
        serve_until(options, async { "test" }).await.unwrap_err()
    }
    let taken = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = failure(|options| options.port = port).await;
    assert_eq!(
        error.to_string(),
        format!("port {port} on 127.0.0.1 is in use")
    );
    assert!(error.hint().is_some());
    let error = failure(|options| options.profile = "1.0".to_owned()).await;
    assert!(
        matches!(error, ServeError::UnknownProfile { .. })
            && error.to_string().contains("2026.6.34")
    );
    let directory = tempfile::tempdir().unwrap();
    std::fs::File::create(directory.path().join("transcript.jsonl")).unwrap();
    let error = failure(|options| options.save = Some(directory.path().to_owned())).await;
    assert!(matches!(error, ServeError::TranscriptExists { .. }));
}
