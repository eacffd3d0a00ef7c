//! The owner's connection to a gateway: a backend client with every scope and no device.
//!
//! The gateway lets such a client in with the shared token alone when it comes from the same machine,
//! and keeps no record of it. ref: gateway-behaviour.md §4.3

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use gateway_protocol::{ErrorShape, Frame, Request};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::{self, Message};

/// An answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(30);

/// When it does not say when to come back. ref: gateway-behaviour.md §8
const RETRY_MS: u64 = 500;

/// Every scope that the owner may need. ref: gateway-behaviour.md §2.2
const SCOPES: [&str; 5] = [
    "operator.admin",
    "operator.read",
    "operator.write",
    "operator.approvals",
    "operator.pairing",
];

/// Why the owner was not served.
#[derive(Debug, Error)]
pub enum AdminError {
    /// The port does not answer.
    #[error("could not connect to the gateway")]
    Connect(#[source] std::io::Error),
    /// The WebSocket failed.
    #[error("the owner's connection broke")]
    Socket(#[source] Box<tungstenite::Error>),
    /// Nothing came for too long, or the connection ended.
    #[error("the gateway did not answer {what}")]
    NoAnswer {
        /// What was asked.
        what: String,
    },
    /// The gateway said no.
    #[error("{method}: {}", .error.message)]
    Refused {
        /// What was asked.
        method: String,
        /// What it said.
        error: ErrorShape,
    },
}

/// The owner's connection. Ends when it is dropped.
#[derive(Debug)]
pub struct Admin {
    socket: WebSocketStream<TcpStream>,
    requests: u64,
    /// What the gateway said in hello-ok.
    hello: Value,
}

impl Admin {
    /// Connects as the owner of the gateway on this port of this machine.
    ///
    /// # Errors
    /// When the gateway does not answer or says no.
    pub async fn connect(port: u16, token: &str) -> Result<Self, AdminError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect(address)
            .await
            .map_err(AdminError::Connect)?;
        let url = format!("ws://{address}/");
        let opening = timeout(PATIENCE, tokio_tungstenite::client_async(url, stream));
        let (socket, _response) = opening
            .await
            .map_err(|_late| no_answer("the upgrade"))?
            .map_err(|error| AdminError::Socket(Box::new(error)))?;
        let mut admin = Self {
            socket,
            requests: 0,
            hello: Value::Null,
        };
        let params = json!({
            "minProtocol": 4,
            "maxProtocol": 4,
            "client": {
                "id": "gateway-client",
                "version": env!("CARGO_PKG_VERSION"),
                "platform": std::env::consts::OS,
                "mode": "backend",
            },
            "role": "operator",
            "scopes": SCOPES,
            "auth": { "token": token },
        });
        admin.hello = admin.request("connect", params).await?;
        Ok(admin)
    }

    /// What the gateway said of itself.
    pub const fn hello(&self) -> &Value {
        &self.hello
    }

    /// Connects as soon as the gateway lets clients in: while it starts, it says when to come back.
    ///
    /// # Errors
    /// As [`Self::connect`], for every other reason.
    pub async fn connect_when_started(port: u16, token: &str) -> Result<Self, AdminError> {
        loop {
            match Self::connect(port, token).await {
                Err(AdminError::Refused { error, .. }) if error.retryable == Some(true) => {
                    let wait = error.retry_after_ms.unwrap_or(RETRY_MS);
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
                ended => return ended,
            }
        }
    }

    /// Asks and waits for the answer; events are passed over.
    ///
    /// # Errors
    /// When the gateway says no, or nothing at all.
    pub async fn request(&mut self, method: &str, params: Value) -> Result<Value, AdminError> {
        self.requests += 1;
        let id = format!("owner-{}", self.requests);
        let frame = Frame::Request(Request::new(id.clone(), method, Some(params)));
        self.socket
            .send(Message::text(frame.to_text()))
            .await
            .map_err(|error| AdminError::Socket(Box::new(error)))?;
        match timeout(PATIENCE, self.answer(&id)).await {
            Ok(answer) => {
                answer?
                    .ok_or_else(|| no_answer(method))?
                    .map_err(|error| AdminError::Refused {
                        method: method.to_owned(),
                        error,
                    })
            }
            Err(_late) => Err(no_answer(method)),
        }
    }

    /// The answer to one request; none when the connection ended before.
    async fn answer(&mut self, id: &str) -> Result<Option<Result<Value, ErrorShape>>, AdminError> {
        while let Some(message) = self.socket.next().await {
            let message = message.map_err(|error| AdminError::Socket(Box::new(error)))?;
            let Message::Text(text) = message else {
                continue;
            };
            if let Ok(Frame::Response(response)) = Frame::parse(text.as_str())
                && response.id.as_str() == id
            {
                return Ok(Some(response.outcome));
            }
        }
        Ok(None)
    }
}

fn no_answer(what: &str) -> AdminError {
    AdminError::NoAnswer {
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use mock_gateway::MockGateway;
    use serde_json::json;

    use super::*;

    /// The owner's connection is the same for the mock, so it can be tried without the real gateway.
    #[tokio::test]
    async fn the_owner_is_let_in_and_answered() {
        let mut config = gateway_core::Config::default();
        config.auth.token = Some(gateway_protocol::SharedToken::new("owner-token"));
        let gateway = MockGateway::new()
            .config(config)
            .serve_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .await
            .unwrap();
        let port = gateway.addr().port();
        let mut owner = Admin::connect(port, "owner-token").await.unwrap();
        assert_eq!(owner.hello()["type"], "hello-ok");
        let list = owner.request("device.pair.list", json!({})).await.unwrap();
        assert_eq!(list["pending"], json!([]));
        let refused = owner
            .request("device.pair.approve", json!({ "requestId": "nobody" }))
            .await
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "device.pair.approve: unknown requestId"
        );
        assert!(matches!(
            Admin::connect(port, "wrong").await,
            Err(AdminError::Refused { .. })
        ));
        gateway.stop().await;
    }
}
