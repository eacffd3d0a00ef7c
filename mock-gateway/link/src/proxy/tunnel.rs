//! One connection after its upgrade: two streams, and a wire between them.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until};
use transcript::Direction;

use super::Site;
use super::ends::End;
use crate::frames::{FrameCutter, Piece, encode};
use crate::message::WireMessage;
use crate::rule::Cut;
use crate::stream::{StreamControl, hold_open, linger};
use crate::wire::{Departure, Wire};

/// Bytes read at once.
const READ: usize = 16 * 1024;

/// A side is not read while this many bytes wait for the other one.
const WRITE_AHEAD: usize = 1024 * 1024;

/// Messages whose bytes are remembered while they are on the wire; a fault that loses more makes them anew.
const REMEMBERED: usize = 1024;

/// What the record says where it ends before the conversation does.
const OPAQUE: &str = "what follows passed and was not looked into: it is no plain WebSocket (an extension, more than 32 MiB, a mistake)";

/// How long the second half of a connection may outlive the first; node's `ws` waits as long.
const LINGER: Duration = Duration::from_secs(30);

/// One direction of the connection.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each comes true once, at a time of its own"
)]
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
    /// What passes is no longer looked into.
    is_opaque: bool,
    /// Under TLS what was written may wait in the stream.
    is_unflushed: bool,
}

impl Half {
    /// Whether anything is to be written or flushed.
    fn pushes(&self) -> bool {
        self.is_unflushed || !self.out.is_empty()
    }

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
    Flushed(Direction, io::Result<()>),
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
    client_read: ReadHalf<End>,
    client_write: WriteHalf<End>,
    gateway_read: ReadHalf<End>,
    gateway_write: WriteHalf<End>,
    client_tls: bool,
    gateway_tls: bool,
    from_client: Vec<u8>,
    from_gateway: Vec<u8>,
}

impl Ends {
    /// Whether what travels this way is written under TLS.
    const fn is_tls(&self, dir: Direction) -> bool {
        match dir {
            Direction::ClientToGateway => self.gateway_tls,
            Direction::GatewayToClient => self.client_tls,
        }
    }
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
        (client, control, gateway): (End, StreamControl, End),
        from_client: &[u8],
        from_gateway: &[u8],
    ) -> io::Result<()> {
        let (client_tls, gateway_tls) = (client.is_tls(), gateway.is_tls());
        (self.up.is_unflushed, self.down.is_unflushed) = (gateway_tls, client_tls);
        let (client_read, client_write) = tokio::io::split(client);
        let (gateway_read, gateway_write) = tokio::io::split(gateway);
        let mut ends = Ends {
            client_read,
            client_write,
            gateway_read,
            gateway_write,
            client_tls,
            gateway_tls,
            from_client: vec![0; READ],
            from_gateway: vec![0; READ],
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
            let event = tokio::select! {
                biased;
                event = moved(&self.up, &self.down, due, ends) => event,
                changed = changes.changed() => match changed {
                    Ok(()) => Event::WireMoved,
                    Err(_gone) => Event::Late,
                },
                () = until(linger), if linger.is_some() => Event::Late,
            };
            let over = match event {
                Event::Read(dir, done) => self.read(dir, done, ends),
                Event::Wrote(dir, done) => {
                    self.half(dir).is_unflushed = ends.is_tls(dir);
                    self.wrote(dir, done)
                }
                Event::Flushed(dir, done) => {
                    self.half(dir).is_unflushed = false;
                    self.wrote(dir, done.map(|()| 0))
                }
                Event::WireMoved => false,
                Event::Late => return Over::InOrder,
            };
            if over {
                return Over::Broken;
            }
        }
    }

    /// Takes what was read; true when the stream broke.
    fn read(&mut self, dir: Direction, done: io::Result<usize>, ends: &Ends) -> bool {
        match done {
            Ok(0) => {
                if !self.half(dir).has_closed {
                    self.wire.eof(self.site.now(), dir);
                }
                self.half(dir).has_ended = true;
                false
            }
            Ok(count) => {
                let bytes = match dir {
                    Direction::ClientToGateway => &ends.from_client,
                    Direction::GatewayToClient => &ends.from_gateway,
                };
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

    /// Bytes of one side enter the wire as messages; where it only records, the bytes themselves are on their way already.
    fn take(&mut self, dir: Direction, bytes: &[u8]) {
        let now = self.site.now();
        let only_records = self.site.only_records;
        let half = match dir {
            Direction::ClientToGateway => &mut self.up,
            Direction::GatewayToClient => &mut self.down,
        };
        if only_records {
            half.out.extend_from_slice(bytes);
        }
        half.cutter.push(bytes);
        while let Some(piece) = half.cutter.next() {
            match piece {
                Piece::Message { message, .. } if only_records => {
                    half.has_closed |= matches!(message, WireMessage::Close(_));
                    self.wire.enter(now, dir, message);
                }
                Piece::Opaque(_) if only_records => {
                    if !std::mem::replace(&mut half.is_opaque, true) {
                        self.wire.note(now, dir, OPAQUE);
                    }
                }
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
        if self.site.only_records {
            return;
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
        mut client: End,
        gateway: End,
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

/// Waits until bytes move, or something on the wire is due.
async fn moved(up: &Half, down: &Half, due: Option<Instant>, ends: &mut Ends) -> Event {
    let reads_client = !up.has_ended && up.out.len() < WRITE_AHEAD;
    let reads_gateway = !down.has_ended && down.out.len() < WRITE_AHEAD;
    tokio::select! {
        biased;
        event = push(&mut ends.client_write, Direction::GatewayToClient, down), if down.pushes() => event,
        event = push(&mut ends.gateway_write, Direction::ClientToGateway, up), if up.pushes() => event,
        done = ends.client_read.read(&mut ends.from_client), if reads_client => {
            Event::Read(Direction::ClientToGateway, done)
        }
        done = ends.gateway_read.read(&mut ends.from_gateway), if reads_gateway => {
            Event::Read(Direction::GatewayToClient, done)
        }
        () = until(due), if due.is_some() => Event::WireMoved,
        else => std::future::pending().await,
    }
}

/// Writes what waits; flushes when nothing does.
async fn push(stream: &mut WriteHalf<End>, dir: Direction, half: &Half) -> Event {
    if half.out.is_empty() {
        Event::Flushed(dir, stream.flush().await)
    } else {
        Event::Wrote(dir, stream.write(&half.out).await)
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
