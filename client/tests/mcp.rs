//! The companion's tools over HTTP, against the mock gateway: what gets through the gate, and what the tools do.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic"
)]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use gateway_client::mcp::TOOL_NAMES;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use mock_gateway::{Config, Control, MockGateway, Running};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

const SHARED_TOKEN: &str = "app.connection.connectSharedToken";

struct Companion {
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    authority: String,
    token: String,
}

impl Companion {
    async fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_companion"))
            .arg("--data-dir")
            .arg(data_dir)
            .args(["--mcp-port", "0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let ready: Value =
            serde_json::from_str(&lines.next_line().await.unwrap().unwrap()).unwrap();
        let url = ready["mcp"]["url"].as_str().unwrap();
        let authority = url
            .strip_prefix("http://")
            .unwrap()
            .strip_suffix("/mcp")
            .unwrap()
            .to_owned();
        let token = std::fs::read_to_string(ready["mcp"]["tokenFile"].as_str().unwrap()).unwrap();
        Self {
            _child: child,
            lines,
            authority,
            token,
        }
    }

    /// Waits for a line; a minute is long for all of them.
    async fn until(&mut self, fits: impl Fn(&Value) -> bool) {
        let found = async {
            loop {
                let line = self.lines.next_line().await.unwrap().unwrap();
                if fits(&serde_json::from_str(&line).unwrap()) {
                    return;
                }
            }
        };
        timeout(Duration::from_mins(1), found).await.unwrap();
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> (u16, Bytes) {
        let stream = TcpStream::connect(&self.authority).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        (
            status,
            response.into_body().collect().await.unwrap().to_bytes(),
        )
    }

    fn post(&self, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
        Request::post("/mcp")
            .header("host", &self.authority)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap()
    }

    async fn rpc(&self, method: &str, params: Value) -> Value {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (status, body) = self.send(self.post(call.to_string())).await;
        assert_eq!(status, 200, "{method}");
        serde_json::from_slice(&body).unwrap()
    }

    /// Calls a tool; the value it gave, or the text of its failure.
    async fn tool(&self, name: &str, arguments: Value) -> Result<Value, String> {
        let answer = self
            .rpc("tools/call", json!({"name": name, "arguments": arguments}))
            .await;
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        if answer["result"]["isError"] == true {
            return Err(text.to_owned());
        }
        Ok(serde_json::from_str(text).unwrap())
    }
}

async fn gateway() -> Running {
    let gateway = MockGateway::new().config(Config::with_token("shared-secret"));
    gateway.serve_tcp(([127, 0, 0, 1], 0).into()).await.unwrap()
}

fn is_operator(state: &'static str) -> impl Fn(&Value) -> bool {
    move |line| line["snapshot"]["operator"]["state"] == state
}

#[tokio::test]
async fn the_tools_work_before_any_gateway_is_known() {
    let folder = TempDir::new().unwrap();
    let companion = Companion::start(folder.path(), &[]).await;
    let hello = json!({"protocolVersion": "2024-11-05", "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"}});
    let hello = companion.rpc("initialize", hello).await;
    assert_eq!(hello["result"]["protocolVersion"], "2024-11-05");
    let tools = companion.rpc("tools/list", json!({})).await;
    let names: Vec<&str> = tools["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, TOOL_NAMES);

    let status = companion.tool("app.status", json!({})).await.unwrap();
    assert_eq!(status["operatorState"], "Idle");
    let half = json!({"gatewayUrl": "ws://h"});
    let missing = companion.tool(SHARED_TOKEN, half).await;
    assert_eq!(missing, Err("Missing required arg: token".to_owned()));
    let bad = json!({"setupCode": "?"});
    let bad = companion.tool("app.connection.applySetupCode", bad).await;
    assert_eq!(bad.unwrap()["outcome"], "InvalidCode");
    let still = companion.tool("app.status", json!({})).await;
    assert!(
        still.is_ok(),
        "a tool's bad input does not end the companion"
    );
}

/// A companion that a shared token and its gateway's owner have let in.
async fn connected(folder: &Path, gateway: &Running) -> Companion {
    let mut companion = Companion::start(folder, &[]).await;
    let wish = json!({"gatewayUrl": gateway.ws_url(), "token": "shared-secret"});
    let connected = companion.tool(SHARED_TOKEN, wish).await.unwrap();
    assert_eq!(connected["outcome"], "Success");
    companion.until(is_operator("PairingRequired")).await;
    let waiting = companion.tool("app.connection.status", json!({})).await;
    assert_eq!(
        waiting.unwrap()["pendingActions"][0]["kind"],
        "operatorDevicePairing"
    );
    let approve = Control::Approve {
        request_id: "latest".to_owned(),
    };
    gateway.control(approve).await.unwrap();
    companion.until(is_operator("Connected")).await;
    companion
}

#[tokio::test]
async fn the_tools_drive_a_connection() {
    let folder = TempDir::new().unwrap();
    let gateway = gateway().await;
    let mut companion = connected(folder.path(), &gateway).await;
    let status = companion.tool("app.status", json!({})).await.unwrap();
    assert_eq!(status["connectionStatus"], "Connected");
    let scopes = status["operatorScopes"].as_array().unwrap();
    assert!(scopes.contains(&json!("operator.admin")));
    let pending = companion.tool("app.connection.pendingApprovals", json!({}));
    let pending = pending.await.unwrap();
    assert_eq!(
        (&pending["connected"], &pending["totalPending"]),
        (&json!(true), &json!(0))
    );
    let nope = json!({"id": "nope"});
    let decided = companion.tool("app.connection.approveDevicePairing", nope);
    let decided = decided.await.unwrap();
    assert_eq!(decided["decision"]["succeeded"], false);
    assert_eq!(decided["decision"]["requestId"], "nope");
    let dashboard = companion.tool("app.dashboard.url", json!({})).await;
    let dashboard = dashboard.unwrap();
    assert_eq!(dashboard["credentialSource"], "record.SharedGatewayToken");
    let url = dashboard["url"].as_str().unwrap();
    assert!(url.ends_with("#token=shared-secret"), "{url}");
    let again = companion.tool("app.connection.reconnect", json!({})).await;
    assert_eq!(again, Ok(json!({"reconnected": true})));
    companion.until(is_operator("Connected")).await;
    gateway.stop().await;
}

#[tokio::test]
async fn no_status_holds_a_token() {
    let folder = TempDir::new().unwrap();
    let gateway = gateway().await;
    let companion = connected(folder.path(), &gateway).await;
    let status = companion.tool("app.status", json!({})).await.unwrap();
    let full = companion.tool("app.connection.status", json!({})).await;
    let full = full.unwrap();
    assert_eq!(full["schemaVersion"], 1);
    assert_eq!(full["effectiveMode"], "LocalMcpOnly");
    assert_eq!(full["gateway"]["hasSharedGatewayToken"], true);
    let diagnostics = &full["diagnostics"];
    assert!(diagnostics["eventCount"].as_u64().unwrap() > 5);
    assert!(diagnostics["recentEvents"].as_array().unwrap().len() <= 12);
    let gateways = companion.tool("app.connection.gateways", json!({})).await;
    let gateways = gateways.unwrap();
    assert_eq!(gateways["gateways"].as_array().unwrap().len(), 1);
    for shown in [&status, &full, &gateways] {
        assert!(!shown.to_string().contains("shared-secret"), "{shown}");
    }
    gateway.stop().await;
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_of_the_tool() {
    let folder = TempDir::new().unwrap();
    let companion = Companion::start(folder.path(), &[]).await;
    let unknown = companion.tool("app.rm", json!({})).await;
    assert_eq!(unknown, Err("Unknown tool: app.rm".to_owned()));
}

#[tokio::test]
async fn what_the_gate_refuses_is_refused_on_the_wire() {
    let folder = TempDir::new().unwrap();
    let companion = Companion::start(folder.path(), &[]).await;
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
    let with = |name: &'static str, value: &str| {
        let mut request = companion.post(call.clone());
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    for (request, status) in [
        (companion.post(call.clone()), 200),
        (with("origin", "http://localhost"), 403),
        (with("sec-fetch-mode", "cors"), 403),
        (with("host", "evil.example"), 403),
        (with("authorization", "Bearer x"), 401),
        (with("content-type", "text/plain"), 415),
        (companion.post(vec![b' '; 4 * 1024 * 1024 + 1]), 413),
    ] {
        let headers = format!("{:?}", request.headers());
        assert_eq!(companion.send(request).await.0, status, "{headers}");
    }
    let mut probe = companion.post("");
    *probe.method_mut() = hyper::Method::GET;
    let (status, text) = companion.send(probe).await;
    assert_eq!(status, 200);
    assert!(text.starts_with(b"clawproof companion"));
}
