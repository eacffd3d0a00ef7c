//! A user's own test: a small client, the mock gateway, and an HTTP neighbour, as `docs/guides/use-from-rust.md` has it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use gateway_protocol::{Keypair, Role};
use link::{FaultName, FaultSpec};
use mock_gateway::{Behavior, Config, MockGateway, Reply, Running, any_request, method, upgrade};
use rstest::{fixture, rstest};
use serde_json::json;
use support::{Client, TOKEN, connect_frame, tcp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wiremock::matchers::{method as http_method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A gateway on a port of its own for each test.
#[fixture]
async fn gateway() -> Running {
    MockGateway::new()
        .config(Config::with_token(TOKEN))
        .serve_tcp(([127, 0, 0, 1], 0).into())
        .await
        .unwrap()
}

async fn connected(gateway: &Running) -> Client<TcpStream> {
    let mut client = tcp(gateway.addr()).await;
    client.hello(&Keypair::from_seed([7; 32])).await;
    client
}

/// The program under test: asks a release feed and tells the gateway which version it found.
async fn report_release(feed: &str, client: &mut Client<TcpStream>) -> Result<String, String> {
    let version = get(feed, "/latest").await?;
    let params = json!({"version": version});
    let answer = client.call("r1", "status", params).await;
    answer.outcome.map(|_| version).map_err(|error| error.code)
}

/// HTTP in a few lines: a client under test brings its own.
async fn get(base: &str, path: &str) -> Result<String, String> {
    let host = base.trim_start_matches("http://");
    let mut stream = TcpStream::connect(host)
        .await
        .map_err(|error| error.to_string())?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    if head.starts_with("HTTP/1.1 200") {
        Ok(body.to_owned())
    } else {
        Err(head.lines().next().unwrap_or_default().to_owned())
    }
}

#[rstest]
#[case::released("2026.9.6", Ok("2026.9.6"))]
#[case::older("2026.6.34", Ok("2026.6.34"))]
#[tokio::test]
async fn the_version_of_the_feed_reaches_the_gateway(
    #[future(awt)] gateway: Running,
    #[case] released: &str,
    #[case] told: Result<&str, &str>,
) {
    let feed = MockServer::start().await;
    Mock::given(http_method("GET"))
        .and(path("/latest"))
        .respond_with(ResponseTemplate::new(200).set_body_string(released))
        .expect(1)
        .mount(&feed)
        .await;
    let status = Behavior::when(method("status").params(json!({"version": released})))
        .reply(Reply::ok(json!({"ok": true})))
        .capture("version", "/version")
        .times(1);
    let guard = gateway.mount_scoped(status).await.unwrap();
    let mut client = connected(&gateway).await;
    let got = report_release(&feed.uri(), &mut client).await;
    assert_eq!(got.as_deref().map_err(String::as_str), told);
    assert_eq!(gateway.captured("version").await, Some(json!(released)));
    guard.verify().await.unwrap();
    gateway.stop().await;
}

#[rstest]
#[tokio::test]
async fn a_feed_that_fails_is_no_word_to_the_gateway(#[future(awt)] gateway: Running) {
    let feed = MockServer::start().await;
    let silent = Behavior::when(method("status"))
        .reply(Reply::error("UNAVAILABLE", "nobody should ask"))
        .expect(0..=0);
    let guard = gateway.mount_scoped(silent).await.unwrap();
    let mut client = connected(&gateway).await;
    let got = report_release(&feed.uri(), &mut client).await;
    assert_eq!(got, Err("HTTP/1.1 404 Not Found".to_owned()));
    drop(guard);
    gateway.stop().await;
}

#[rstest]
#[tokio::test]
async fn a_close_reaches_the_client_once(#[future(awt)] gateway: Running) {
    let busy = Behavior::when(method("connect").mode("cli"))
        .reply(Reply::close(1013, "gateway starting"))
        .times(1);
    let guard = gateway.mount_scoped(busy).await.unwrap();
    let key = Keypair::from_seed([7; 32]);
    let mut client = tcp(gateway.addr()).await;
    let challenge = client.event("connect.challenge").await;
    client.send(connect_frame(&key, &challenge.payload)).await;
    let close = client.closed().await;
    assert_eq!(close, Some((1013, "gateway starting".to_owned())));
    connected(&gateway).await;
    guard.verify().await.unwrap();
    gateway.stop().await;
}

/// A guard whose behaviour was not used says which, how often, what came closest, and what to do.
#[rstest]
#[tokio::test]
async fn a_guard_that_is_dropped_unused_explains_itself(#[future(awt)] gateway: Running) {
    let node = Behavior::when(method("connect").role(Role::Node))
        .reply(Reply::close(1013, "gateway starting"))
        .times(1);
    let guard = gateway.mount_scoped(node).await.unwrap();
    let client = connected(&gateway).await;
    let panic = catch_unwind(AssertUnwindSafe(|| drop(guard))).unwrap_err();
    let report = panic.downcast_ref::<String>().unwrap();
    assert_eq!(
        report,
        "behaviour \"connect of role node\" was used never; demanded: exactly 1 use\n  \
         it matches: connect of role node\n  \
         came closest: connect on connection #1: role is operator, not node\n  \
         hint: `.times(n)` or `.expect(range)` says how often, `.optional()` lets it stay unused"
    );
    drop(client);
    gateway.stop().await;
}

/// What a guard has mounted is gone with it, and the next one of the same matcher has its place.
#[rstest]
#[tokio::test]
async fn a_behaviour_lasts_as_long_as_its_guard(#[future(awt)] gateway: Running) {
    let mut client = connected(&gateway).await;
    for round in 1..=2 {
        let reply = Reply::ok(json!({"round": round}));
        let mut guard = gateway
            .mount_scoped(Behavior::when(method("status")).reply(reply))
            .await
            .unwrap();
        let answer = client.call(&format!("a{round}"), "status", json!({})).await;
        assert_eq!(answer.outcome.unwrap(), json!({"round": round}));
        assert!(guard.until_used(1).await);
        assert_eq!(guard.uses(), 1);
    }
    let built_in = client.call("b", "status", json!({})).await;
    assert_eq!(built_in.outcome.unwrap().get("round"), None);
    gateway.stop().await;
}

#[rstest]
#[tokio::test]
async fn two_behaviours_of_one_matcher_take_turns(#[future(awt)] gateway: Running) {
    for answer in ["first", "second"] {
        let behavior = Behavior::when(method("status"))
            .reply(Reply::ok(json!(answer)))
            .times(1);
        gateway.mount(behavior).await.unwrap();
    }
    let mut client = connected(&gateway).await;
    for answer in ["first", "second"] {
        let got = client.call(answer, "status", json!({})).await;
        assert_eq!(got.outcome.unwrap(), json!(answer));
    }
    gateway.stop().await;
}

#[rstest]
#[tokio::test]
async fn an_upgrade_can_be_answered_with_a_status(#[future(awt)] gateway: Running) {
    let limited = Behavior::when(upgrade().conn(1))
        .reply(Reply::http(503, "not yet"))
        .times(1);
    let guard = gateway.mount_scoped(limited).await.unwrap();
    let stream = TcpStream::connect(gateway.addr()).await.unwrap();
    let Err(refused) = Client::upgrade(stream).await else {
        panic!("the first upgrade was accepted");
    };
    assert!(refused.to_string().contains("503"), "{refused}");
    guard.verify().await.unwrap();
    connected(&gateway).await;
    gateway.stop().await;
}

#[rstest]
#[tokio::test]
async fn a_fault_ends_with_its_guard(#[future(awt)] gateway: Running) {
    let mut client = connected(&gateway).await;
    let hole = gateway
        .faults()
        .install_scoped(FaultSpec::new(FaultName::Blackhole));
    let silence = tokio::time::timeout(
        Duration::from_millis(100),
        client.call("lost", "status", json!({})),
    );
    assert!(silence.await.is_err(), "nothing passes");
    drop(hole);
    client.response("lost").await.outcome.unwrap();
    gateway.stop().await;
}

#[rstest]
#[tokio::test]
async fn nonsense_is_refused_with_the_field_and_what_is_allowed(#[future(awt)] gateway: Running) {
    let nonsense = Behavior::when(any_request().nth(0)).reply(Reply::Ignore);
    let error = gateway.mount_scoped(nonsense).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "behaviour \"any request only number 0\" makes no sense: `nth`: matches are counted from 1"
    );
    gateway.stop().await;
}
