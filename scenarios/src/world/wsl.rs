//! The world `wsl`: set-ups over the namespace back-end of `wsl-fixtures`, with real processes in real time.
//!
//! The mock gateway runs in this process, so that its wire is recorded as in every world. The service in the distro is a
//! relay to it: it has the gateway's port and its life, and `openclaw` in the distro gives the mock orders.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use gateway_protocol::SharedToken;
use gateway_protocol::time::VIRTUAL_EPOCH;
use link::FaultTable;
use mock_gateway::{MockGateway, Running};
use transcript::Recorder;

use super::arrange::Arrangement;
use super::loopback::TcpRoad;
use super::set_up::Ground;
use super::sockets::{Pace, Parts, Sockets};
use crate::setup::free_port;

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

/// The world at its beginning; must be called inside a runtime.
pub(crate) async fn wsl(
    mut arrangement: Arrangement,
    recorder: Recorder,
    faults: FaultTable,
) -> Result<Sockets<TcpRoad, Running>, String> {
    let port = free_port().map_err(|error| error.to_string())?;
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
    let ground = Ground {
        program: std::env::current_exe().map_err(|error| format!("this program: {error}"))?,
        port,
        gateway: running.addr().port(),
        control_url: format!("http://{control}"),
        control_token,
    };
    let road = TcpRoad {
        addr: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
    };
    let world = Sockets::new(Parts {
        road,
        pace: Pace::Real,
        port,
        epoch: VIRTUAL_EPOCH,
        peer: running,
        recorder,
        faults,
        arrangement,
    });
    Ok(world.with_ground(ground))
}
