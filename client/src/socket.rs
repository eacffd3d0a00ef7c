//! One socket from dialling to its end, as one task.
//!
//! The driver talks to it by [`Command`]s and hears [`SocketEvent`]s. A task that is dropped drops its
//! stream: the gateway sees an end without a close frame, as when the companion retires a client.
//!
//! ref: client-behaviour.md §7

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use client_core::SocketId;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, coding::CloseCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::connector::Connector;
use crate::upgrade::{self, UpgradeError};

/// Initial capacity of the read and the write buffer of a socket, in bytes. The codec's defaults cost
/// 250 KiB per connection. ref: performance-anchors.md §1b
const BUFFER: usize = 4 * 1024;

/// How long a socket lingers after its close frame went out, for the peer's answer.
pub(crate) const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// What every socket of a client has in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Longest accepted text message in UTF-16 code units; a longer one ends the socket with 1009.
    /// ref: client-behaviour.md §7
    pub max_message_utf16: usize,
    /// Time between WebSocket pings; `None` sends none. No pong is ever missed.
    pub keepalive: Option<Duration>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            max_message_utf16: 32 * 1024 * 1024,
            keepalive: Some(Duration::from_secs(30)),
        }
    }
}

/// Where one socket goes.
pub(crate) struct Plan {
    pub(crate) id: SocketId,
    pub(crate) url: String,
    pub(crate) origin: String,
    pub(crate) basic: Option<String>,
    pub(crate) options: SocketOptions,
}

/// What the driver tells a socket.
pub(crate) enum Command {
    Send(Message),
    Close { code: u16, reason: String },
}

/// What a socket tells the driver.
#[derive(Debug, PartialEq)]
pub(crate) enum SocketEvent {
    Opened,
    OpenFailed(String),
    Text(String),
    Binary(Vec<u8>),
    /// The last event of an opened socket. The code is `None` when no close frame was seen.
    Closed {
        code: Option<u16>,
        reason: String,
    },
}

/// A socket's way to the driver.
pub(crate) type EventSender = mpsc::Sender<(SocketId, SocketEvent)>;

/// Runs one socket to its end. A full event queue stops reading, so the peer feels it.
pub(crate) async fn run<C: Connector>(
    connector: Arc<C>,
    plan: Plan,
    mut commands: mpsc::Receiver<Command>,
    events: EventSender,
) {
    let id = plan.id;
    // In a box that is gone when the socket is open: the handshake's state is four fifths of this task's.
    let stream = match Box::pin(open(&*connector, &plan)).await {
        Ok(stream) => stream,
        Err(error) => {
            tell(&events, id, SocketEvent::OpenFailed(error.to_string())).await;
            return;
        }
    };
    tell(&events, id, SocketEvent::Opened).await;
    let (mut sink, mut source) = stream.split();
    let end = tokio::select! {
        biased;
        end = read(&mut source, &events, &plan) => end,
        end = write(&mut sink, &mut commands, plan.options.keepalive) => end,
    };
    tell(
        &events,
        id,
        SocketEvent::Closed {
            code: end.code,
            reason: end.reason,
        },
    )
    .await;
    // The farewell is a courtesy to a peer that may be gone: neither its failure nor its delay matters.
    let farewell = async {
        match end.farewell {
            Farewell::None => Ok(()),
            Farewell::Echo => sink.flush().await,
            Farewell::Say(frame) => sink.send(Message::Close(Some(frame))).await,
        }
    };
    drop(timeout(CLOSE_WAIT, farewell).await);
}

async fn tell(events: &EventSender, id: SocketId, event: SocketEvent) {
    // A driver that is gone wants no news.
    drop(events.send((id, event)).await);
}

/// Why an open socket came to its end.
struct End {
    code: Option<u16>,
    reason: String,
    farewell: Farewell,
}

/// What is still to be said when a socket has come to its end.
enum Farewell {
    None,
    /// The peer's close frame back; the codec has it ready.
    Echo,
    Say(CloseFrame),
}

impl End {
    fn silent(code: Option<u16>, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            farewell: Farewell::None,
        }
    }

    fn refusing(code: u16, reason: &'static str) -> Self {
        Self {
            code: Some(code),
            reason: reason.to_owned(),
            farewell: Farewell::Say(close_frame(code, reason.to_owned())),
        }
    }
}

/// Why no socket was opened. The core classifies the text, so it holds no host or path (one named `ssh-box`
/// would read as a tunnel) and never says "handshake", which reads as TLS. ref: client-behaviour.md §11.3
#[derive(Debug, thiserror::Error)]
enum OpenError {
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    #[error("connect: {0}")]
    Connect(std::io::Error),
    #[error("upgrade: expected status 101, got {0}")]
    Status(u16),
    #[error("upgrade: connection closed before an answer")]
    ClosedEarly,
    #[error("upgrade: network error: {0}")]
    Io(std::io::Error),
    #[error("upgrade: the answer is no WebSocket upgrade")]
    NotAnUpgrade,
}

async fn open<C: Connector>(
    connector: &C,
    plan: &Plan,
) -> Result<WebSocketStream<C::Stream>, OpenError> {
    let request = upgrade::request(&plan.url, &plan.origin, plan.basic.as_deref())?;
    let stream = connector
        .connect(&plan.url)
        .await
        .map_err(OpenError::Connect)?;
    // A UTF-16 unit is at most three bytes of UTF-8; the exact count is taken when the message is whole.
    let max_bytes = plan.options.max_message_utf16.saturating_mul(3);
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(max_bytes))
        .max_frame_size(Some(max_bytes));
    match tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await {
        Ok((stream, _response)) => Ok(stream),
        Err(error) => Err(open_error(error)),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the codec's error enum has cfg-dependent variants"
)]
fn open_error(error: Error) -> OpenError {
    match error {
        Error::Http(response) => OpenError::Status(response.status().as_u16()),
        Error::Io(source) => OpenError::Io(source),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(
            ProtocolError::HandshakeIncomplete | ProtocolError::ResetWithoutClosingHandshake,
        ) => OpenError::ClosedEarly,
        _ => OpenError::NotAnUpgrade,
    }
}

async fn read<S>(
    source: &mut SplitStream<WebSocketStream<S>>,
    events: &EventSender,
    plan: &Plan,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let event = match source.next().await {
            None => return End::silent(None, "connection closed"),
            Some(Err(error)) => return read_error(&error),
            Some(Ok(Message::Text(text))) => {
                let text = text.as_str().to_owned();
                if is_longer_than(&text, plan.options.max_message_utf16) {
                    return End::refusing(1009, TOO_LARGE);
                }
                SocketEvent::Text(text)
            }
            Some(Ok(Message::Binary(bytes))) => SocketEvent::Binary(bytes.to_vec()),
            Some(Ok(Message::Close(frame))) => {
                let (code, reason) = match frame {
                    Some(frame) => (
                        Some(u16::from(frame.code)),
                        frame.reason.as_str().to_owned(),
                    ),
                    None => (Some(1005), String::new()),
                };
                return End {
                    code,
                    reason,
                    farewell: Farewell::Echo,
                };
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
        };
        tell(events, plan.id, event).await;
    }
}

const TOO_LARGE: &str = "message too large";

/// Counts only when the bytes could be too many.
fn is_longer_than(text: &str, max_utf16: usize) -> bool {
    text.len() > max_utf16 && text.encode_utf16().count() > max_utf16
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the codec's error enum has cfg-dependent variants"
)]
fn read_error(error: &Error) -> End {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => End::refusing(1009, TOO_LARGE),
        Error::Utf8(_) => End::refusing(1007, "text is not UTF-8"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            End::silent(None, "connection closed without a close frame")
        }
        Error::ConnectionClosed | Error::AlreadyClosed => End::silent(None, "connection closed"),
        Error::Io(error) => End::silent(None, format!("network error: {error}")),
        _ => End::refusing(1002, "protocol error"),
    }
}

async fn write<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    commands: &mut mpsc::Receiver<Command>,
    keepalive: Option<Duration>,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut ticks = keepalive.map(|every| interval_at(Instant::now() + every, every));
    loop {
        let ping = async {
            match &mut ticks {
                Some(ticks) => ticks.tick().await,
                None => std::future::pending().await,
            }
        };
        let command = tokio::select! {
            biased;
            command = commands.recv() => command,
            _ = ping => Some(Command::Send(Message::Ping(Bytes::new()))),
        };
        let sent = match command {
            Some(Command::Send(message)) => send_all(sink, message, commands).await,
            Some(Command::Close { code, reason }) => return close(sink, code, reason).await,
            // The driver dropped its end without an abort: there is nothing left to say.
            None => return End::silent(None, "client stopped"),
        };
        match sent {
            Ok(None) => {}
            Ok(Some((code, reason))) => return close(sink, code, reason).await,
            Err(error) => return read_error(&error),
        }
    }
}

/// Sends a message and all that wait behind it with one flush. Returns a close that came up.
async fn send_all<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    first: Message,
    commands: &mut mpsc::Receiver<Command>,
) -> Result<Option<(u16, String)>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    sink.feed(first).await?;
    let mut close = None;
    while let Ok(command) = commands.try_recv() {
        match command {
            Command::Send(message) => sink.feed(message).await?,
            Command::Close { code, reason } => {
                close = Some((code, reason));
                break;
            }
        }
    }
    sink.flush().await?;
    Ok(close)
}

/// Says goodbye and leaves the reader [`CLOSE_WAIT`] to hear the answer, which then ends the socket.
async fn close<S>(
    sink: &mut SplitSink<WebSocketStream<S>, Message>,
    code: u16,
    reason: String,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let frame = close_frame(code, reason.clone());
    match timeout(CLOSE_WAIT, sink.send(Message::Close(Some(frame)))).await {
        Ok(Ok(())) => sleep(CLOSE_WAIT).await,
        Ok(Err(error)) => return read_error(&error),
        Err(_elapsed) => {}
    }
    End::silent(Some(code), reason)
}

fn close_frame(code: u16, reason: String) -> CloseFrame {
    CloseFrame {
        code: CloseCode::from(code),
        reason: reason.into(),
    }
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
