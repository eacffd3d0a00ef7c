//! The HTTP surface against recordings of the real gateways: every request of flows 116, 117 and 214, both releases.
#![cfg(test)]

use std::net::SocketAddr;
use std::path::Path;

use mock_gateway::{Config, MockGateway, Running};
use rstest::rstest;
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Values that no two runs share, by member name.
const VOLATILE: [&str; 14] = [
    "uptimeMs",
    "intervalMs",
    "delayP99Ms",
    "delayMaxMs",
    "utilization",
    "cpuCoreRatio",
    "mainThreadCoreRatio",
    "hostUtilization",
    "workerCoreRatio",
    "otherThreadsCoreRatio",
    "serverBuildId",
    "localMediaPreviewRoots",
    "cdpPort",
    "cdpUrl",
];

/// Headers that are compared when a recording has them or the mock sends them.
const HEADERS: [&str; 6] = [
    "content-type",
    "cache-control",
    "allow",
    "retry-after",
    "x-frame-options",
    "content-security-policy",
];

async fn gateway(version: &str) -> Running {
    let mut config = Config::with_token("oracle-token");
    // The recordings' proxy sits at 127.0.0.2; this one sits where every system has an address.
    config.trusted_proxies = vec!["127.0.0.1".into()];
    MockGateway::new()
        .config(config)
        .profile(gateway_core::profile(version).unwrap())
        .serve_tcp(([127, 0, 0, 1], 0).into())
        .await
        .unwrap()
}

fn recording(version: &str, name: &str) -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("recordings")
        .join(version)
        .join(name);
    let text = std::fs::read_to_string(file).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Sends a recorded request; gives status, headers and body as a recording has them.
async fn ask(addr: SocketAddr, frame: &Value) -> Value {
    let body = frame.get("body").map_or_else(String::new, Value::to_string);
    let mut request = format!(
        "{} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nContent-Length: {}\r\n",
        frame["http"].as_str().unwrap(),
        body.len()
    );
    for (name, value) in frame["headers"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap();
        request.extend([name, ": ", value, "\r\n"]);
    }
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream
        .write_all(format!("{request}\r\n{body}").as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let headers: Map<String, Value> = head
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.into()))
        .collect();
    let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body: Value = serde_json::from_str(body).unwrap_or_else(|_| body.into());
    serde_json::json!({"http_status": status, "headers": headers, "body": body})
}

/// Where an answer differs from the recorded one.
fn differences(recorded: &Value, ours: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if recorded["http_status"] != ours["http_status"] {
        found.push(format!(
            "status {} instead of {}",
            ours["http_status"], recorded["http_status"]
        ));
    }
    for name in HEADERS {
        let (theirs, mine) = (&recorded["headers"][name], &ours["headers"][name]);
        if !same_header(name, theirs, mine) {
            found.push(format!("{name}: {mine} instead of {theirs}"));
        }
    }
    let html = recorded["headers"]["content-type"]
        .as_str()
        .is_some_and(|kind| kind.starts_with("text/html") || kind.starts_with("image/"));
    // Pages and pictures are ours.
    if !html {
        compare("body", &recorded["body"], &ours["body"], &mut found);
    }
    found
}

/// Recordings cut long headers off, and a page's policy names the scripts that stand in it.
fn same_header(name: &str, recorded: &Value, ours: &Value) -> bool {
    let (Some(theirs), Some(mine)) = (recorded.as_str(), ours.as_str()) else {
        return recorded == ours;
    };
    let whole = theirs.trim_end_matches('…');
    let start = whole.split(" 'sha256-").next().unwrap();
    if name == "content-security-policy" {
        return mine.starts_with(start);
    }
    theirs == mine
}

fn compare(at: &str, recorded: &Value, ours: &Value, found: &mut Vec<String>) {
    match (recorded, ours) {
        (Value::Object(theirs), Value::Object(mine)) => {
            for name in theirs.keys().chain(mine.keys()) {
                match (theirs.get(name), mine.get(name)) {
                    (Some(_), Some(_)) if VOLATILE.contains(&name.as_str()) => {}
                    (Some(theirs), Some(mine)) => {
                        compare(&format!("{at}.{name}"), theirs, mine, found);
                    }
                    (theirs, _) => found.push(format!(
                        "{at}.{name} is {}",
                        if theirs.is_some() { "missing" } else { "new" }
                    )),
                }
            }
        }
        _ if recorded == ours => {}
        _ => found.push(format!("{at} is {ours} instead of {recorded}")),
    }
}

#[rstest]
#[case::older("2026.6.34", "116-http-surface.jsonl", 50)]
#[case::newer("2026.9.6", "116-http-surface.jsonl", 50)]
#[case::older_limit("2026.6.34", "117-http-auth-rate-limit.jsonl", 12)]
#[case::newer_limit("2026.9.6", "117-http-auth-rate-limit.jsonl", 12)]
#[case::older_browser("2026.6.34", "214-browser-control-port.jsonl", 6)]
#[case::newer_browser("2026.9.6", "214-browser-control-port.jsonl", 6)]
#[tokio::test]
async fn every_recorded_request_is_answered_as_recorded(
    #[case] version: &str,
    #[case] name: &str,
    #[case] at_least: usize,
) {
    let gateway = gateway(version).await;
    let addr = if name.starts_with("214") {
        gateway.open_browser_control().await.unwrap()
    } else {
        gateway.addr()
    };
    let entries = recording(version, name);
    let mut problems = Vec::new();
    let mut asked = 0;
    for pair in entries
        .iter()
        .filter(|entry| entry["dir"] != "note")
        .collect::<Vec<_>>()
        .chunks(2)
    {
        let [request, answer] = pair else {
            panic!("a request without an answer in {name}")
        };
        let ours = ask(addr, &request["frame"]).await;
        asked += 1;
        for difference in differences(&answer["frame"], &ours) {
            problems.push(format!("{}: {difference}", request["frame"]));
        }
    }
    assert!(asked >= at_least, "{asked} requests in {name}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    gateway.stop().await;
}

/// ref: gateway-behaviour.md §6.1 (recording 200)
#[rstest]
#[case::older("2026.6.34", "/", 200)]
#[case::newer("2026.9.6", "/", 403)]
#[case::newer_ready("2026.9.6", "/ready", 403)]
#[case::newer_health("2026.9.6", "/health", 200)]
#[tokio::test]
async fn forwarding_headers_of_a_stranger(
    #[case] version: &str,
    #[case] path: &str,
    #[case] status: u16,
) {
    let gateway = MockGateway::new()
        .config(Config::with_token("oracle-token"))
        .profile(gateway_core::profile(version).unwrap())
        .serve_tcp(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let request = serde_json::json!({
        "http": format!("GET {path}"),
        "headers": {"X-Forwarded-For": "203.0.113.9", "Authorization": "Bearer oracle-token"},
    });
    let answer = ask(gateway.addr(), &request).await;
    assert_eq!(answer["http_status"], status);
    gateway.stop().await;
}

#[expect(
    clippy::disallowed_methods,
    reason = "the folder is gone after the test"
)]
#[tokio::test]
async fn a_real_control_ui_is_served_from_its_directory() {
    let folder = tempfile::tempdir().unwrap();
    let page = "<!doctype html><html lang=\"en\"><script>x</script><script src=\"./assets/a.js\"></script>";
    std::fs::create_dir(folder.path().join("assets")).unwrap();
    std::fs::write(folder.path().join("index.html"), page).unwrap();
    std::fs::write(folder.path().join("assets/a.js"), "1").unwrap();
    let gateway = MockGateway::new()
        .config(Config::with_token("t"))
        .profile(gateway_core::profile("2026.9.6").unwrap())
        .control_ui(folder.path().to_owned())
        .serve_tcp(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let get = |path: &str| serde_json::json!({"http": format!("GET {path}")});
    let index = ask(gateway.addr(), &get("/chat")).await;
    let policy = index["headers"]["content-security-policy"]
        .as_str()
        .unwrap();
    assert!(
        policy.contains("script-src 'self' 'sha256-LXEWQrcm"),
        "{policy}"
    );
    assert!(
        index["body"]
            .as_str()
            .unwrap()
            .contains("data-openclaw-control-ui-base-path=\"\""),
        "{index}"
    );
    let script = ask(gateway.addr(), &get("/chat/assets/a.js")).await;
    assert_eq!(
        script["headers"]["content-type"],
        "application/javascript; charset=utf-8"
    );
    let missing = ask(gateway.addr(), &get("/assets/b.js")).await;
    assert_eq!(missing["http_status"], 404);
    let outside = ask(gateway.addr(), &get("/assets/../../etc/passwd")).await;
    assert_eq!(outside["http_status"], 404);
    gateway.stop().await;
}
