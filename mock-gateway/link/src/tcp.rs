//! Loopback connections, and a listener that can really refuse.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use axum::serve::Listener;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;

use crate::stream::{Carrier, FaultStream};
use crate::table::{FaultTable, Gate};

/// Connections that the system keeps for us; a burst of clients after a restart fits.
const BACKLOG: u32 = 1024;

impl Carrier for TcpStream {
    fn abort(&mut self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!("SO_LINGER 0: {error}");
        }
    }
}

/// A listening port whose connections have faults. While the table refuses, the port stays bound to a socket that
/// does not listen: a connect fails as it does against a gateway that is down, and no other program gets the port.
pub struct TcpCarrier {
    door: Arc<Door>,
    addr: SocketAddr,
}

struct Door {
    addr: SocketAddr,
    runtime: Handle,
    state: Mutex<DoorState>,
}

struct DoorState {
    socket: Socket,
    acceptor: Option<Waker>,
}

enum Socket {
    Listening(TcpListener),
    Held(TcpSocket),
    /// The port could not be held; it is bound anew when it opens.
    Lost,
}

impl TcpCarrier {
    /// Binds a free port on 127.0.0.1. Must be called within a tokio runtime.
    pub fn loopback(faults: &FaultTable) -> io::Result<Self> {
        Self::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), faults)
    }

    /// Binds an address; port 0 is any free port. Must be called within a tokio runtime.
    pub fn bind(addr: SocketAddr, faults: &FaultTable) -> io::Result<Self> {
        let listener = bound(addr)?.listen(BACKLOG)?;
        let addr = listener.local_addr()?;
        let door = Arc::new(Door {
            addr,
            runtime: Handle::current(),
            state: Mutex::new(DoorState {
                socket: Socket::Listening(listener),
                acceptor: None,
            }),
        });
        let gate: Arc<dyn Gate> = Arc::clone(&door) as Arc<dyn Gate>;
        faults.add_gate(&gate);
        Ok(Self { door, addr })
    }

    /// The bound address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

fn bound(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // On Windows this option would let another program take the port, and binding again needs no option there.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

impl Door {
    fn lock(&self) -> MutexGuard<'_, DoorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<(TcpStream, SocketAddr)> {
        let mut state = self.lock();
        state.acceptor = Some(cx.waker().clone());
        let Socket::Listening(listener) = &state.socket else {
            return Poll::Pending;
        };
        loop {
            match listener.poll_accept(cx) {
                Poll::Ready(Ok(accepted)) => return Poll::Ready(accepted),
                Poll::Ready(Err(error)) if is_about_connection(&error) => {}
                Poll::Ready(Err(error)) => {
                    // Out of file descriptors: the connection stays queued, the next arrival polls again.
                    tracing::warn!("accept on {}: {error}", self.addr);
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn shut(&self, state: &mut DoorState) {
        if matches!(state.socket, Socket::Held(_)) {
            return;
        }
        state.socket = Socket::Lost;
        match bound(self.addr) {
            Ok(socket) => state.socket = Socket::Held(socket),
            Err(error) => tracing::warn!("hold {} while refusing: {error}", self.addr),
        }
    }

    fn open(&self, state: &mut DoorState) -> io::Result<()> {
        let socket = match std::mem::replace(&mut state.socket, Socket::Lost) {
            Socket::Listening(listener) => {
                state.socket = Socket::Listening(listener);
                return Ok(());
            }
            Socket::Held(socket) => socket,
            Socket::Lost => bound(self.addr)?,
        };
        let _runtime = self.runtime.enter();
        state.socket = Socket::Listening(socket.listen(BACKLOG)?);
        Ok(())
    }
}

fn is_about_connection(error: &io::Error) -> bool {
    [
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
    ]
    .contains(&error.kind())
}

impl Gate for Door {
    fn set_refusing(&self, is_refusing: bool) {
        let mut state = self.lock();
        if is_refusing {
            self.shut(&mut state);
        } else if let Err(error) = self.open(&mut state) {
            tracing::error!("listen on {} again: {error}", self.addr);
        }
        let acceptor = state.acceptor.take();
        drop(state);
        if let Some(acceptor) = acceptor {
            acceptor.wake();
        }
    }
}

impl Listener for TcpCarrier {
    type Io = FaultStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, peer) = std::future::poll_fn(|cx| self.door.poll_accept(cx)).await;
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("TCP_NODELAY: {error}");
        }
        (FaultStream::new(stream), peer)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.addr)
    }
}

impl std::fmt::Debug for TcpCarrier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TcpCarrier")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}
