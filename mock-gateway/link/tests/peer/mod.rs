//! A WebSocket echo peer on the gateway's side of the link, and a client of plain `std::net` that observes it.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::serve::Listener;
use futures_util::{SinkExt as _, StreamExt as _};
use gateway_protocol::{CloseFrame, Now, UnixMillis};
use link::{
    Admission, Carrier, Controlled as _, Cut, Departure, FaultStream, FaultTable, TcpCarrier, Wire,
    WireMessage, hold_open, linger,
};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame as WsClose;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{WebSocketStream, accept_async};
use transcript::{Direction, Header, Recorder};

/// How long a client listens before it calls silence silence. The other side is on this machine.
pub(crate) const SILENCE: Duration = Duration::from_millis(150);
/// No answer takes this long.
const PATIENCE: Duration = Duration::from_secs(10);

/// An echo peer on a loopback port, in its own thread.
pub(crate) struct Peer {
    pub(crate) addr: SocketAddr,
    pub(crate) faults: FaultTable,
    pub(crate) recorder: Recorder,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    pub(crate) fn start() -> Self {
        let faults = FaultTable::new();
        let recorder = Recorder::in_memory(Header::new(1, "loopback", "echo peer"));
        let (stop, stopped) = oneshot::channel();
        let (ready, bound) = mpsc::channel();
        let (table, log) = (faults.clone(), recorder.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let carrier = TcpCarrier::loopback(&table).unwrap();
                ready.send(carrier.addr()).unwrap();
                serve(carrier, table, log, stopped).await;
            });
        });
        Self {
            addr: bound.recv().unwrap(),
            faults,
            recorder,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _sent = self.stop.take().map(|stop| stop.send(()));
        let panicked = self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err());
        assert!(
            !panicked || std::thread::panicking(),
            "the echo peer panicked"
        );
    }
}

/// The accept loop: numbers, admits, attaches, serves.
pub(crate) async fn serve<L, S>(
    mut listener: L,
    faults: FaultTable,
    recorder: Recorder,
    mut stopped: oneshot::Receiver<()>,
) where
    L: Listener<Io = FaultStream<S>>,
    S: Carrier,
{
    let mut connections = JoinSet::new();
    let start = tokio::time::Instant::now();
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => return,
            (stream, _) = listener.accept() => {
                let conn = faults.next_connection();
                let control = stream.control();
                if faults.admit(conn) == Admission::Refuse {
                    control.reset();
                    continue;
                }
                faults.attach(conn, control);
                connections.spawn(connection(stream, conn, faults.clone(), recorder.clone(), start));
            }
        }
    }
}

async fn connection<S: Carrier>(
    stream: FaultStream<S>,
    conn: u32,
    faults: FaultTable,
    recorder: Recorder,
    start: tokio::time::Instant,
) {
    let Ok(mut socket) = accept_async(stream).await else {
        return faults.detach(conn);
    };
    let mut changes = faults.watch();
    let mut wire = Wire::new(conn, faults, recorder);
    let clock = || Now::at(start.elapsed(), UnixMillis(0));
    wire.enter(
        clock(),
        Direction::GatewayToClient,
        WireMessage::Text("challenge".to_owned()),
    );
    let mut fed = false;
    loop {
        loop {
            let now = clock();
            if wire.cuts_next(now) && flush(&mut socket, &mut fed).await.is_err() {
                return;
            }
            let Some(leaving) = wire.poll(now) else { break };
            match leaving.what {
                Departure::Cut(cut) => return finish(socket, &wire, cut).await,
                // As the gateway's driver: what leaves at one time is flushed at once, so it can share a segment.
                Departure::Deliver(message) if leaving.dir == Direction::GatewayToClient => {
                    fed = true;
                    if socket.feed(to_codec(message)).await.is_err() {
                        return;
                    }
                }
                // The gateway: an echo.
                Departure::Deliver(WireMessage::Text(text)) => {
                    wire.enter(clock(), Direction::GatewayToClient, WireMessage::Text(text));
                }
                Departure::Deliver(WireMessage::Close(_)) => return drain(socket).await,
                Departure::Deliver(_) => {}
            }
        }
        if flush(&mut socket, &mut fed).await.is_err() {
            return;
        }
        let deadline = wire.next_deadline();
        tokio::select! {
            biased;
            changed = changes.changed() => changed.unwrap(),
            () = until(start, deadline) => {}
            message = socket.next() => match message {
                Some(Ok(message)) => wire.enter(clock(), Direction::ClientToGateway, from_codec(message)),
                Some(Err(_)) | None => return,
            },
        }
    }
}

/// Writes what was fed. Without anything fed nothing is: the codec would answer a close frame by itself.
async fn flush<S: Carrier>(
    socket: &mut WebSocketStream<FaultStream<S>>,
    fed: &mut bool,
) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    if std::mem::take(fed) {
        socket.flush().await?;
    }
    Ok(())
}

async fn until(start: tokio::time::Instant, deadline: Option<Duration>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(start + deadline).await,
        None => std::future::pending().await,
    }
}

/// What a driver does at a cut, as [`Cut`] says.
async fn finish<S: Carrier>(mut socket: WebSocketStream<FaultStream<S>>, wire: &Wire, cut: Cut) {
    match cut {
        Cut::Reset => {}
        Cut::FinWithoutClose | Cut::CloseWithoutReply => hold_open(socket.get_mut()).await,
        Cut::CloseThenReset(frame) => {
            let _sent = socket.send(to_codec(WireMessage::Close(Some(frame)))).await;
            wire.control().unwrap().reset();
        }
        Cut::LateFin(delay) => {
            let _flushed = socket.flush().await;
            linger(socket.get_mut(), delay).await;
        }
        Cut::ReplyWithoutClose => {
            let _flushed = socket.flush().await;
            hold_open(socket.get_mut()).await;
        }
    }
}

async fn drain<S: Carrier>(mut socket: WebSocketStream<FaultStream<S>>) {
    while let Some(Ok(_)) = socket.next().await {}
}

fn to_codec(message: WireMessage) -> Message {
    match message {
        WireMessage::Text(text) => Message::text(text),
        WireMessage::Binary(bytes) => Message::binary(bytes),
        WireMessage::Ping(body) => Message::Ping(body.into()),
        WireMessage::Pong(body) => Message::Pong(body.into()),
        WireMessage::Close(frame) => Message::Close(frame.map(|frame| WsClose {
            code: CloseCode::from(frame.code),
            reason: frame.reason.into(),
        })),
    }
}

fn from_codec(message: Message) -> WireMessage {
    match message {
        Message::Text(text) => WireMessage::Text(text.to_string()),
        Message::Binary(bytes) => WireMessage::Binary(bytes.to_vec()),
        Message::Ping(body) => WireMessage::Ping(body.to_vec()),
        Message::Pong(body) => WireMessage::Pong(body.to_vec()),
        Message::Close(frame) => WireMessage::Close(
            frame.map(|frame| CloseFrame::new(frame.code.into(), frame.reason.to_string())),
        ),
        Message::Frame(_) => unreachable!("never read"),
    }
}

/// What a client's socket saw.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Saw {
    Text(String),
    Pong,
    Close(u16, String),
    /// End of stream: read gave 0.
    Eof,
    Reset,
    /// Nothing within [`SILENCE`].
    Silence,
}

/// A WebSocket client over a blocking `std::net` stream.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

impl Client {
    /// Connects and asks for an upgrade, but does not wait for the answer.
    pub(crate) fn ask(addr: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(addr)?;
        stream.write_all(REQUEST.as_bytes())?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Connects, upgrades and takes the challenge.
    pub(crate) fn open(addr: SocketAddr) -> Self {
        let mut client = Self::ask(addr).unwrap();
        client.upgraded().unwrap();
        assert_eq!(client.see(), Saw::Text("challenge".to_owned()));
        client
    }

    /// Reads the response to the upgrade request.
    pub(crate) fn upgraded(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(PATIENCE))?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        assert!(
            head.starts_with(b"HTTP/1.1 101"),
            "{}",
            String::from_utf8_lossy(&head)
        );
        Ok(())
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.frame(0x1, text.as_bytes());
    }

    pub(crate) fn ping(&mut self) {
        self.frame(0x9, b"");
    }

    pub(crate) fn close(&mut self) {
        self.frame(0x8, &1000_u16.to_be_bytes());
    }

    /// The next thing, waited for.
    pub(crate) fn see(&mut self) -> Saw {
        self.read_frame(PATIENCE)
    }

    /// What comes within [`SILENCE`].
    pub(crate) fn listen(&mut self) -> Saw {
        self.read_frame(SILENCE)
    }

    /// Every frame of the next segment: what one read gives.
    pub(crate) fn segment(&mut self) -> Vec<Saw> {
        let mut seen = vec![self.see()];
        while let Some(saw) = self.take_frame() {
            seen.push(saw);
        }
        seen
    }

    /// The end of the stream, whatever stands before it.
    pub(crate) fn last(&mut self) -> Saw {
        loop {
            match self.see() {
                Saw::Text(_) | Saw::Pong => {}
                other => return other,
            }
        }
    }

    fn frame(&mut self, opcode: u8, body: &[u8]) {
        let mut bytes = vec![
            0x80 | opcode,
            0x80 | u8::try_from(body.len()).unwrap(),
            0,
            0,
            0,
            0,
        ];
        bytes.extend_from_slice(body);
        self.stream.write_all(&bytes).unwrap();
    }

    fn read_frame(&mut self, patience: Duration) -> Saw {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(saw) = self.take_frame() {
                return saw;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Saw::Silence;
            }
            self.stream.set_read_timeout(Some(left)).unwrap();
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Saw::Eof,
                Ok(read) => self.buffer.extend_from_slice(&bytes[..read]),
                Err(error) => match error.kind() {
                    io::ErrorKind::ConnectionReset => return Saw::Reset,
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Saw::Silence,
                    kind => panic!("read: {kind}"),
                },
            }
        }
    }

    fn take_frame(&mut self) -> Option<Saw> {
        let length = usize::from(*self.buffer.get(1)?);
        assert!(length < 126, "frames of these tests are short and unmasked");
        let body: Vec<u8> = self.buffer.get(2..2 + length)?.to_vec();
        let opcode = self.buffer[0] & 0x0f;
        self.buffer.drain(..2 + length);
        Some(match opcode {
            0x1 => Saw::Text(String::from_utf8(body).unwrap()),
            0x8 => {
                let code = body
                    .get(..2)
                    .map_or(0, |code| u16::from_be_bytes([code[0], code[1]]));
                Saw::Close(
                    code,
                    String::from_utf8_lossy(body.get(2..).unwrap_or_default()).into_owned(),
                )
            }
            0xa => Saw::Pong,
            other => panic!("opcode {other}"),
        })
    }
}
