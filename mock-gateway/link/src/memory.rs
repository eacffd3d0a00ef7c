//! In-memory connections with the ends that TCP has: orderly, abrupt, refused.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::stream::{Carrier, FaultStream};
use crate::table::{FaultTable, Gate};

/// Bytes that each direction buffers, as a socket buffer would.
const BUFFER_BYTES: usize = 64 * 1024;

/// Connections that may wait to be accepted; one more is refused, as a full listen queue refuses.
const BACKLOG: usize = 128;

/// The port in addresses of this net. Nothing listens on it outside.
const PORT: u16 = 18_789;

/// The range from which a system takes the ports of clients.
const FIRST_EPHEMERAL_PORT: u16 = 49_152;
const EPHEMERAL_PORTS: u16 = 16_384;

/// A net with one gateway. Cloning shares it.
///
/// ```
/// use std::io::ErrorKind;
/// use link::{FaultTable, MemoryNet};
/// let net = MemoryNet::new(FaultTable::new());
/// assert_eq!(net.connect().unwrap_err().kind(), ErrorKind::ConnectionRefused);
/// let listener = net.listener();
/// assert!(net.connect().is_ok());
/// drop(listener);
/// assert!(net.connect().is_err());
/// ```
#[derive(Clone)]
pub struct MemoryNet {
    queue: Arc<Queue>,
    faults: FaultTable,
}

#[derive(Default)]
struct Queue(Mutex<QueueState>);

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<(MemoryStream, SocketAddr)>,
    acceptor: Option<Waker>,
    /// Which listener the queue belongs to; none when nothing listens.
    listener: Option<u64>,
    listeners: u64,
    is_refusing: bool,
    connected: u16,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate for Queue {
    fn set_refusing(&self, is_refusing: bool) {
        let mut state = self.lock();
        state.is_refusing = is_refusing;
        if is_refusing {
            state.reset_waiting();
        }
    }
}

impl QueueState {
    /// Connections that no one will accept end as a closed listening socket ends them.
    fn reset_waiting(&mut self) {
        for (mut stream, _) in self.waiting.drain(..) {
            stream.abort();
        }
    }
}

impl MemoryNet {
    /// A net on which nothing listens yet, whose gateway has these faults.
    pub fn new(faults: FaultTable) -> Self {
        let queue = Arc::new(Queue::default());
        let gate: Arc<dyn Gate> = Arc::clone(&queue) as Arc<dyn Gate>;
        faults.add_gate(&gate);
        Self { queue, faults }
    }

    /// The faults of the gateway.
    pub fn faults(&self) -> &FaultTable {
        &self.faults
    }

    /// Listens, in place of an earlier listener.
    pub fn listener(&self) -> MemoryListener {
        let mut state = self.queue.lock();
        state.reset_waiting();
        state.listeners += 1;
        let id = state.listeners;
        state.listener = Some(id);
        MemoryListener {
            queue: Arc::clone(&self.queue),
            id,
        }
    }

    /// Connects from this machine.
    pub fn connect(&self) -> io::Result<MemoryStream> {
        self.connect_from(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// Connects from another address: what the gateway sees as the peer.
    pub fn connect_from(&self, ip: IpAddr) -> io::Result<MemoryStream> {
        let mut state = self.queue.lock();
        if state.listener.is_none() || state.is_refusing || state.waiting.len() >= BACKLOG {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (client, gateway) = MemoryStream::pair();
        state.connected = state.connected.wrapping_add(1);
        let port = FIRST_EPHEMERAL_PORT + state.connected % EPHEMERAL_PORTS;
        state
            .waiting
            .push_back((gateway, SocketAddr::new(ip, port)));
        let acceptor = state.acceptor.take();
        drop(state);
        if let Some(acceptor) = acceptor {
            acceptor.wake();
        }
        Ok(client)
    }
}

impl std::fmt::Debug for MemoryNet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryNet").finish_non_exhaustive()
    }
}

/// The gateway's end of a [`MemoryNet`]. Connections are refused once it is dropped.
pub struct MemoryListener {
    queue: Arc<Queue>,
    id: u64,
}

impl MemoryListener {
    fn poll_accept(&self, cx: &Context<'_>) -> Poll<(MemoryStream, SocketAddr)> {
        let mut state = self.queue.lock();
        if state.listener != Some(self.id) {
            return Poll::Pending;
        }
        if let Some(accepted) = state.waiting.pop_front() {
            return Poll::Ready(accepted);
        }
        state.acceptor = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Listener for MemoryListener {
    type Io = FaultStream<MemoryStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, addr) = std::future::poll_fn(|cx| self.poll_accept(cx)).await;
        (FaultStream::new(stream), addr)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT))
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        if state.listener == Some(self.id) {
            state.listener = None;
            state.reset_waiting();
        }
    }
}

impl std::fmt::Debug for MemoryListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryListener").finish_non_exhaustive()
    }
}

/// One end of an in-memory connection. Dropping it is FIN; after [`Carrier::abort`] it is RST.
pub struct MemoryStream {
    inner: DuplexStream,
    was_reset: Arc<AtomicBool>,
}

impl MemoryStream {
    /// Two connected ends.
    pub fn pair() -> (Self, Self) {
        let (left, right) = tokio::io::duplex(BUFFER_BYTES);
        let was_reset = Arc::new(AtomicBool::new(false));
        let left = Self {
            inner: left,
            was_reset: Arc::clone(&was_reset),
        };
        let right = Self {
            inner: right,
            was_reset,
        };
        (left, right)
    }

    fn was_reset(&self) -> bool {
        self.was_reset.load(Ordering::Acquire)
    }
}

impl Carrier for MemoryStream {
    fn abort(&mut self) {
        self.was_reset.store(true, Ordering::Release);
    }
}

impl AsyncRead for MemoryStream {
    /// What arrived before a reset is still read, as on Linux; then the reset is the error.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        let is_end = buf.filled().len() == before && buf.remaining() > 0;
        if is_end && self.was_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.was_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl std::fmt::Debug for MemoryStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStream").finish_non_exhaustive()
    }
}
