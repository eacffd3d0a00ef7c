use std::io::Write as _;

use client_core::SshTunnel;
use rstest::rstest;
use wiremock::matchers::{body_json, header, header_exists, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;

fn record(url: &str) -> GatewayRecord {
    let mut record = GatewayRecord::new("g", url);
    record.shared_gateway_token = Some(SharedToken::new("t0k"));
    record
}

fn tunnelled(forwards: bool, control_port: Option<u16>) -> GatewayRecord {
    let mut record = record("ws://far:18789");
    record.browser_control_port = control_port;
    record.ssh_tunnel = Some(SshTunnel {
        user: "u".to_owned(),
        host: "far".to_owned(),
        remote_port: 18789,
        local_port: 40_000,
        include_browser_proxy_forward: forwards,
        ssh_port: 22,
    });
    record
}

fn overridden(url: &str, port: u16) -> GatewayRecord {
    GatewayRecord {
        browser_control_port: Some(port),
        ..record(url)
    }
}

#[rstest]
#[case::local(record("ws://127.0.0.1:18789"), Ok(18791))]
#[case::overridden(overridden("ws://127.0.0.1:18789", 9000), Ok(9000))]
#[case::remote(record("wss://far:443"), Err(BrowserBlock::UnverifiedBrowserEndpoint))]
#[case::no_room(
    record("ws://localhost:65534"),
    Err(BrowserBlock::UnverifiedBrowserEndpoint)
)]
#[case::tunnel(tunnelled(true, None), Ok(40_002))]
#[case::tunnel_with_its_port(tunnelled(true, Some(40_002)), Ok(40_002))]
#[case::tunnel_with_another_port(
    tunnelled(true, Some(9000)),
    Err(BrowserBlock::UnverifiedBrowserEndpoint)
)]
#[case::tunnel_without_forward(
    tunnelled(false, None),
    Err(BrowserBlock::UnverifiedBrowserEndpoint)
)]
#[case::setup_code_only(
    GatewayRecord::new("g", "ws://127.0.0.1:1"),
    Err(BrowserBlock::MissingSharedGatewayToken)
)]
fn the_control_port_belongs_to_the_gateway(
    #[case] record: GatewayRecord,
    #[case] port: Result<u16, BrowserBlock>,
) {
    assert_eq!(
        browser_proxy(&record, true, true).map(|proxy| proxy.port()),
        port
    );
    assert_eq!(
        browser_proxy(&record, true, false).map(|_| ()),
        Err(BrowserBlock::NoGatewayClient)
    );
    assert_eq!(
        browser_proxy(&record, false, false).map(|_| ()),
        Err(BrowserBlock::ToggleDisabled)
    );
}

async fn host() -> (MockServer, BrowserProxy) {
    let host = MockServer::start().await;
    let port = host.address().port();
    (host, BrowserProxy::new(port, SharedToken::new("t0k")))
}

async fn ask(proxy: BrowserProxy, args: Value) -> Result<Value, InvokeError> {
    Arc::new(proxy).invoke(args).await
}

fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

#[tokio::test]
async fn a_request_carries_the_bearer_and_gives_back_json() {
    let (host, proxy) = host().await;
    let request = Mock::given(method("POST"))
        .and(path("/tabs"))
        .and(query_param("a", "b c&d"))
        .and(query_param("profile", "p"));
    let request = request
        .and(header("authorization", "Bearer t0k"))
        .and(body_json(json!({"url": "u"})));
    request
        .respond_with(ok(json!({"tabs": []})))
        .expect(1)
        .mount(&host)
        .await;
    let args = json!({"method": "post", "path": "/tabs", "query": {"a": "b c&d"}, "profile": "p", "body": {"url": "u"}});
    assert_eq!(ask(proxy, args).await, Ok(json!({"result": {"tabs": []}})));
}

/// A control host in password mode refuses the bearer: one more try, and never a third.
#[rstest]
#[case::accepts(200, Ok(json!({"result": {}})))]
#[case::refuses(401, Err(failed("expected status 2xx, got 401")))]
#[tokio::test]
async fn a_401_is_answered_once_with_the_password(
    #[case] status: u16,
    #[case] expected: Result<Value, InvokeError>,
) {
    let (host, proxy) = host().await;
    let password = Mock::given(header("x-openclaw-password", "t0k"))
        .and(header("authorization", "Basic OnQwaw=="));
    password
        .respond_with(ResponseTemplate::new(status).set_body_json(json!({})))
        .expect(1)
        .mount(&host)
        .await;
    let bearer = Mock::given(header("authorization", "Bearer t0k"));
    bearer
        .respond_with(ResponseTemplate::new(401))
        .expect(1)
        .mount(&host)
        .await;
    assert_eq!(ask(proxy, json!({"path": "/"})).await, expected);
    assert_eq!(host.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn nothing_is_sent_to_an_unknown_owner() {
    let (host, proxy) = host().await;
    let error = ask(proxy.owner_check(|_| false), json!({"path": "/"}))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "browser control: the owner of its port is not known; the shared token was not sent"
    );
    assert!(host.received_requests().await.unwrap().is_empty());
}

#[rstest]
#[case("")]
#[case("tabs")]
#[case("//evil")]
#[case("/a//b")]
#[case("http://evil/")]
#[case("/a\r\nx: y")]
#[case("/a#b")]
#[case("/a b")]
#[tokio::test]
async fn a_path_that_could_lead_elsewhere_is_refused(#[case] given: &str) {
    let (host, proxy) = host().await;
    let error = ask(proxy, json!({ "path": given })).await.unwrap_err();
    assert_eq!(error, bad_path(given));
    assert!(host.received_requests().await.unwrap().is_empty());
}

#[rstest]
#[case(json!({"path": "/", "method": "PUT", "body": 1}), Method::GET, 20_000)]
#[case(json!({"path": "/", "method": "delete", "timeoutMs": 0}), Method::DELETE, 1)]
#[case(json!({"path": "/", "timeoutMs": 999_999}), Method::GET, 120_000)]
fn method_and_time_keep_their_bounds(
    #[case] args: Value,
    #[case] method: Method,
    #[case] millis: u64,
) {
    let call = Call::read(&args).unwrap();
    assert_eq!(
        (call.method, call.body, call.timeout),
        (method, None, Duration::from_millis(millis))
    );
}

#[tokio::test]
async fn a_slow_host_is_given_up() {
    let (host, proxy) = host().await;
    let slow = ok(json!({})).set_delay(Duration::from_mins(1));
    Mock::given(header_exists("authorization"))
        .respond_with(slow)
        .mount(&host)
        .await;
    let error = ask(proxy, json!({"path": "/", "timeoutMs": 30}))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "browser control: no answer within 30 ms");
}

#[tokio::test]
async fn files_that_a_result_names_are_inlined() {
    let mut shot = tempfile::NamedTempFile::new().unwrap();
    shot.write_all(b"png").unwrap();
    let (host, proxy) = host().await;
    let result = json!({"imagePath": shot.path(), "download": {"path": "/nowhere/at/all"}});
    Mock::given(method("GET"))
        .respond_with(ok(result.clone()))
        .mount(&host)
        .await;
    let answer = ask(proxy, json!({"path": "/screenshot"})).await.unwrap();
    assert_eq!(
        answer,
        json!({"result": result, "files": [{"path": shot.path(), "base64": "cG5n"}]})
    );
}

#[rstest]
#[case::just_inside(FILE_MAX, true)]
#[case::just_outside(FILE_MAX + 1, false)]
fn a_file_has_a_limit(#[case] length: u64, #[case] is_read: bool) {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(length).unwrap();
    assert_eq!(read_file(file.path()).is_ok(), is_read);
}

#[tokio::test]
async fn a_host_that_is_not_there_is_an_error_without_the_token() {
    let (host, proxy) = host().await;
    drop(host);
    let error = ask(proxy, json!({"path": "/"})).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("t0k"), "{error:?}");
}
