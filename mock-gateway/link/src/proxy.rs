//! A man in the middle: between any client and any gateway, byte for byte, recorded at the wire, and with faults.
//!
//! The client's handshake passes unchanged, and so does every byte after it, as long as no fault says otherwise.
//! Whole messages pass a [`Wire`] as they do inside of the mock gateway, so the transcript and the faults of a
//! connection are the same whoever the gateway is. A proxy that only records passes bytes the moment they come instead:
//! what it looks into is a copy. HTTP that does not upgrade passes as it is; that it did is noted.
//!
//! - [`Proxy`]: the port. `ends`: its streams, plain or TLS. `tunnel`: one connection after its upgrade.
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
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, copy, copy_bidirectional, split,
};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use transcript::{Draft, Kind, Recorder};

use crate::fault::FaultName;
use crate::stream::{Controlled as _, FaultStream};
use crate::table::{Admission, FaultTable};
use crate::tcp::TcpCarrier;
use crate::wire::Wire;

mod ends;
mod tunnel;

use ends::End;
pub use ends::ProxyTls;

/// Largest HTTP head that is looked into; node takes 16 KiB.
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
    /// TLS, on either side.
    pub tls: ProxyTls,
    /// Every byte passes the moment it is read, and what is recorded is a copy: nothing waits for the rest of its message,
    /// nothing overtakes it, and no fault changes a message.
    pub only_records: bool,
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
            tls: ProxyTls::default(),
            only_records: false,
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
    tls: ProxyTls,
    only_records: bool,
    /// Connections that are past the upgrade and have seen no close frame.
    open: Mutex<BTreeSet<u32>>,
}

impl Site {
    fn now(&self) -> Now {
        Now::at(self.began.elapsed(), self.epoch)
    }

    /// What was asked over HTTP, and how that was answered: the first exchange of a connection, without its content.
    fn note_http(&self, conn: u32, request: &Head, response: &Head) {
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let word = |head: &Head, at: usize| {
            let line = head.lines.first();
            line.and_then(|line| line.split(' ').nth(at))
                .unwrap_or_default()
                .to_owned()
        };
        let (method, status) = (word(request, 0), word(response, 1));
        if method.is_empty() {
            return;
        }
        let path = request.path().unwrap_or_default();
        let draft = Draft::new(micros, Kind::Note).text(format!("HTTP {method} {path} {status}"));
        self.recorder.record(draft.data(json!({ "http": conn })));
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
            tls: options.tls,
            only_records: options.only_records,
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
    client: FaultStream<TcpStream>,
    conn: u32,
    ip: IpAddr,
    site: &Arc<Site>,
    is_websocket: &mut bool,
) -> io::Result<()> {
    let control = client.control();
    let mut client = End::of_client(client, &site.tls).await?;
    let request = read_head(&mut client).await?;
    let head = Head::of(&request.head);
    let is_forwarded = head.header("x-forwarded-for").is_some();
    let mut gateway = match End::to_gateway(site, is_forwarded).await {
        Ok(gateway) => gateway,
        Err(error) => {
            // Nobody is at home, or nobody who can be believed: the client must see an end that no gateway would make.
            control.reset();
            tracing::warn!(conn, "no gateway at {}: {error}", site.upstream);
            return Ok(());
        }
    };
    gateway.write_all(&request.head).await?;
    if request.is_whole && head.wants_upgrade() {
        let response = read_head(&mut gateway).await?;
        client.write_all(&response.head).await?;
        let answer = Head::of(&response.head);
        if response.is_whole && answer.is_switching() {
            *is_websocket = true;
            let wire = Wire::new(conn, site.faults.clone(), site.recorder.clone());
            wire.opened(site.now(), head.described(ip, client.is_tls(), site));
            site.set_open(conn, true);
            let ends = (client, control, gateway);
            let tunnel = tunnel::Tunnel::new(wire, Arc::clone(site));
            return tunnel.run(ends, &request.rest, &response.rest).await;
        }
        site.note_http(conn, &head, &answer);
        client.write_all(&response.rest).await?;
    }
    gateway.write_all(&request.rest).await?;
    let copied = if head.wants_upgrade() {
        let copied = copy_bidirectional(&mut client, &mut gateway).await;
        copied.map(|_bytes| ())
    } else {
        exchange(&mut client, &mut gateway, |answer| {
            site.note_http(conn, &head, answer);
        })
        .await
    };
    if copied.is_err() {
        // One of them broke off, and the other must see that.
        control.reset();
        gateway.abort();
    }
    Ok(())
}

/// Passes bytes both ways until both sides have ended, and shows the head of what the gateway answers.
async fn exchange(
    client: &mut End,
    gateway: &mut End,
    answered: impl FnOnce(&Head),
) -> io::Result<()> {
    let (mut from_client, mut to_client) = split(client);
    let (mut from_gateway, mut to_gateway) = split(gateway);
    let up = async {
        copy(&mut from_client, &mut to_gateway).await?;
        to_gateway.shutdown().await
    };
    let down = async {
        let response = read_head(&mut from_gateway).await?;
        answered(&Head::of(&response.head));
        to_client.write_all(&response.head).await?;
        to_client.write_all(&response.rest).await?;
        copy(&mut from_gateway, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(up, down)?;
    Ok(())
}

/// What was read up to and with the blank line of an HTTP message, and what was read beyond it.
struct ReadHead {
    head: Vec<u8>,
    rest: Vec<u8>,
    /// The blank line came.
    is_whole: bool,
}

/// Reads to the blank line, to the end of the stream, or until there is more than any head holds.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<ReadHead> {
    let mut head = Vec::with_capacity(1024);
    loop {
        if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = head.split_off(at + 4);
            let is_whole = true;
            return Ok(ReadHead {
                head,
                rest,
                is_whole,
            });
        }
        if head.len() > LARGEST_HEAD || stream.read_buf(&mut head).await? == 0 {
            let (rest, is_whole) = (Vec::new(), false);
            return Ok(ReadHead {
                head,
                rest,
                is_whole,
            });
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
    fn described(&self, ip: IpAddr, is_tls: bool, site: &Site) -> Value {
        let mut described = json!({
            "remoteIp": ip,
            "origin": self.header("origin"),
            "host": self.header("host"),
            "path": self.path(),
        });
        let Some(fields) = described.as_object_mut() else {
            return described;
        };
        if let Some(actor) = self.header(ACTOR_HEADER).or(site.guest.as_deref()) {
            fields.insert("actor".to_owned(), actor.into());
        }
        if let Some(protocol) = self.header("sec-websocket-protocol") {
            fields.insert("subprotocols".to_owned(), protocol.into());
        }
        if is_tls {
            fields.insert("tls".to_owned(), true.into());
        }
        described
    }

    /// The path of a request without its query, which may hold a token.
    fn path(&self) -> Option<&str> {
        let target = self.lines.first()?.split(' ').nth(1)?;
        target.split('?').next()
    }
}
