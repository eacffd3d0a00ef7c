//! A client for tests and benches: tokio-tungstenite and the words of the protocol, nothing of the code under test.

use futures_util::{SinkExt as _, StreamExt as _};
use gateway_protocol::{
    AuthParams, ClientInfo, ConnectParams, DeviceParams, Frame, Keypair, Request, Response,
    SignatureVersion,
};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// The shared token of every gateway in these tests.
pub(crate) const TOKEN: &str = "test-shared-token-0123456789abcdef";

/// One connection of a client.
pub(crate) struct Client<S> {
    pub(crate) socket: WebSocketStream<S>,
}

/// Opens a TCP connection and upgrades it.
pub(crate) async fn tcp(addr: std::net::SocketAddr) -> Client<TcpStream> {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    Client::upgrade(stream).await.unwrap()
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Upgrades a stream.
    pub(crate) async fn upgrade(stream: S) -> Result<Self, Error> {
        let request = "ws://127.0.0.1:18789/".into_client_request()?;
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .max_frame_size(None)
            .max_message_size(None);
        let (socket, _) =
            tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
        Ok(Self { socket })
    }

    /// The next text message; panics on anything else but control frames.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match self.socket.next().await.unwrap().unwrap() {
                Message::Text(text) => return text.as_str().to_owned(),
                Message::Ping(_) | Message::Pong(_) => {}
                other @ (Message::Binary(_) | Message::Close(_) | Message::Frame(_)) => {
                    panic!("expected text, got {other:?}")
                }
            }
        }
    }

    /// The next frame.
    pub(crate) async fn frame(&mut self) -> Frame {
        Frame::parse(&self.text().await).unwrap()
    }

    /// The next event of this name; other frames are skipped.
    pub(crate) async fn event(&mut self, name: &str) -> gateway_protocol::Event {
        loop {
            if let Frame::Event(event) = self.frame().await
                && event.event == name
            {
                return event;
            }
        }
    }

    /// The answer to a request; other frames are skipped.
    pub(crate) async fn response(&mut self, id: &str) -> Response {
        loop {
            if let Frame::Response(response) = self.frame().await
                && response.id.as_str() == id
            {
                return response;
            }
        }
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn call(&mut self, id: &str, method: &str, params: Value) -> Response {
        self.send(Frame::Request(Request::new(id, method, Some(params))).to_text())
            .await;
        self.response(id).await
    }

    /// Challenge, signed connect, hello-ok.
    pub(crate) async fn hello(&mut self, key: &Keypair) -> Value {
        let challenge = self.event("connect.challenge").await;
        self.send(connect_frame(key, &challenge.payload)).await;
        self.response("connect").await.outcome.unwrap()
    }

    /// Reads to the end; the close frame's code and reason, if there was one.
    pub(crate) async fn closed(&mut self) -> Option<(u16, String)> {
        let mut close = None;
        while let Some(message) = self.socket.next().await {
            match message {
                Ok(Message::Close(Some(frame))) => {
                    close = Some((frame.code.into(), frame.reason.as_str().to_owned()));
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        close
    }
}

/// A v3-signed operator `connect` that answers a challenge.
pub(crate) fn connect_frame(key: &Keypair, challenge: &Value) -> String {
    let nonce = challenge["nonce"].as_str().unwrap();
    let signed_at = challenge["ts"].as_i64().unwrap();
    let mut params = ConnectParams {
        min_protocol: 4,
        max_protocol: 4,
        client: ClientInfo {
            id: "cli".to_owned(),
            version: "2026.6.34".to_owned(),
            platform: "linux".to_owned(),
            mode: "cli".to_owned(),
            ..ClientInfo::default()
        },
        role: Some("operator".to_owned()),
        scopes: Some(vec![
            "operator.read".to_owned(),
            "operator.write".to_owned(),
        ]),
        auth: Some(AuthParams {
            token: Some(TOKEN.to_owned()),
            ..AuthParams::default()
        }),
        device: Some(DeviceParams {
            id: key.device_id().as_str().to_owned(),
            public_key: key.public().to_base64url(),
            signature: None,
            signed_at,
            nonce: nonce.to_owned(),
        }),
        ..ConnectParams::default()
    };
    let payload = params
        .signature_payload()
        .unwrap()
        .text(SignatureVersion::V3);
    params.device.as_mut().unwrap().signature = Some(key.sign(&payload));
    let params = serde_json::to_string(&params).unwrap();
    format!(r#"{{"type":"req","id":"connect","method":"connect","params":{params}}}"#)
}
