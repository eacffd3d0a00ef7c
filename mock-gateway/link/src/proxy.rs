//! A man in the middle: between any client and any gateway, byte for byte, recorded at the wire, and with faults.
//!
//! The client's handshake passes unchanged, and so does every byte after it, as long as no fault says otherwise.
//! Whole messages pass a [`Wire`] as they do inside of the mock gateway, so the transcript and the faults of a
//! connection are the same whoever the gateway is. HTTP that does not upgrade passes as it is and is not recorded.
//!
//! - [`Proxy`]: the port. `tunnel`: one connection after its upgrade.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use link::{FaultTable, Proxy, ProxyOptions};
//! use transcript::{Header, Recorder};
//! let recorder = Recorder::in_memory(Header::new(1, "real", "real version 2026.9.6"));
//! let options = ProxyOptions::new(([127, 0, 0, 1], 18_789).into(), recorder, FaultTable::new());
//! let proxy = Proxy::start(options)?;
//! println!("point your client at ws://{}", proxy.addr());
//! # proxy.stop().await; Ok(())
//! # }
//! ```

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::serve::Listener as _;
use gateway_protocol::time::VIRTUAL_EPOCH;
use gateway_protocol::{Now, UnixMillis};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transcript::{Draft, Kind, Recorder};

use crate::fault::FaultName;
use crate::stream::{Controlled as _, FaultStream};
use crate::table::{Admission, FaultTable};
use crate::tcp::TcpCarrier;
use crate::wire::Wire;

mod tunnel;

/// Largest HTTP head that is waited for; node takes 16 KiB.
const LARGEST_HEAD: usize = 64 * 1024;

/// A test names itself with this header of its upgrade, for the transcript; no gateway looks at it.
const ACTOR_HEADER: &str = "x-clawproof-actor";

/// What a proxy is told once.
#[derive(Clone, Debug)]
pub struct ProxyOptions {
    /// Where the gateway is.
    pub upstream: SocketAddr,
    /// Where clients connect; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the wire is recorded.
    pub recorder: Recorder,
    /// Faults that can be installed while it runs.
    pub faults: FaultTable,
    /// What the wall clock reads at the start.
    pub epoch: UnixMillis,
    /// The address that a connection with `X-Forwarded-For` comes from, for a gateway that trusts a proxy there.
    pub forwarding_from: Option<IpAddr>,
    /// The actor behind connections that name none.
    pub guest: Option<String>,
}

impl ProxyOptions {
    /// A free port on 127.0.0.1 in front of `upstream`.
    pub fn new(upstream: SocketAddr, recorder: Recorder, faults: FaultTable) -> Self {
        Self {
            upstream,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            recorder,
            faults,
            epoch: VIRTUAL_EPOCH,
            forwarding_from: None,
            guest: None,
        }
    }
}

/// A port in front of a gateway. Dropping it ends every connection.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    site: Arc<Site>,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

/// What every connection needs.
#[derive(Debug)]
struct Site {
    upstream: SocketAddr,
    recorder: Recorder,
    faults: FaultTable,
    began: Instant,
    epoch: UnixMillis,
    forwarding_from: Option<IpAddr>,
    guest: Option<String>,
    /// Connections that are past the upgrade and have seen no close frame.
    open: Mutex<BTreeSet<u32>>,
}

impl Site {
    fn now(&self) -> Now {
        Now::at(self.began.elapsed(), self.epoch)
    }

    fn set_open(&self, conn: u32, is_open: bool) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if is_open {
            open.insert(conn);
        } else {
            open.remove(&conn);
        }
    }
}

impl Proxy {
    /// Opens the port. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// What the system says about the address.
    pub fn start(options: ProxyOptions) -> io::Result<Self> {
        let mut listener = TcpCarrier::bind(options.listen, &options.faults)?;
        let addr = listener.addr();
        let site = Arc::new(Site {
            upstream: options.upstream,
            recorder: options.recorder,
            faults: options.faults,
            began: Instant::now(),
            epoch: options.epoch,
            forwarding_from: options.forwarding_from,
            guest: options.guest,
            open: Mutex::default(),
        });
        let (tasks, cancel) = (TaskTracker::new(), CancellationToken::new());
        let (shared, connections, stopped) = (Arc::clone(&site), tasks.clone(), cancel.clone());
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = stopped.cancelled() => return,
                    (stream, peer) = listener.accept() => {
                        connections.spawn(run(stream, peer.ip(), Arc::clone(&shared), stopped.clone()));
                    }
                }
            }
        });
        Ok(Self {
            addr,
            site,
            tasks,
            cancel,
        })
    }

    /// Where clients connect.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Connections past their upgrade whose end is not in sight, by number.
    pub fn open(&self) -> Vec<u32> {
        let open = self
            .site
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.iter().copied().collect()
    }

    /// Ends every connection and closes the port.
    pub async fn stop(self) {
        self.cancel.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// One accepted stream, to its end.
async fn run(
    stream: FaultStream<TcpStream>,
    ip: IpAddr,
    site: Arc<Site>,
    cancel: CancellationToken,
) {
    let conn = site.faults.next_connection();
    if site.faults.admit(conn) == Admission::Refuse {
        stream.control().reset();
        let at = u64::try_from(site.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let draft = Draft::new(at, Kind::Fault).conn(conn);
        site.recorder.record(draft.text(FaultName::Refuse.as_str()));
        return;
    }
    site.faults.attach(conn, stream.control());
    let mut is_websocket = false;
    tokio::select! {
        biased;
        () = cancel.cancelled() => {}
        ended = serve(stream, conn, ip, &site, &mut is_websocket) => {
            if let Err(error) = ended {
                tracing::debug!(conn, "proxied connection: {error}");
            }
        }
    }
    site.set_open(conn, false);
    if !is_websocket {
        site.faults.detach(conn);
    }
}

/// The handshake, then whatever it led to.
async fn serve(
    mut client: FaultStream<TcpStream>,
    conn: u32,
    ip: IpAddr,
    site: &Arc<Site>,
    is_websocket: &mut bool,
) -> io::Result<()> {
    let Some(request) = read_head(&mut client).await? else {
        return Ok(());
    };
    let head = Head::of(&request.head);
    let mut upstream = match connect(site, head.header("x-forwarded-for").is_some()).await {
        Ok(upstream) => upstream,
        Err(error) => {
            // Nobody is at home: the client must see an end that no gateway would make.
            client.control().reset();
            tracing::warn!(conn, "no gateway at {}: {error}", site.upstream);
            return Ok(());
        }
    };
    upstream.set_nodelay(true)?;
    upstream.write_all(&request.head).await?;
    if !head.wants_upgrade() {
        upstream.write_all(&request.rest).await?;
        copy_bidirectional(&mut client, &mut upstream).await?;
        return Ok(());
    }
    let Some(response) = read_head(&mut upstream).await? else {
        return client.shutdown().await;
    };
    client.write_all(&response.head).await?;
    if !Head::of(&response.head).is_switching() {
        client.write_all(&response.rest).await?;
        upstream.write_all(&request.rest).await?;
        copy_bidirectional(&mut client, &mut upstream).await?;
        return Ok(());
    }
    *is_websocket = true;
    let wire = Wire::new(conn, site.faults.clone(), site.recorder.clone());
    wire.opened(site.now(), head.described(ip, site.guest.as_deref()));
    site.set_open(conn, true);
    tunnel::Tunnel::new(wire, Arc::clone(site))
        .run(client, upstream, &request.rest, &response.rest)
        .await
}

async fn connect(site: &Site, is_forwarded: bool) -> io::Result<TcpStream> {
    let socket = if site.upstream.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    if let Some(from) = site.forwarding_from
        && is_forwarded
    {
        socket.bind(SocketAddr::from((from, 0)))?;
    }
    socket.connect(site.upstream).await
}

/// The head of an HTTP message with its blank line, and what was read beyond it.
struct ReadHead {
    head: Vec<u8>,
    rest: Vec<u8>,
}

/// Reads to the blank line; none when the stream ended before.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<ReadHead>> {
    let mut head = Vec::with_capacity(1024);
    loop {
        if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = head.split_off(at + 4);
            return Ok(Some(ReadHead { head, rest }));
        }
        if head.len() > LARGEST_HEAD {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the head of the request has no end",
            ));
        }
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
}

/// The lines of a head, to look at; what passes is never made from them.
struct Head {
    lines: Vec<String>,
}

impl Head {
    fn of(bytes: &[u8]) -> Self {
        let lines = String::from_utf8_lossy(bytes)
            .lines()
            .map(str::to_owned)
            .collect();
        Self { lines }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.lines.iter().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known
                .trim()
                .eq_ignore_ascii_case(name)
                .then(|| value.trim())
        })
    }

    fn wants_upgrade(&self) -> bool {
        self.header("upgrade").is_some()
    }

    fn is_switching(&self) -> bool {
        let status = self.lines.first().and_then(|line| line.split(' ').nth(1));
        status == Some("101")
    }

    /// As the mock gateway describes an upgrade, for the transcript.
    fn described(&self, ip: IpAddr, guest: Option<&str>) -> Value {
        let target = self.lines.first().and_then(|line| line.split(' ').nth(1));
        let path = target.map(|target| target.split('?').next().unwrap_or(target));
        let mut described = json!({
            "remoteIp": ip,
            "origin": self.header("origin"),
            "host": self.header("host"),
            "path": path,
        });
        let actor = self.header(ACTOR_HEADER).or(guest);
        if let (Some(actor), Some(fields)) = (actor, described.as_object_mut()) {
            fields.insert("actor".to_owned(), actor.into());
        }
        described
    }
}
