//! Faults on bytes, under the WebSocket codec: stall, cut, split, slow down, swallow.
//!
//! A stall is a black hole: nothing is read or written, nothing ends, and afterwards the stream goes on without FIN.
//! Even a stream that its owner drops meanwhile shows no end to the peer until the stall is over.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::fault::{Helping, StreamEffect};

/// A stream that can be made to end abruptly.
pub trait Carrier: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Makes the drop of this stream an abrupt end: RST instead of FIN.
    fn abort(&mut self);
}

/// A stream whose faults can be controlled from elsewhere.
pub trait Controlled {
    /// The control of this stream.
    fn control(&self) -> StreamControl;
}

/// The other handle of a [`FaultStream`]. Cloning shares it.
#[derive(Clone)]
pub struct StreamControl(Arc<Shared>);

struct Shared {
    /// Whether anything at all is wrong, read without the lock.
    is_active: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    effect: StreamEffect,
    cut: Option<StreamCut>,
    is_muted: bool,
    /// Waits for the end of a stall, or for a cut.
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// A stream that was dropped during a stall.
    buried: Option<Box<dyn Any + Send>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamCut {
    Reset,
    Fin,
}

impl StreamControl {
    fn new() -> Self {
        Self(Arc::new(Shared {
            is_active: AtomicBool::new(false),
            state: Mutex::default(),
        }))
    }

    /// Ends the stream abruptly. The peer sees it when the stream is next polled, which this causes, or dropped.
    pub fn reset(&self) {
        self.change(|state| state.cut = Some(StreamCut::Reset));
    }

    /// Ends the gateway's half of the stream: the peer reads an end, its own bytes are still read here.
    pub fn fin(&self) {
        self.change(|state| {
            state.cut.get_or_insert(StreamCut::Fin);
        });
    }

    /// Swallows what is written from here on.
    pub fn mute(&self) {
        self.change(|state| state.is_muted = true);
    }

    /// Stalls both directions, or ends the stall, for a test without a [`crate::FaultTable`].
    pub fn stall(&self, is_stalled: bool) {
        self.set(StreamEffect {
            stall_read: is_stalled,
            stall_write: is_stalled,
            ..StreamEffect::NONE
        });
    }

    /// Whether the peer would not see an end of the stream now.
    pub fn is_muffled(&self) -> bool {
        self.lock().effect.stall_write
    }

    pub(crate) fn set(&self, effect: StreamEffect) {
        if self.lock().effect != effect {
            self.change(|state| state.effect = effect);
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let is_active = state.effect != StreamEffect::NONE || state.cut.is_some() || state.is_muted;
        self.0.is_active.store(is_active, Ordering::Release);
        let wakers = [state.reader.take(), state.writer.take()];
        let is_muffled = state.effect.stall_write;
        let risen = if is_muffled {
            None
        } else {
            state.buried.take()
        };
        drop(state);
        // Dropping the stream shows the peer its end.
        drop(risen);
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }

    /// Drops a stream, but not before the stall is over.
    fn end<S: Carrier>(&self, stream: S) {
        let mut state = self.lock();
        if state.effect.stall_write {
            state.buried = Some(Box::new(stream));
        }
    }

    fn is_active(&self) -> bool {
        self.0.is_active.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for StreamControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        f.debug_struct("StreamControl")
            .field("effect", &state.effect)
            .field("cut", &state.cut)
            .field("is_muted", &state.is_muted)
            .finish_non_exhaustive()
    }
}

/// A stream with faults. Without one it adds an atomic load to each call.
pub struct FaultStream<S: Carrier> {
    inner: Option<S>,
    control: StreamControl,
    has_finished: bool,
    /// A piece was written; the peer gets a turn before the next one.
    has_split: bool,
    /// Pauses between helpings.
    read_pause: Pause,
    write_pause: Pause,
}

/// Runs after a helping, until the next one may be had.
#[derive(Default)]
struct Pause(Option<Pin<Box<Sleep>>>);

impl Pause {
    /// Waits out what is left of the pause.
    fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(sleep) = &mut self.0 {
            std::task::ready!(sleep.as_mut().poll(cx));
            self.0 = None;
        }
        Poll::Ready(())
    }

    fn begin(&mut self, helping: Helping) {
        self.0 = Some(Box::pin(tokio::time::sleep(helping.every)));
    }
}

impl<S: Carrier> FaultStream<S> {
    /// Wraps a stream.
    pub fn new(inner: S) -> Self {
        Self {
            inner: Some(inner),
            control: StreamControl::new(),
            has_finished: false,
            has_split: false,
            read_pause: Pause::default(),
            write_pause: Pause::default(),
        }
    }

    /// The stream below, unless it was reset.
    pub fn carrier(&self) -> Option<&S> {
        self.inner.as_ref()
    }

    /// Applies a cut. Returns the error that reads and writes give after a reset. During a stall the peer sees
    /// nothing of it.
    fn apply_cut(
        &mut self,
        cx: &mut Context<'_>,
        cut: Option<StreamCut>,
        is_muffled: bool,
    ) -> io::Result<()> {
        match cut {
            Some(StreamCut::Reset) => {
                if let Some(mut inner) = self.inner.take() {
                    inner.abort();
                    self.control.end(inner);
                }
            }
            Some(StreamCut::Fin) if !self.has_finished && !is_muffled => {
                if let Some(inner) = &mut self.inner {
                    self.has_finished = Pin::new(inner).poll_shutdown(cx).is_ready();
                }
            }
            Some(StreamCut::Fin) | None => {}
        }
        if self.inner.is_none() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl<S: Carrier> Controlled for FaultStream<S> {
    fn control(&self) -> StreamControl {
        self.control.clone()
    }
}

impl<S: Carrier> AsyncRead for FaultStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let (mut chunk, mut helping) = (None, None);
        if this.control.is_active() {
            let control = this.control.clone();
            let mut state = control.lock();
            let (cut, effect) = (state.cut, state.effect);
            state.reader = Some(cx.waker().clone());
            drop(state);
            this.apply_cut(cx, cut, effect.stall_write)?;
            if effect.stall_read {
                return Poll::Pending;
            }
            chunk = effect.chunk;
            helping = effect.slow_read;
        }
        if let Some(helping) = helping {
            std::task::ready!(this.read_pause.poll_over(cx));
            chunk = Some(chunk.map_or(helping.bytes, |chunk| chunk.min(helping.bytes)));
        }
        let Some(inner) = &mut this.inner else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let poll = match chunk {
            Some(chunk) => poll_read_piece(Pin::new(inner), cx, buf, chunk),
            None => Pin::new(inner).poll_read(cx, buf),
        };
        if let (Some(helping), true) = (helping, poll.is_ready()) {
            this.read_pause.begin(helping);
        }
        if poll.is_pending() {
            let mut state = this.control.lock();
            state.reader = Some(cx.waker().clone());
            let has_begun = state.cut.is_some() && !this.has_finished;
            drop(state);
            if has_begun {
                // The cut came between the first look and now.
                cx.waker().wake_by_ref();
            }
        }
        poll
    }
}

fn poll_read_piece<S: AsyncRead>(
    inner: Pin<&mut S>,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
    chunk: usize,
) -> Poll<io::Result<()>> {
    let mut piece = vec![0; chunk.min(buf.remaining())];
    let mut piece = ReadBuf::new(&mut piece);
    let poll = inner.poll_read(cx, &mut piece);
    buf.put_slice(piece.filled());
    poll
}

impl<S: Carrier> AsyncWrite for FaultStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut piece = buf;
        if this.control.is_active() {
            let control = this.control.clone();
            let mut state = control.lock();
            let (cut, effect, is_muted) = (state.cut, state.effect, state.is_muted);
            state.writer = Some(cx.waker().clone());
            drop(state);
            this.apply_cut(cx, cut, effect.stall_write)?;
            if cut == Some(StreamCut::Fin) {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            if is_muted {
                return Poll::Ready(Ok(buf.len()));
            }
            if effect.stall_write {
                return Poll::Pending;
            }
            if let Some(chunk) = effect.chunk {
                if std::mem::take(&mut this.has_split) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                this.has_split = true;
                piece = buf.get(..chunk).unwrap_or(buf);
            }
            if let Some(helping) = effect.slow_write {
                std::task::ready!(this.write_pause.poll_over(cx));
                piece = piece.get(..helping.bytes).unwrap_or(piece);
                this.write_pause.begin(helping);
            }
        }
        match &mut this.inner {
            Some(inner) => Pin::new(inner).poll_write(cx, piece),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match &mut this.inner {
            Some(inner) => Pin::new(inner).poll_flush(cx),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.control.is_active() {
            let control = this.control.clone();
            let mut state = control.lock();
            let (cut, effect, is_muted) = (state.cut, state.effect, state.is_muted);
            state.writer = Some(cx.waker().clone());
            drop(state);
            this.apply_cut(cx, cut, effect.stall_write)?;
            if is_muted || this.has_finished {
                return Poll::Ready(Ok(()));
            }
            if effect.stall_write {
                return Poll::Pending;
            }
        }
        match &mut this.inner {
            Some(inner) => Pin::new(inner).poll_shutdown(cx),
            None => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

impl<S: Carrier> Drop for FaultStream<S> {
    fn drop(&mut self) {
        let Some(mut inner) = self.inner.take() else {
            return;
        };
        if self.control.lock().cut == Some(StreamCut::Reset) {
            inner.abort();
        }
        self.control.end(inner);
    }
}

impl<S: Carrier> std::fmt::Debug for FaultStream<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultStream")
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}

/// Reads and discards for a while, whether or not the peer has left: the end of the stream is late.
pub async fn linger<S: AsyncRead + Unpin>(stream: &mut S, delay: Duration) {
    let mut over = std::pin::pin!(tokio::time::sleep(delay));
    let mut is_open = true;
    let mut buffer = [0; 1024];
    loop {
        tokio::select! {
            biased;
            () = &mut over => return,
            read = stream.read(&mut buffer), if is_open => is_open = matches!(read, Ok(1..)),
        }
    }
}

/// Reads and discards until the peer has left. What a driver does after most cuts: a stream that is dropped with
/// unread bytes ends in RST.
pub async fn hold_open<S: AsyncRead + Unpin>(stream: &mut S) {
    let mut buffer = [0; 1024];
    while matches!(stream.read(&mut buffer).await, Ok(1..)) {}
}
