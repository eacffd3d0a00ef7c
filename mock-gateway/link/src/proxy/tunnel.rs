//! One connection after its upgrade: two streams, and a wire between them.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use transcript::Direction;

use super::Site;
use crate::frames::{FrameCutter, Piece, encode};
use crate::message::WireMessage;
use crate::rule::Cut;
use crate::stream::{Carrier as _, Controlled as _, FaultStream, StreamControl, hold_open, linger};
use crate::wire::{Departure, Wire};

/// Bytes read at once.
const READ: usize = 16 * 1024;

/// A side is not read while this many bytes wait for the other one.
const WRITE_AHEAD: usize = 1024 * 1024;

/// Messages whose bytes are remembered while they are on the wire; a fault that loses more makes them anew.
const REMEMBERED: usize = 1024;

/// How long the second half of a connection may outlive the first; node's `ws` waits as long.
const LINGER: Duration = Duration::from_secs(30);

/// One direction of the connection.
#[derive(Default)]
struct Half {
    cutter: FrameCutter,
    /// Messages on the wire and the bytes that they were.
    originals: VecDeque<(WireMessage, Vec<u8>)>,
    /// Bytes on their way to the other side.
    out: Vec<u8>,
    /// The reading side has ended.
    has_ended: bool,
    /// Our writing side has been ended.
    is_shut: bool,
    /// A close frame has passed.
    has_closed: bool,
}

impl Half {
    /// Writes as much as the stream takes without waiting; a broken one shows itself to the next read.
    fn write_now(&mut self, stream: &mut (impl AsyncWrite + Unpin)) {
        let mut context = Context::from_waker(Waker::noop());
        while !self.out.is_empty() {
            match Pin::new(&mut *stream).poll_write(&mut context, &self.out) {
                Poll::Ready(Ok(count)) if count > 0 => drop(self.out.drain(..count)),
                Poll::Ready(_) | Poll::Pending => return,
            }
        }
    }
}

/// What happened next.
enum Event {
    Read(Direction, io::Result<usize>),
    Wrote(Direction, io::Result<usize>),
    WireMoved,
    Late,
}

/// How a connection ended.
enum Over {
    /// Both sides have ended, or one has waited too long for the other.
    InOrder,
    /// A stream broke: both peers must see an abrupt end, as they would without us.
    Broken,
    /// A fault cut it.
    Cut(Cut),
}

/// The messages of one connection between its two streams.
pub(super) struct Tunnel {
    wire: Wire,
    site: Arc<Site>,
    up: Half,
    down: Half,
}

/// Both streams, split.
struct Ends {
    client_read: ReadHalf<FaultStream<TcpStream>>,
    client_write: WriteHalf<FaultStream<TcpStream>>,
    gateway_read: ReadHalf<TcpStream>,
    gateway_write: WriteHalf<TcpStream>,
}

impl Tunnel {
    pub(super) fn new(wire: Wire, site: Arc<Site>) -> Self {
        Self {
            wire,
            site,
            up: Half::default(),
            down: Half::default(),
        }
    }

    /// Runs the connection to its end; the last two are what was read beyond the handshake.
    pub(super) async fn run(
        mut self,
        client: FaultStream<TcpStream>,
        gateway: TcpStream,
        from_client: &[u8],
        from_gateway: &[u8],
    ) -> io::Result<()> {
        let control = client.control();
        let (client_read, client_write) = tokio::io::split(client);
        let (gateway_read, gateway_write) = tokio::io::split(gateway);
        let mut ends = Ends {
            client_read,
            client_write,
            gateway_read,
            gateway_write,
        };
        self.take(Direction::ClientToGateway, from_client);
        self.take(Direction::GatewayToClient, from_gateway);
        let over = self.carry_on(&mut ends).await;
        let client = ends.client_read.unsplit(ends.client_write);
        let mut gateway = ends.gateway_read.unsplit(ends.gateway_write);
        match over {
            Over::InOrder => Ok(()),
            Over::Broken => {
                control.reset();
                gateway.abort();
                Ok(())
            }
            Over::Cut(cut) => self.after_cut(cut, client, gateway, &control).await,
        }
    }

    /// Moves bytes until both sides have ended, or a fault cuts the connection.
    async fn carry_on(&mut self, ends: &mut Ends) -> Over {
        let mut changes = self.site.faults.watch();
        let (mut from_client, mut from_gateway) = (vec![0; READ], vec![0; READ]);
        let mut linger: Option<Instant> = None;
        loop {
            if let Some(cut) = self.carry(ends) {
                return Over::Cut(cut);
            }
            self.shut_ended(ends).await;
            if self.up.is_shut && self.down.is_shut {
                return Over::InOrder;
            }
            if self.up.has_ended || self.down.has_ended {
                linger.get_or_insert_with(|| Instant::now() + LINGER);
            }
            let due = self.wire.next_deadline().map(|at| self.site.began + at);
            let reads_client = !self.up.has_ended && self.up.out.len() < WRITE_AHEAD;
            let reads_gateway = !self.down.has_ended && self.down.out.len() < WRITE_AHEAD;
            let event = tokio::select! {
                biased;
                done = ends.client_write.write(&self.down.out), if !self.down.out.is_empty() => {
                    Event::Wrote(Direction::GatewayToClient, done)
                }
                done = ends.gateway_write.write(&self.up.out), if !self.up.out.is_empty() => {
                    Event::Wrote(Direction::ClientToGateway, done)
                }
                done = ends.client_read.read(&mut from_client), if reads_client => {
                    Event::Read(Direction::ClientToGateway, done)
                }
                done = ends.gateway_read.read(&mut from_gateway), if reads_gateway => {
                    Event::Read(Direction::GatewayToClient, done)
                }
                changed = changes.changed() => {
                    if changed.is_err() {
                        return Over::InOrder;
                    }
                    Event::WireMoved
                }
                () = until(due), if due.is_some() => Event::WireMoved,
                () = until(linger), if linger.is_some() => Event::Late,
            };
            let over = match event {
                Event::Read(dir, done) => {
                    let bytes = match dir {
                        Direction::ClientToGateway => &from_client,
                        Direction::GatewayToClient => &from_gateway,
                    };
                    self.read(dir, done, bytes)
                }
                Event::Wrote(dir, done) => self.wrote(dir, done),
                Event::WireMoved => false,
                Event::Late => return Over::InOrder,
            };
            if over {
                return Over::Broken;
            }
        }
    }

    /// Takes what was read; true when the stream broke.
    fn read(&mut self, dir: Direction, done: io::Result<usize>, bytes: &[u8]) -> bool {
        match done {
            Ok(0) => {
                if !self.half(dir).has_closed {
                    self.wire.eof(self.site.now(), dir);
                }
                self.half(dir).has_ended = true;
                false
            }
            Ok(count) => {
                self.take(dir, bytes.get(..count).unwrap_or_default());
                false
            }
            Err(_reset) => {
                self.wire.reset(self.site.now(), dir);
                true
            }
        }
    }

    fn wrote(&mut self, dir: Direction, done: io::Result<usize>) -> bool {
        match done {
            Ok(count) => {
                self.half(dir).out.drain(..count);
                false
            }
            Err(_broken) => {
                // Nobody takes it any more: whoever still writes to us must see that.
                self.wire.reset(self.site.now(), dir.opposite());
                true
            }
        }
    }

    /// Bytes of one side enter the wire as messages.
    fn take(&mut self, dir: Direction, bytes: &[u8]) {
        let now = self.site.now();
        let half = match dir {
            Direction::ClientToGateway => &mut self.up,
            Direction::GatewayToClient => &mut self.down,
        };
        half.cutter.push(bytes);
        while let Some(piece) = half.cutter.next() {
            match piece {
                Piece::Message { message, raw } => {
                    if half.originals.len() >= REMEMBERED {
                        half.originals.pop_front();
                    }
                    half.originals.push_back((message.clone(), raw));
                    self.wire.enter(now, dir, message);
                }
                Piece::Opaque(mut raw) => half.out.append(&mut raw),
            }
        }
    }

    /// Moves everything that is due over the wire. What was delivered before a cut is written before it.
    fn carry(&mut self, ends: &mut Ends) -> Option<Cut> {
        loop {
            let now = self.site.now();
            if self.wire.cuts_next(now) {
                self.up.write_now(&mut ends.gateway_write);
                self.down.write_now(&mut ends.client_write);
            }
            let leaving = self.wire.poll(now)?;
            match leaving.what {
                Departure::Deliver(message) => self.deliver(leaving.dir, &message),
                Departure::Cut(cut) => return Some(cut),
            }
        }
    }

    /// A message leaves as the bytes that it was; one that a fault made is written anew.
    fn deliver(&mut self, dir: Direction, message: &WireMessage) {
        if matches!(message, WireMessage::Close(_)) {
            self.half(dir).has_closed = true;
            self.site.set_open(self.wire.conn(), false);
        }
        let half = self.half(dir);
        let known = half
            .originals
            .iter()
            .position(|(known, _)| known == message);
        match known.and_then(|at| half.originals.remove(at)) {
            Some((_, mut raw)) => half.out.append(&mut raw),
            None => half
                .out
                .append(&mut encode(message, dir == Direction::ClientToGateway)),
        }
    }

    fn half(&mut self, dir: Direction) -> &mut Half {
        match dir {
            Direction::ClientToGateway => &mut self.up,
            Direction::GatewayToClient => &mut self.down,
        }
    }

    /// Ends our writing side once what came from the ended one has been written.
    async fn shut_ended(&mut self, ends: &mut Ends) {
        let is_idle = self.wire.next_deadline().is_none();
        if self.up.has_ended && !self.up.is_shut && self.up.out.is_empty() && is_idle {
            self.up.is_shut = true;
            if let Err(error) = ends.gateway_write.shutdown().await {
                tracing::trace!("the gateway has gone: {error}");
            }
        }
        if self.down.has_ended && !self.down.is_shut && self.down.out.is_empty() && is_idle {
            self.down.is_shut = true;
            if let Err(error) = ends.client_write.shutdown().await {
                tracing::trace!("the client has gone: {error}");
            }
        }
    }

    /// Does what is left of a cut. The wire has done its part to the client's stream; the gateway sees its end.
    async fn after_cut(
        self,
        cut: Cut,
        mut client: FaultStream<TcpStream>,
        gateway: TcpStream,
        control: &StreamControl,
    ) -> io::Result<()> {
        drop(gateway);
        self.site.set_open(self.wire.conn(), false);
        match cut {
            Cut::Reset => Ok(()),
            Cut::FinWithoutClose | Cut::CloseWithoutReply => {
                hold_open(&mut client).await;
                Ok(())
            }
            Cut::CloseThenReset(frame) => {
                let close = encode(&WireMessage::Close(Some(frame)), false);
                client.write_all(&close).await?;
                control.reset();
                Ok(())
            }
            Cut::ReplyWithoutClose => {
                client.write_all(&self.reply_to_close()).await?;
                hold_open(&mut client).await;
                Ok(())
            }
            Cut::LateFin(delay) => {
                client.write_all(&self.reply_to_close()).await?;
                linger(&mut client, delay).await;
                client.shutdown().await
            }
        }
    }

    /// The answer to the client's close frame, which is the frame itself.
    fn reply_to_close(&self) -> Vec<u8> {
        let reply = self.up.originals.iter().rev().find_map(|(message, _)| {
            matches!(message, WireMessage::Close(_)).then(|| message.clone())
        });
        encode(&reply.unwrap_or(WireMessage::Close(None)), false)
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
