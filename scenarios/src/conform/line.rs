//! One connection of a flow: what was heard on it, in order, and a way to say anything.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::sync::{Mutex as AsyncMutex, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::ws::{self, Incoming, Stream};

/// What a connection has said so far.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    entries: Mutex<Vec<Value>>,
    ended: std::sync::atomic::AtomicBool,
}

impl Heard {
    fn push(&self, entry: Value) {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(entry);
    }

    pub(crate) fn entries(&self) -> Vec<Value> {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// The first entry for which `wanted` gives something.
    pub(crate) fn find<T>(&self, wanted: impl FnMut((usize, &Value)) -> Option<T>) -> Option<T> {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .enumerate()
            .find_map(wanted)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(std::sync::atomic::Ordering::Acquire)
    }
}

/// Tells the player that something arrived, on whichever connection.
pub(crate) type Bell = Arc<watch::Sender<u64>>;

/// One connection.
pub(crate) struct Line {
    pub(crate) heard: Arc<Heard>,
    pub(crate) ids: u64,
    writer: Option<Arc<AsyncMutex<WriteHalf<Stream>>>>,
    reader: Option<AbortHandle>,
    bell: Bell,
}

impl Line {
    /// A connection on which only `entry` was ever heard.
    pub(crate) fn silent(bell: &Bell) -> Self {
        let heard = Arc::new(Heard::default());
        heard
            .ended
            .store(true, std::sync::atomic::Ordering::Release);
        Self {
            heard,
            ids: 0,
            writer: None,
            reader: None,
            bell: Arc::clone(bell),
        }
    }

    /// An upgraded stream; `rest` came with the upgrade.
    pub(crate) fn upgraded(
        stream: Stream,
        rest: Vec<u8>,
        tasks: &mut JoinSet<()>,
        bell: &Bell,
    ) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let heard = Arc::new(Heard::default());
        let writer = Arc::new(AsyncMutex::new(writer));
        let reader = tasks.spawn(listen(
            reader,
            rest,
            Arc::clone(&heard),
            Arc::clone(&writer),
            Arc::clone(bell),
        ));
        Self {
            heard,
            ids: 0,
            writer: Some(writer),
            reader: Some(reader),
            bell: Arc::clone(bell),
        }
    }

    /// Puts something into the record that is no frame.
    pub(crate) fn note(&self, entry: Value) {
        self.heard.push(entry);
        ring(&self.bell);
    }

    /// Writes bytes. What goes wrong shows in what is heard.
    pub(crate) async fn write(&self, bytes: &[u8]) {
        if let Some(writer) = &self.writer
            && let Err(error) = ws::send(&mut *writer.lock().await, bytes).await
        {
            tracing::debug!(%error, "the gateway does not read");
        }
    }

    /// A text message.
    pub(crate) async fn text(&self, text: &str) {
        self.write(&ws::frame(0x81, true, text.as_bytes())).await;
    }

    /// Ends the connection without a word.
    pub(crate) fn hang_up(&mut self) {
        self.writer = None;
        if let Some(reader) = self.reader.take() {
            reader.abort();
        }
    }
}

fn ring(bell: &Bell) {
    bell.send_modify(|count| *count += 1);
}

/// Reads frames until the stream ends. Answers pings and closes as every client does.
async fn listen(
    mut reader: ReadHalf<Stream>,
    mut rest: Vec<u8>,
    heard: Arc<Heard>,
    writer: Arc<AsyncMutex<WriteHalf<Stream>>>,
    bell: Bell,
) {
    let mut closed = false;
    let mut partial = Vec::new();
    loop {
        let read = ws::read_frame(&mut reader, &mut rest).await;
        match read {
            Ok(Some(frame)) => {
                let reply = reply_to(&frame);
                let is_close = frame.opcode == 8;
                closed |= is_close;
                if let Some(entry) = entry_of(frame, &mut partial) {
                    heard.push(entry);
                    // What follows a close is the end of the TCP connection, sooner or later.
                    heard
                        .ended
                        .fetch_or(is_close, std::sync::atomic::Ordering::AcqRel);
                    ring(&bell);
                }
                if let Some(reply) = reply
                    && let Err(error) = ws::send(&mut *writer.lock().await, &reply).await
                {
                    tracing::debug!(%error, "the gateway does not wait for an answer");
                }
            }
            Ok(None) => {
                if !closed {
                    heard.push(json!({"end": "eof"}));
                }
                break;
            }
            Err(error) => {
                if !closed {
                    heard.push(json!({"end": end_of(&error)}));
                }
                break;
            }
        }
    }
    heard
        .ended
        .store(true, std::sync::atomic::Ordering::Release);
    ring(&bell);
    // A gateway waits for the client's end of TCP before it counts the connection as gone.
    if let Err(error) = writer.lock().await.shutdown().await {
        tracing::debug!(%error, "gone already");
    }
}

fn end_of(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::ConnectionReset {
        "reset"
    } else {
        "broken"
    }
}

fn reply_to(frame: &Incoming) -> Option<Vec<u8>> {
    match frame.opcode {
        8 => Some(ws::frame(0x88, true, &frame.payload)),
        9 => Some(ws::frame(0x8a, true, &frame.payload)),
        _ => None,
    }
}

fn entry_of(frame: Incoming, partial: &mut Vec<u8>) -> Option<Value> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match frame.opcode {
        8 => {
            let code = frame
                .payload
                .get(..2)
                .map_or(1005, |code| u16::from(code[0]) << 8 | u16::from(code[1]));
            let reason = text(frame.payload.get(2..).unwrap_or_default());
            Some(json!({"close": code, "reason": reason}))
        }
        9 => Some(json!({"ping": text(&frame.payload)})),
        10 => Some(json!({"pong": text(&frame.payload)})),
        _ => {
            partial.extend(frame.payload);
            if !frame.is_final {
                return None;
            }
            let whole = std::mem::take(partial);
            Some(serde_json::from_slice(&whole).unwrap_or_else(|_| json!({"text": text(&whole)})))
        }
    }
}
