//! A WebSocket that reads through tungstenite and writes by itself.
//!
//! Reading needs a codec that has met every malformed frame there is; that is tungstenite's
//! [`WebSocketContext`]. Writing from a server is a header in front of the payload, and doing it here buys
//! three things: nothing is answered behind our back (a ping that a fault holds must not be ponged), the write
//! buffer is given back when it is empty (tungstenite keeps the largest one it ever needed, which after hello-ok
//! is most of an idle connection's memory), and the size limit can change at the header of the next frame.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

/// Bytes read from the stream at once, and kept per connection: a connect frame of some 1,100 bytes fits, and for a
/// larger message tungstenite makes room as soon as it knows the length. Its default of 128 KiB costs 122 KB per idle
/// connection and a third of the round-trip time. ref: performance-anchors.md §1b
const READ_BUFFER: usize = 2 * 1024;

/// A write buffer up to this size is kept for the next message; a larger one is given back once it is empty.
const KEPT_WRITE_BUFFER: usize = 512;

const OPCODE_TEXT: u8 = 0x1;
const OPCODE_BINARY: u8 = 0x2;
const OPCODE_CLOSE: u8 = 0x8;
const OPCODE_PING: u8 = 0x9;
const OPCODE_PONG: u8 = 0xa;
const FIN: u8 = 0x80;

/// One upgraded connection.
pub(crate) struct Socket<S> {
    io: S,
    context: WebSocketContext,
    /// Frames on their way out; `written` bytes of it are gone already.
    pending: Vec<u8>,
    written: usize,
}

/// What can be put on the wire.
pub(crate) enum Message<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
    Ping(&'a [u8]),
    Pong(&'a [u8]),
    /// Code and reason; `None` is a close frame without a body.
    Close(Option<(u16, &'a str)>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over a stream after the upgrade; `already_read` is what the HTTP parser read beyond the request, and
    /// `unwritten` what has to be written before the first message.
    pub(crate) fn new(io: S, already_read: &[u8], unwritten: Vec<u8>, max_message: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message));
        let context = WebSocketContext::from_partially_read(
            already_read.to_vec(),
            Role::Server,
            Some(config),
        );
        Self {
            io,
            context,
            pending: unwritten,
            written: 0,
        }
    }

    /// Changes the largest message that is read. ref: gateway-behaviour.md §1.3
    pub(crate) fn limit(&mut self, max_message: usize) {
        self.context.set_config(|config| {
            config.max_message_size = Some(max_message);
            config.max_frame_size = Some(max_message);
        });
    }

    /// The stream below.
    pub(crate) fn io_mut(&mut self) -> &mut S {
        &mut self.io
    }

    /// Bytes that have not reached the stream.
    pub(crate) fn unwritten(&self) -> usize {
        self.pending.len() - self.written
    }

    /// Appends one frame; nothing is written before [`Self::poll_flush`].
    pub(crate) fn queue(&mut self, message: &Message<'_>) {
        match message {
            Message::Text(text) => self.queue_frame(OPCODE_TEXT, &[text.as_bytes()]),
            Message::Binary(bytes) => self.queue_frame(OPCODE_BINARY, &[bytes]),
            Message::Ping(bytes) => self.queue_frame(OPCODE_PING, &[bytes]),
            Message::Pong(bytes) => self.queue_frame(OPCODE_PONG, &[bytes]),
            Message::Close(None) => self.queue_frame(OPCODE_CLOSE, &[]),
            Message::Close(Some((code, reason))) => {
                self.queue_frame(OPCODE_CLOSE, &[&code.to_be_bytes(), reason.as_bytes()]);
            }
        }
    }

    fn queue_frame(&mut self, opcode: u8, payload: &[&[u8]]) {
        let length: usize = payload.iter().map(|part| part.len()).sum();
        self.pending.reserve(length + 10);
        self.pending.push(FIN | opcode);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < 126 => self.pending.push(short),
            (_, Ok(medium)) => {
                self.pending.push(126);
                self.pending.extend_from_slice(&medium.to_be_bytes());
            }
            (_, Err(_)) => {
                self.pending.push(127);
                self.pending
                    .extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        for part in payload {
            self.pending.extend_from_slice(part);
        }
    }

    /// Writes what is queued until the stream takes no more.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self
            .pending
            .get(self.written..)
            .filter(|rest| !rest.is_empty())
        {
            match std::task::ready!(Pin::new(&mut self.io).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
        }
        self.written = 0;
        if self.pending.capacity() > KEPT_WRITE_BUFFER {
            self.pending = Vec::new();
        } else {
            self.pending.clear();
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Reads the next message. Never writes, whatever tungstenite would like to answer.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<tungstenite::Message, tungstenite::Error>> {
        match self.context.read(&mut ReadSide {
            io: &mut self.io,
            cx,
        }) {
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }

    /// Reads and forgets; `Ready` when the peer has ended its side.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [std::mem::MaybeUninit::uninit(); 2048];
        loop {
            let mut buffer = ReadBuf::uninit(&mut space);
            match std::task::ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Ends our side of the stream (a FIN on TCP).
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// The stream as tungstenite's blocking traits want it, for one poll.
struct ReadSide<'a, 'b, S> {
    io: &'a mut S,
    cx: &'a mut Context<'b>,
}

impl<S: AsyncRead + Unpin> Read for ReadSide<'_, '_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut buffer = ReadBuf::new(into);
        match Pin::new(&mut *self.io).poll_read(self.cx, &mut buffer) {
            Poll::Ready(result) => result.map(|()| buffer.filled().len()),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// tungstenite's own answers end here; the driver gives its own.
impl<S> Write for ReadSide<'_, '_, S> {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::{SinkExt as _, StreamExt as _};
    use rstest::rstest;
    use tokio_tungstenite::WebSocketStream;

    use super::*;

    async fn pair(
        max_message: usize,
    ) -> (
        Socket<tokio::io::DuplexStream>,
        WebSocketStream<tokio::io::DuplexStream>,
    ) {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let client = WebSocketStream::from_raw_socket(theirs, Role::Client, None).await;
        (Socket::new(ours, &[], Vec::new(), max_message), client)
    }

    #[rstest]
    #[case(0)]
    #[case(125)]
    #[case(126)]
    #[case(65_535)]
    #[case(65_536)]
    #[tokio::test]
    async fn a_foreign_codec_reads_what_we_write(#[case] length: usize) {
        let (mut socket, mut client) = pair(1 << 20).await;
        let text = "x".repeat(length);
        socket.queue(&Message::Text(&text));
        poll_fn(|cx| socket.poll_flush(cx)).await.unwrap();
        assert_eq!(socket.unwritten(), 0);
        assert_eq!(
            client
                .next()
                .await
                .unwrap()
                .unwrap()
                .into_text()
                .unwrap()
                .as_str(),
            text
        );
    }

    #[tokio::test]
    async fn the_limit_moves_between_two_messages() {
        let (mut socket, mut client) = pair(8).await;
        client.send("12345678".into()).await.unwrap();
        client.send("123456789".into()).await.unwrap();
        assert_eq!(poll_fn(|cx| socket.poll_read(cx)).await.unwrap().len(), 8);
        socket.limit(9);
        assert_eq!(poll_fn(|cx| socket.poll_read(cx)).await.unwrap().len(), 9);
        client.send("1234567890".into()).await.unwrap();
        assert!(matches!(
            poll_fn(|cx| socket.poll_read(cx)).await,
            Err(tungstenite::Error::Capacity(_))
        ));
    }

    #[tokio::test]
    async fn a_ping_is_not_answered_by_itself() {
        let (mut socket, mut client) = pair(1 << 20).await;
        client
            .send(tungstenite::Message::Ping("p".into()))
            .await
            .unwrap();
        client.send("after".into()).await.unwrap();
        assert!(poll_fn(|cx| socket.poll_read(cx)).await.unwrap().is_ping());
        assert!(poll_fn(|cx| socket.poll_read(cx)).await.unwrap().is_text());
        socket.queue(&Message::Close(Some((4321, "custom"))));
        poll_fn(|cx| socket.poll_flush(cx)).await.unwrap();
        assert!(client.next().await.unwrap().unwrap().is_close());
    }
}
