//! A client's stream as a scenario needs it: the upgrade request carries extra headers, and the script
//! can cut the stream from the client's side.
//!
//! Headers are put behind the request line of the first bytes written, so that a client that knows
//! nothing of scenarios still appears to come through a proxy.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use link::Carrier;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How the client's side ends without a close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severing {
    /// The stream ends in order.
    Fin,
    /// The stream is reset.
    Reset,
}

/// The script's end of a [`Tether`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Knife {
    inner: Arc<Mutex<Blade>>,
}

#[derive(Debug, Default)]
struct Blade {
    severing: Option<Severing>,
    wakers: Vec<Waker>,
}

impl Knife {
    /// Ends the stream; the client sees the end at its next read or write.
    pub(crate) fn cut(&self, severing: Severing) {
        let wakers = {
            let mut blade = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            blade.severing = Some(severing);
            std::mem::take(&mut blade.wakers)
        };
        for waker in wakers {
            waker.wake();
        }
    }

    fn severed(&self, cx: &Context<'_>) -> Option<Severing> {
        let mut blade = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if blade.severing.is_none() && !blade.wakers.iter().any(|waker| waker.will_wake(cx.waker()))
        {
            blade.wakers.push(cx.waker().clone());
        }
        blade.severing
    }
}

/// A stream with extra headers and a knife.
pub(crate) struct Tether<S> {
    stream: Option<S>,
    knife: Knife,
    headers: Headers,
}

enum Headers {
    /// Waiting for the end of the request line.
    Awaiting { text: String },
    /// On the way out before anything else is taken.
    Sending { pending: VecDeque<u8> },
    /// Nothing left to add.
    Done,
}

impl<S> Tether<S> {
    /// Wraps `stream`; `headers` are lines without their line ends.
    pub(crate) fn new(stream: S, headers: &[String], knife: Knife) -> Self {
        let headers = if headers.is_empty() {
            Headers::Done
        } else {
            Headers::Awaiting {
                text: headers.join("\r\n") + "\r\n",
            }
        };
        Self {
            stream: Some(stream),
            knife,
            headers,
        }
    }
}

impl<S: Carrier> Tether<S> {
    /// The stream, unless it was cut; a cut drops it, so that the gateway sees the end too.
    fn live(&mut self, cx: &Context<'_>) -> Result<&mut S, Severing> {
        if let Some(severing) = self.knife.severed(cx) {
            if let Some(mut stream) = self.stream.take()
                && severing == Severing::Reset
            {
                stream.abort();
            }
            return Err(severing);
        }
        self.stream.as_mut().ok_or(Severing::Reset)
    }

    /// Writes what is left of the headers.
    fn poll_headers(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Headers::Sending { pending } = &mut self.headers {
            let (front, _back) = pending.as_slices();
            if front.is_empty() {
                self.headers = Headers::Done;
                break;
            }
            let Some(stream) = self.stream.as_mut() else {
                return Poll::Ready(Err(reset()));
            };
            let written = std::task::ready!(Pin::new(stream).poll_write(cx, front))?;
            pending.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

fn reset() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl<S: Carrier> AsyncRead for Tether<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.live(cx) {
            Ok(stream) => Pin::new(stream).poll_read(cx, into),
            Err(Severing::Fin) => Poll::Ready(Ok(())),
            Err(Severing::Reset) => Poll::Ready(Err(reset())),
        }
    }
}

impl<S: Carrier> AsyncWrite for Tether<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.live(cx).is_err() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        std::task::ready!(self.poll_headers(cx))?;
        let line_end = match &self.headers {
            Headers::Awaiting { .. } => from
                .windows(2)
                .position(|pair| pair == b"\r\n")
                .map(|at| at + 2),
            Headers::Sending { .. } | Headers::Done => None,
        };
        let take = line_end.and_then(|end| from.get(..end)).unwrap_or(from);
        let Some(stream) = self.stream.as_mut() else {
            return Poll::Ready(Err(reset()));
        };
        let written = std::task::ready!(Pin::new(stream).poll_write(cx, take))?;
        if let Headers::Awaiting { text } = &mut self.headers
            && line_end == Some(written)
        {
            self.headers = Headers::Sending {
                pending: std::mem::take(text).into_bytes().into(),
            };
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.live(cx).is_err() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        std::task::ready!(self.poll_headers(cx))?;
        match self.stream.as_mut() {
            Some(stream) => Pin::new(stream).poll_flush(cx),
            None => Poll::Ready(Err(reset())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.live(cx) {
            Ok(stream) => Pin::new(stream).poll_shutdown(cx),
            Err(_severed) => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use link::MemoryStream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn headers_stand_behind_the_request_line() {
        let (ours, mut theirs) = MemoryStream::pair();
        let headers = ["X-Forwarded-For: 203.0.113.7".to_owned()];
        let mut tether = Tether::new(ours, &headers, Knife::default());
        let write = async {
            tether
                .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nrest")
                .await
                .unwrap();
            tether.shutdown().await.unwrap();
        };
        let mut text = String::new();
        let (_done, read) = tokio::join!(write, theirs.read_to_string(&mut text));
        read.unwrap();
        assert_eq!(
            text,
            "GET / HTTP/1.1\r\nX-Forwarded-For: 203.0.113.7\r\nHost: a\r\n\r\nrest"
        );
    }

    #[tokio::test]
    async fn a_cut_is_seen_by_both_ends() {
        let (ours, mut theirs) = MemoryStream::pair();
        let knife = Knife::default();
        let mut tether = Tether::new(ours, &[], knife.clone());
        let mut byte = [0];
        let cut = async { knife.cut(Severing::Fin) };
        let (read, ()) = tokio::join!(tether.read(&mut byte), cut);
        assert_eq!(read.unwrap(), 0);
        assert!(tether.write_all(b"x").await.is_err());
        assert_eq!(theirs.read(&mut byte).await.unwrap(), 0);
    }
}
