//! The world `wsl`: set-ups in distros of this machine, namespaces or containers, with real processes in real time.
//!
//! The mock gateway runs in this process, so that its wire is recorded as in every world. The service in the distro is a
//! relay to it: it has the gateway's port and its life, and `openclaw` in the distro gives the mock orders. The real
//! OpenClaw runs in the distro itself, and a proxy records what our client says to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use gateway_core::Control;
use gateway_protocol::time::VIRTUAL_EPOCH;
use gateway_protocol::{SharedToken, UnixMillis};
use link::{FaultTable, Proxy, ProxyOptions};
use mock_gateway::{MockGateway, Running};
use serde_json::Value;
use transcript::Recorder;

use super::Refusal;
use super::arrange::Arrangement;
use super::loopback::TcpRoad;
use super::set_up::{Gateway, Ground};
use super::sockets::{Pace, Parts, Peer, Sockets};
use crate::real::RealError;
use crate::scenario::{BackEnd, Scenario, SetupActor};
use crate::setup::{RealOpenClaw, lease};

/// What is missing on this machine for a distro, with the remedy.
pub(crate) fn missing() -> Option<String> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    MISSING.get_or_init(look).clone()
}

fn look() -> Option<String> {
    let unshare = ["--mount", "--pid", "--fork", "--uts", "--ipc", "--", "true"];
    let mut command = Command::new("unshare");
    let is_root = cfg!(unix) && rights();
    if !is_root {
        command.args(["--user", "--map-root-user", "--map-auto"]);
    }
    command.args(unshare).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let can = command.status().is_ok_and(|status| status.success());
    (!can).then(|| {
        "namespaces of this machine (util-linux, iproute2, uidmap; in a container --privileged)"
            .to_owned()
    })
}

#[cfg(unix)]
fn rights() -> bool {
    nix::unistd::geteuid().is_root()
}

#[cfg(not(unix))]
fn rights() -> bool {
    false
}

/// What a scenario needs besides, with the remedy.
pub(crate) fn missing_for(scenario: &Scenario) -> Option<String> {
    let set_up = scenario.set_up()?;
    let in_containers = set_up.back_end == BackEnd::Containers;
    if in_containers && !cfg!(all(target_os = "linux", feature = "container")) {
        let how = "containers (Linux and cargo build --features container; ci/run containers)";
        return Some(how.to_owned());
    }
    #[cfg(all(target_os = "linux", feature = "container"))]
    if in_containers && let Some(missing) = no_containers() {
        return Some(missing);
    }
    real_openclaw(set_up).and_then(|found| {
        let error = found.err()?;
        Some(format!("{error}; {}", error.hint()))
    })
}

/// What is missing for distros in containers.
#[cfg(all(target_os = "linux", feature = "container"))]
fn no_containers() -> Option<String> {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    let look = || {
        let error = wsl_fixtures::backend::container::look().err()?;
        Some(error.to_string().replace("\nhint: ", "; "))
    };
    MISSING.get_or_init(look).clone()
}

/// The real OpenClaw of a set-up that wants it.
fn real_openclaw(set_up: &SetupActor) -> Option<Result<RealOpenClaw, RealError>> {
    let release = set_up.real_release()?;
    Some(RealOpenClaw::locate(&release))
}

/// The gateway's side of the world.
pub(crate) enum WslPeer {
    /// The mock, in this process.
    Mock(Box<Running>),
    /// A gateway in the distro, behind a proxy that records.
    Real(Proxy),
}

impl Peer for WslPeer {
    async fn control(&mut self, control: Control) -> Result<Value, Refusal> {
        match self {
            Self::Mock(running) => Peer::control(running.as_mut(), control).await,
            Self::Real(_) => Err(Refusal::new(
                "the gateway runs in the distro: only openclaw in it can give it orders",
            )),
        }
    }

    async fn view(&mut self) -> Value {
        match self {
            Self::Mock(running) => Peer::view(running.as_mut()).await,
            Self::Real(proxy) => super::real::open_connections(proxy),
        }
    }

    async fn stop(self) {
        match self {
            Self::Mock(running) => Peer::stop(*running).await,
            Self::Real(proxy) => proxy.stop().await,
        }
    }
}

/// The world at its beginning; must be called inside a runtime.
pub(crate) async fn wsl(
    mut arrangement: Arrangement,
    recorder: Recorder,
    faults: FaultTable,
) -> Result<Sockets<TcpRoad, WslPeer>, String> {
    let lease = lease().map_err(|error| error.to_string())?;
    let port = lease.port;
    let set_up = arrangement.setups.values().next().map(|plan| &plan.actor);
    let back_end = set_up.map(|actor| actor.back_end).unwrap_or_default();
    let real = set_up
        .and_then(real_openclaw)
        .transpose()
        .map_err(|error| format!("{error}; {}", error.hint()))?;
    let since_epoch = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let (pace, epoch) = match &real {
        None => (Pace::Real, VIRTUAL_EPOCH),
        Some(_) => (Pace::Foreign, UnixMillis(0).plus(since_epoch)),
    };
    let parts = match real {
        None => beside(&mut arrangement, &recorder, &faults, port).await?,
        Some(openclaw) => inside(&recorder, &faults, port, (epoch, openclaw))?,
    };
    let (peer, road, gateway) = parts;
    let ground = Ground {
        program: std::env::current_exe().map_err(|error| format!("this program: {error}"))?,
        port,
        _lease: Arc::new(lease),
        back_end,
        gateway,
    };
    let world = Sockets::new(Parts {
        road: TcpRoad { addr: road },
        pace,
        port,
        epoch,
        peer,
        recorder,
        faults,
        arrangement,
    });
    Ok(world.with_ground(ground))
}

type Sides = (WslPeer, SocketAddr, Gateway);

/// The mock in this process, which has the distro's port through a relay.
async fn beside(
    arrangement: &mut Arrangement,
    recorder: &Recorder,
    faults: &FaultTable,
    port: u16,
) -> Result<Sides, String> {
    let gateway = match arrangement.gateway.take() {
        Some(gateway) => MockGateway::new().core(gateway),
        None => MockGateway::new(),
    };
    let running = gateway
        .recorder(recorder.clone())
        .faults(faults.clone())
        .serve_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await
        .map_err(|error| format!("a TCP port on 127.0.0.1: {error}"))?;
    let control_token = arrangement.orders.clone();
    let control = running
        .open_control_port(SharedToken::new(control_token.clone()))
        .await
        .map_err(|error| format!("a control port on 127.0.0.1: {error}"))?;
    let gateway = Gateway::Mock {
        port: running.addr().port(),
        control_url: format!("http://{control}"),
        control_token,
    };
    let road = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    Ok((WslPeer::Mock(Box::new(running)), road, gateway))
}

/// A gateway in the distro: what our client says to it goes through a proxy, for the record.
fn inside(
    recorder: &Recorder,
    faults: &FaultTable,
    port: u16,
    (epoch, openclaw): (UnixMillis, RealOpenClaw),
) -> Result<Sides, String> {
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut options = ProxyOptions::new(upstream, recorder.clone(), faults.clone());
    options.epoch = epoch;
    let proxy = Proxy::start(options).map_err(|error| format!("a proxy on 127.0.0.1: {error}"))?;
    let road = proxy.addr();
    Ok((WslPeer::Real(proxy), road, Gateway::Real(openclaw)))
}
