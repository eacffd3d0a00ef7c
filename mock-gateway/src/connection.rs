//! One socket from accept to end: HTTP first, then, if it upgrades, the WebSocket driver on the same task.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use link::{Admission, Carrier, Controlled as _, FaultId, FaultName, FaultStream, FaultTable};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use transcript::{Draft, Kind, Recorder};

use crate::clock::Clock;
use crate::driver::Driver;
use crate::http::{self, RemoteIp, Site};
use crate::hub::{Accepted, HubHandle, Port};
use crate::server::Guest;
use crate::socket::Socket;
use crate::upgrade::{self, Refusal};

/// A test names itself with this header of its upgrade, for the transcript; nothing else looks at it.
const ACTOR_HEADER: &str = "x-clawproof-actor";

/// Where a proxy says its client is.
const FORWARDED_HEADER: &str = "x-forwarded-for";

/// Largest HTTP head. The real gateway takes 16 KiB, node's default.
const HTTP_BUFFER: usize = 16 * 1024;

/// What every socket task needs.
pub(crate) struct Shared {
    pub(crate) hub: HubHandle,
    pub(crate) recorder: Recorder,
    pub(crate) faults: FaultTable,
    pub(crate) clock: Clock,
    guest: Option<Guest>,
    http: http1::Builder,
    router: TowerToHyperService<Router>,
}

impl Shared {
    pub(crate) fn new(
        hub: HubHandle,
        site: Site,
        recorder: Recorder,
        faults: FaultTable,
        clock: Clock,
        guest: Option<Guest>,
    ) -> Self {
        let mut http = http1::Builder::new();
        // The date would be the machine's, not the run's.
        http.auto_date_header(false)
            .max_buf_size(HTTP_BUFFER)
            .half_close(false);
        Self {
            hub,
            recorder,
            faults,
            clock,
            guest,
            http,
            router: TowerToHyperService::new(http::router(site)),
        }
    }
}

/// Runs one accepted stream to its end.
pub(crate) async fn run<C: Carrier>(
    stream: FaultStream<C>,
    ip: IpAddr,
    shared: Arc<Shared>,
    cancel: CancellationToken,
) {
    let faults = &shared.faults;
    let conn = faults.next_connection();
    match faults.admit(conn) {
        // The last two are done by the stream and by the wire.
        Admission::Accept | Admission::Hold | Admission::UpgradeThenSilence => {}
        Admission::Refuse => {
            stream.control().reset();
            shared.recorder.record(refused(conn, &shared));
            return;
        }
    }
    faults.attach(conn, stream.control());
    let holds = faults.lasting_holds(conn);
    // On the heap, so that an idle WebSocket does not keep the room that HTTP needed.
    let served = Box::pin(serve_http(stream, conn, ip, &shared, &cancel));
    match while_held(faults, conn, holds, served).await {
        Some((stream, already_read, upgraded)) => {
            let Corked { io, held, .. } = stream;
            let socket = Socket::new(
                io,
                &already_read,
                held,
                gateway_protocol::limits::PRE_HELLO_MESSAGE_BYTES,
            );
            // The bytes keep all of HTTP's read buffer alive.
            drop(already_read);
            let mut driver = Driver::new(conn, socket, upgraded, &shared);
            driver.run(shared.faults.watch(), cancel.clone()).await;
            let unhealed = driver.unhealed();
            drop(driver);
            for (id, at) in unhealed {
                tokio::select! {
                    biased;
                    () = cancel.cancelled() => return,
                    () = tokio::time::sleep_until(at) => faults.heal_on(id, conn),
                }
            }
        }
        None => faults.detach(conn),
    }
}

/// Serves, and meanwhile ends the holds whose time is over.
async fn while_held<F: Future + Unpin>(
    faults: &FaultTable,
    conn: u32,
    holds: Vec<(FaultId, Duration)>,
    mut served: F,
) -> F::Output {
    let start = Instant::now();
    for (id, lasts) in holds {
        tokio::select! {
            biased;
            done = &mut served => return done,
            () = tokio::time::sleep_until(start + lasts) => faults.heal_on(id, conn),
        }
    }
    served.await
}

fn refused(conn: u32, shared: &Shared) -> Draft {
    Draft::new(shared.clock.micros(), Kind::Fault)
        .conn(conn)
        .text(FaultName::Refuse.as_str())
}

/// A connection that has upgraded, and who is at its other end.
pub(crate) struct Upgraded {
    pub(crate) accepted: Accepted,
    pub(crate) peer: Value,
}

/// Serves requests until the client leaves, the port closes, or a request has upgraded.
async fn serve_http<C: Carrier>(
    stream: FaultStream<C>,
    conn: u32,
    ip: IpAddr,
    shared: &Arc<Shared>,
    cancel: &CancellationToken,
) -> Option<(Corked<FaultStream<C>>, Bytes, Upgraded)> {
    let upgraded = Arc::<Mutex<Option<Upgraded>>>::default();
    // A fault may have to do with the very answer to the upgrade: then it is written at once.
    let cork = (!shared.faults.touches(conn)).then(|| Arc::clone(&upgraded));
    let stream = Corked {
        io: stream,
        held: Vec::new(),
        cork,
    };
    let service = PortService {
        conn,
        ip,
        shared: Arc::clone(shared),
        upgraded,
    };
    let mut port = shared.hub.port();
    let connection = shared
        .http
        .serve_connection(TokioIo::new(stream), service)
        .without_shutdown();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        () = cancel.cancelled() => return None,
        ended = &mut connection => ended,
        _ = port.wait_for(|port| *port != Port::Open) => return None,
    };
    let parts = match ended {
        Ok(parts) => parts,
        Err(error) => {
            tracing::debug!("http: {error}");
            return None;
        }
    };
    let upgraded = parts.service.take_upgraded()?;
    Some((parts.io.into_inner(), parts.read_buf, upgraded))
}

/// A stream that keeps back what is written once the connection has upgraded: the answer to the upgrade and the
/// challenge behind it then leave in one write, which is a system call and a wake-up of the client less.
struct Corked<S> {
    io: S,
    held: Vec<u8>,
    /// Filled by the upgrade; none for a stream that is never corked.
    cork: Option<Arc<Mutex<Option<Upgraded>>>>,
}

impl<S> Corked<S> {
    fn is_corked(&self) -> bool {
        let slot = self.cork.as_ref();
        slot.is_some_and(|slot| {
            slot.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .is_some()
        })
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Corked<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Corked<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_corked() {
            this.held.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut this.io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

/// One connection's view of the routes; remembers that it has upgraded.
struct PortService {
    conn: u32,
    ip: IpAddr,
    shared: Arc<Shared>,
    upgraded: Arc<Mutex<Option<Upgraded>>>,
}

impl PortService {
    fn take_upgraded(&self) -> Option<Upgraded> {
        self.upgraded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

/// The request was malformed in a way that gets no answer.
#[derive(Debug, thiserror::Error)]
#[error("hung up without an answer")]
struct HungUp;

impl Service<Request<Incoming>> for PortService {
    type Response = Response<Body>;
    type Error = HungUp;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, HungUp>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        if upgrade::wanted(&request) {
            let (conn, ip, shared) = (self.conn, self.ip, Arc::clone(&self.shared));
            let slot = Arc::clone(&self.upgraded);
            return Box::pin(async move {
                let (response, upgraded) = answer_upgrade(&request, conn, ip, &shared).await?;
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = upgraded;
                Ok(response)
            });
        }
        request.extensions_mut().insert(RemoteIp(self.ip));
        let answer = self.shared.router.call(request.map(Body::new));
        Box::pin(async move { answer.await.map_err(|never| match never {}) })
    }
}

async fn answer_upgrade(
    request: &Request<Incoming>,
    conn: u32,
    ip: IpAddr,
    shared: &Shared,
) -> Result<(Response<Body>, Option<Upgraded>), HungUp> {
    let checked = match upgrade::check(request) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return Ok((refusal.response(), None)),
    };
    let mut peer = upgrade::peer(ip, request.headers());
    let mut described = json!({"remoteIp": ip, "origin": peer.origin, "host": peer.host, "path": request.uri().path()});
    let named = request
        .headers()
        .get(ACTOR_HEADER)
        .and_then(|name| name.to_str().ok());
    let guest = shared.guest.as_ref().filter(|_| named.is_none());
    if let Some(address) = guest.and_then(|guest| guest.forwarded_for.clone()) {
        peer.headers.push((FORWARDED_HEADER.to_owned(), address));
    }
    let actor = named.or_else(|| guest.map(|guest| guest.actor.as_str()));
    if let (Some(actor), Some(described)) = (actor, described.as_object_mut()) {
        described.insert("actor".to_owned(), actor.into());
    }
    match shared.hub.upgrade(conn, peer).await.ok_or(HungUp)? {
        Ok(accepted) => Ok((
            checked.response(),
            Some(Upgraded {
                accepted,
                peer: described,
            }),
        )),
        Err(admission) => {
            let response = Refusal::of(admission).ok_or(HungUp)?;
            let (at, status) = (shared.clock.now().since_start, response.status().as_u16());
            let actor = described.get("actor").and_then(Value::as_str);
            let actor = actor.unwrap_or_default();
            shared
                .recorder
                .record(link::refused_upgrade(at, conn, actor, status));
            Ok((response, None))
        }
    }
}
