//! A bare WebSocket that the script drives: every frame comes from a step, nothing is said by itself
//! except what the codec answers (pongs and the echo of a close).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};

use super::bell::Bell;

/// Messages that may wait for a raw connection; a script that sends more at once waits for room.
const QUEUE: usize = 64;

/// A farewell that takes longer is not waited for. As long as the companion waits.
const CLOSE_WAIT: Duration = Duration::from_secs(5);

/// Larger than every limit under test, so that the gateway's limit is what a script meets.
const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// What a script sends.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RawMessage {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// An empty ping.
    Ping,
    /// A close frame; the connection then waits for the answer.
    Close {
        /// Code.
        code: u16,
        /// Reason.
        reason: String,
    },
}

/// How far a raw connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Before the end of the upgrade.
    Opening,
    /// Messages can be sent.
    Open,
    /// Over, or never opened.
    Ended,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    nonce: Option<String>,
}

/// The script's end of one raw connection.
#[derive(Debug)]
pub(crate) struct RawConnection {
    commands: mpsc::Sender<RawMessage>,
    state: Arc<Mutex<State>>,
}

impl RawConnection {
    /// Starts the upgrade over a stream that `connect` opens; `origin` becomes the header of that name.
    pub(crate) fn open<S, F>(
        tasks: &mut JoinSet<()>,
        connect: F,
        url: &str,
        origin: Option<String>,
        bell: Bell,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Future<Output = std::io::Result<S>> + Send + 'static,
    {
        let (commands, receiver) = mpsc::channel(QUEUE);
        let state = Arc::new(Mutex::new(State {
            phase: Phase::Opening,
            nonce: None,
        }));
        let shared = Shared {
            state: Arc::clone(&state),
            bell,
        };
        let url = url.to_owned();
        tasks.spawn(async move {
            let opened = upgrade(connect, &url, origin).await;
            if let Some(stream) = opened {
                shared.become_phase(Phase::Open);
                talk(stream, receiver, &shared).await;
            }
            shared.become_phase(Phase::Ended);
        });
        Self { commands, state }
    }

    /// How far it is.
    pub(crate) fn phase(&self) -> Phase {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .phase
            .clone()
    }

    /// Nonce of the newest challenge it has read.
    pub(crate) fn nonce(&self) -> Option<String> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .nonce
            .clone()
    }

    /// Sends; false when the connection is over.
    pub(crate) async fn send(&self, message: RawMessage) -> bool {
        self.commands.send(message).await.is_ok()
    }
}

struct Shared {
    state: Arc<Mutex<State>>,
    bell: Bell,
}

impl Shared {
    fn become_phase(&self, phase: Phase) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .phase = phase;
        self.bell.ring();
    }

    fn heard(&self, text: &str) {
        if let Some(nonce) = challenge_nonce(text) {
            self.state
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .nonce = Some(nonce);
            self.bell.ring();
        }
    }
}

/// The nonce of a `connect.challenge` event.
pub(crate) fn challenge_nonce(text: &str) -> Option<String> {
    // Most messages are no challenge, and parsing a large one twice would be noticed; hello-ok names the event, too.
    if !text.contains("connect.challenge") || !text.contains("\"nonce\"") {
        return None;
    }
    let event: NonceEvent = serde_json::from_str(text).ok()?;
    (event.event == "connect.challenge").then_some(event.payload.nonce)
}

/// An event whose payload has a nonce; the rest of it is not kept.
#[derive(serde::Deserialize)]
struct NonceEvent {
    event: String,
    payload: NoncePayload,
}

#[derive(serde::Deserialize)]
struct NoncePayload {
    nonce: String,
}

async fn upgrade<S, F>(connect: F, url: &str, origin: Option<String>) -> Option<WebSocketStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = std::io::Result<S>>,
{
    let mut request = url.into_client_request().ok()?;
    if let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(&origin).ok()) {
        request.headers_mut().insert(header::ORIGIN, origin);
    }
    let config = WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(4096)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let stream = connect.await.ok()?;
    match tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await {
        Ok((stream, _response)) => Some(stream),
        Err(error) => {
            tracing::debug!(%error, "raw connection was not upgraded");
            None
        }
    }
}

async fn talk<S>(
    mut stream: WebSocketStream<S>,
    mut commands: mpsc::Receiver<RawMessage>,
    shared: &Shared,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        tokio::select! {
            biased;
            message = stream.next() => match message {
                Some(Ok(Message::Text(text))) => shared.heard(text.as_str()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            command = commands.recv() => {
                let Some(command) = command else { return };
                let closing = matches!(command, RawMessage::Close { .. });
                if stream.send(message_of(command)).await.is_err() {
                    return;
                }
                if closing {
                    return farewell(stream).await;
                }
            }
        }
    }
}

/// Reads on until the gateway has answered the close, or for long enough.
async fn farewell<S: AsyncRead + AsyncWrite + Unpin>(mut stream: WebSocketStream<S>) {
    let drained = async { while let Some(Ok(_)) = stream.next().await {} };
    if tokio::time::timeout(CLOSE_WAIT, drained).await.is_err() {
        tracing::debug!("the gateway did not answer a close");
    }
}

fn message_of(message: RawMessage) -> Message {
    match message {
        RawMessage::Text(text) => Message::text(text),
        RawMessage::Binary(bytes) => Message::binary(bytes),
        RawMessage::Ping => Message::Ping(bytes::Bytes::new()),
        RawMessage::Close { code, reason } => Message::Close(Some(CloseFrame {
            code: code.into(),
            reason: reason.into(),
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_challenge_has_a_nonce() {
        let challenge =
            r#"{"type":"event","event":"connect.challenge","payload":{"nonce":"n","ts":1}}"#;
        assert_eq!(challenge_nonce(challenge).as_deref(), Some("n"));
        assert_eq!(
            challenge_nonce(r#"{"event":"tick","payload":{"nonce":"connect.challenge"}}"#),
            None
        );
        assert_eq!(challenge_nonce("connect.challenge"), None);
    }
}
