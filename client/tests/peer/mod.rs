//! A gateway of a few lines: it says what the test tells it to, over a pipe, in virtual time.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic"
)]

use std::io;
use std::time::Duration;

use client_core::{ClientOptions, DurableState, GatewayRecord, NodeSurface};
use futures_util::{SinkExt as _, StreamExt as _};
use gateway_client::Connector;
use gateway_protocol::SharedToken;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

/// Dials the test itself. A test that is gone refuses the connection.
pub(crate) struct Net(mpsc::Sender<DuplexStream>);

/// Where the dialled streams arrive.
pub(crate) struct Listener(mpsc::Receiver<DuplexStream>);

pub(crate) fn net() -> (Net, Listener) {
    let (dialed, listener) = mpsc::channel(64);
    (Net(dialed), Listener(listener))
}

impl Connector for Net {
    type Stream = DuplexStream;

    async fn connect(&self, _url: &str) -> io::Result<DuplexStream> {
        let (near, far) = duplex(16 * 1024);
        self.0
            .send(far)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(near)
    }
}

impl Listener {
    /// The next connection, upgraded. Virtual time passes as it must, an hour at most.
    pub(crate) async fn accept(&mut self) -> Connection {
        let stream = timeout(Duration::from_hours(1), self.0.recv())
            .await
            .expect("a connection")
            .unwrap();
        Connection::over(stream).await
    }

    /// Whether somebody dials within the time.
    pub(crate) async fn is_dialed_within(&mut self, time: Duration) -> bool {
        timeout(time, self.0.recv()).await.is_ok()
    }
}

/// One connection at the gateway's end.
pub(crate) struct Connection<S = DuplexStream>(WebSocketStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Upgrades a stream that somebody dialled.
    pub(crate) async fn over(stream: S) -> Self {
        Self(tokio_tungstenite::accept_async(stream).await.unwrap())
    }

    pub(crate) async fn say(&mut self, frame: Value) {
        self.0.send(Message::text(frame.to_string())).await.unwrap();
    }

    pub(crate) async fn event(&mut self, name: &str, payload: Value) {
        self.say(json!({"type": "event", "event": name, "payload": payload}))
            .await;
    }

    pub(crate) async fn close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame {
            code: code.into(),
            reason: reason.into(),
        };
        self.0.close(Some(frame)).await.unwrap();
    }

    /// The next message; `None` when the stream ends, with or without a close frame.
    pub(crate) async fn message(&mut self) -> Option<Result<Message, Error>> {
        timeout(Duration::from_hours(1), self.0.next())
            .await
            .expect("a message or an end")
    }

    /// The next frame; pings are passed over.
    pub(crate) async fn frame(&mut self) -> Value {
        loop {
            match self.message().await.expect("a frame").unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                    panic!("{other:?}")
                }
            }
        }
    }

    /// The next request of a method; others are answered "unknown method".
    pub(crate) async fn request(&mut self, method: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["method"] == method {
                return frame;
            }
            self.refuse(
                &frame["id"],
                json!({"code": "INVALID_REQUEST", "message": "unknown method"}),
            )
            .await;
        }
    }

    pub(crate) async fn answer(&mut self, id: &Value, payload: Value) {
        self.say(json!({"type": "res", "id": id, "ok": true, "payload": payload}))
            .await;
    }

    pub(crate) async fn refuse(&mut self, id: &Value, error: Value) {
        self.say(json!({"type": "res", "id": id, "ok": false, "error": error}))
            .await;
    }

    /// Challenges and gives back the connect request.
    pub(crate) async fn challenge(&mut self) -> Value {
        self.event(
            "connect.challenge",
            json!({"nonce": "n0nce", "ts": 1_767_225_600_000_i64}),
        )
        .await;
        self.request("connect").await
    }

    /// The whole handshake: the role gets a token of its own.
    pub(crate) async fn admit(&mut self) -> Value {
        let connect = self.challenge().await;
        let role = connect["params"]["role"].as_str().unwrap();
        let scopes = &connect["params"]["scopes"];
        let hello = json!({
            "type": "hello-ok", "protocol": 4, "server": {"version": "t", "connId": "c"},
            "features": {"methods": [], "events": []}, "snapshot": {"presence": []},
            "auth": {"role": role, "scopes": scopes, "deviceToken": format!("{role}-token")},
            "policy": {"maxPayload": 26_214_400, "maxBufferedBytes": 1, "tickIntervalMs": 30_000},
        });
        self.answer(&connect["id"], hello).await;
        connect
    }
}

/// A state that knows one gateway and its shared token.
pub(crate) fn known_gateway() -> DurableState {
    let mut record = GatewayRecord::new("g", "ws://127.0.0.1:18789");
    record.shared_gateway_token = Some(SharedToken::new("shared"));
    let mut state = DurableState::default();
    state.registry.upsert(record);
    state.registry.active_id = Some("g".to_owned());
    state
}

/// A client with the node commands given; it declares itself alive when nothing is heard.
pub(crate) fn options(commands: &[&str]) -> ClientOptions {
    ClientOptions {
        node_enabled: !commands.is_empty(),
        node: NodeSurface {
            caps: vec!["system".to_owned()],
            commands: commands.iter().map(|&name| name.to_owned()).collect(),
            ..NodeSurface::default()
        },
        builtin_commands: false,
        watch_ticks: Some(false),
        ..ClientOptions::default()
    }
}
