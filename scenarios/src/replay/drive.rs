//! The player on sockets. Bodies only: every decision is [`Player`]'s.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use gateway_protocol::UnixMillis;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message as WsMessage};
use transcript::CloseInfo;

use super::outcome::Outcome;
use super::player::{Message, Player, Turn};

/// Messages that may wait in either direction of a socket.
const QUEUE: usize = 1_024;

/// Recorded headers that decide where a client counts as being.
const AGAIN: [&str; 6] = [
    "x-forwarded-for",
    "x-real-ip",
    "x-forwarded-proto",
    "x-forwarded-host",
    "forwarded",
    "user-agent",
];

/// When things are said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As soon as it is our turn.
    Dropped,
    /// Not before so many times the recorded time; 1 keeps it.
    Scaled(f64),
}

/// How a replay is driven.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drive {
    /// When things are said.
    pub pace: Pace,
    /// How long the other half may take for one message.
    pub patience: Duration,
    /// What the wall clock reads at the beginning.
    pub epoch: UnixMillis,
}

/// A byte stream of whichever kind.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Plays the client half against the gateway at `url`; `dial` gives a stream to it, told what is known of the
/// recorded opening. Headers that were recorded are sent again, and `origin` in every opening.
pub async fn as_client<S, D, F>(
    player: Player,
    url: &str,
    origin: Option<&str>,
    mut dial: D,
    drive: Drive,
) -> Outcome
where
    S: Stream,
    D: FnMut(&Value) -> F,
    F: Future<Output = io::Result<S>>,
{
    let mut stage = Stage::new(player, drive);
    while let Some(known) = stage.until_open().await {
        let opened = match dial(&known).await {
            Ok(stream) => upgrade(stream, url, origin, &known).await,
            Err(error) => Err(error.to_string()),
        };
        stage.opened(opened);
    }
    stage.player.finish()
}

/// Plays the gateway half for whoever comes.
pub async fn as_server<S: Stream>(
    player: Player,
    mut incoming: mpsc::Receiver<S>,
    drive: Drive,
) -> Outcome {
    let mut stage = Stage::new(player, drive);
    while let Some(_known) = stage.until_open().await {
        let opened = match timeout(drive.patience, incoming.recv()).await {
            Ok(Some(stream)) => {
                match timeout(drive.patience, tokio_tungstenite::accept_async(stream)).await {
                    Ok(accepted) => accepted.map_err(told),
                    Err(_) => Err(format!(
                        "the client did not ask for an upgrade within {:?}",
                        drive.patience
                    )),
                }
            }
            Ok(None) | Err(_) => Err(format!("no client came within {:?}", drive.patience)),
        };
        stage.opened(opened);
    }
    stage.player.finish()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the form that map_err asks for"
)]
fn told(error: tungstenite::Error) -> String {
    error.to_string()
}

async fn upgrade<S: Stream>(
    stream: S,
    url: &str,
    origin: Option<&str>,
    known: &Value,
) -> Result<WebSocketStream<S>, String> {
    let mut request = url.into_client_request().map_err(told)?;
    let origin = origin.or_else(|| known.get("origin")?.as_str());
    if let Some(origin) = origin.and_then(|origin| HeaderValue::from_str(origin).ok()) {
        request.headers_mut().insert(header::ORIGIN, origin);
    }
    for (name, value) in known
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let name = name.to_ascii_lowercase();
        // What belongs to this connection alone is made anew.
        if !AGAIN.contains(&name.as_str()) {
            continue;
        }
        let value = value
            .as_str()
            .and_then(|value| HeaderValue::from_str(value).ok());
        if let (Ok(name), Some(value)) = (HeaderName::from_bytes(name.as_bytes()), value) {
            request.headers_mut().insert(name, value);
        }
    }
    let upgraded = tokio_tungstenite::client_async(request, stream).await;
    upgraded.map(|(socket, _response)| socket).map_err(told)
}

/// The player with its open sockets.
struct Stage {
    player: Player,
    drive: Drive,
    began: Instant,
    /// Where the recording's clock was at its first message.
    first_us: Option<u64>,
    heard: mpsc::Receiver<(usize, Message)>,
    hearing: mpsc::Sender<(usize, Message)>,
    saying: BTreeMap<usize, mpsc::Sender<Message>>,
    /// One task a socket; they end with the stage.
    tasks: JoinSet<()>,
}

impl Stage {
    fn new(player: Player, drive: Drive) -> Self {
        let (hearing, heard) = mpsc::channel(QUEUE);
        Self {
            player,
            drive,
            began: Instant::now(),
            first_us: None,
            heard,
            hearing,
            saying: BTreeMap::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Plays until a connection must be opened; `None` at the end of the script.
    async fn until_open(&mut self) -> Option<Value> {
        loop {
            let now = self.drive.epoch.plus(self.began.elapsed());
            self.player.at(now.0);
            match self.player.turn() {
                Turn::Open(known) => return Some(known),
                Turn::Say {
                    socket,
                    message,
                    t_us,
                } => {
                    self.wait(t_us).await;
                    if let Some(saying) = self.saying.get(&socket) {
                        // The task of a socket that ended is gone; that it ended is heard.
                        let _gone = saying.send(message).await;
                    }
                }
                Turn::Hear => {
                    let heard = timeout(self.drive.patience, self.heard.recv()).await;
                    if let Ok(Some((socket, message))) = heard {
                        self.player.heard(socket, message);
                    } else {
                        let why = format!("nothing came within {:?}", self.drive.patience);
                        self.player.nothing_came(&why);
                    }
                }
                Turn::Finished => {
                    while let Ok((socket, message)) = self.heard.try_recv() {
                        self.player.heard(socket, message);
                    }
                    return None;
                }
            }
        }
    }

    fn opened<S: Stream>(&mut self, opened: Result<WebSocketStream<S>, String>) {
        match opened {
            Ok(stream) => {
                if let Some(socket) = self.player.opened(None) {
                    let (saying, said) = mpsc::channel(QUEUE);
                    self.saying.insert(socket, saying);
                    self.tasks
                        .spawn(talk(socket, stream, said, self.hearing.clone()));
                }
            }
            Err(failure) => {
                self.player.opened(Some(failure));
            }
        }
    }

    async fn wait(&mut self, t_us: u64) {
        let first = *self.first_us.get_or_insert(t_us);
        if let Pace::Scaled(factor) = self.drive.pace {
            let recorded = Duration::from_micros(t_us.saturating_sub(first));
            sleep_until(self.began + recorded.mul_f64(factor)).await;
        }
    }
}

/// One socket, until either side ends it.
async fn talk<S: Stream>(
    socket: usize,
    mut stream: WebSocketStream<S>,
    mut said: mpsc::Receiver<Message>,
    hearing: mpsc::Sender<(usize, Message)>,
) {
    loop {
        tokio::select! {
            biased;
            came = stream.next() => {
                let message = match came {
                    Some(Ok(WsMessage::Text(text))) => message_of(text.as_bytes()),
                    Some(Ok(WsMessage::Binary(bytes))) => message_of(&bytes),
                    Some(Ok(WsMessage::Close(close))) => Message::Closed(close.map(|close| CloseInfo {
                        code: Some(close.code.into()),
                        reason: close.reason.as_str().to_owned(),
                    })),
                    Some(Ok(_)) => continue,
                    Some(Err(_)) | None => {
                        // Nobody waits for it when the replay is over.
                        let _over = hearing.send((socket, Message::Closed(None))).await;
                        return;
                    }
                };
                if hearing.send((socket, message)).await.is_err() {
                    return;
                }
            }
            say = said.recv() => {
                let message = match say {
                    Some(Message::Frame(frame)) => WsMessage::text(frame.to_string()),
                    Some(Message::Raw(bytes)) => match String::from_utf8(bytes) {
                        Ok(text) => WsMessage::text(text),
                        Err(error) => WsMessage::binary(error.into_bytes()),
                    },
                    Some(Message::Closed(Some(close))) => WsMessage::Close(close.code.map(|code| CloseFrame {
                        code: code.into(),
                        reason: close.reason.into(),
                    })),
                    Some(Message::Closed(None)) | None => return,
                };
                if stream.send(message).await.is_err() {
                    let _over = hearing.send((socket, Message::Closed(None))).await;
                    return;
                }
            }
        }
    }
}

fn message_of(bytes: &[u8]) -> Message {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(frame) if frame.is_object() => Message::Frame(frame),
        Ok(_) | Err(_) => Message::Raw(bytes.to_vec()),
    }
}
