//! The world `loopback`: the same as `memory` over TCP on 127.0.0.1, in real time.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use gateway_protocol::UnixMillis;
use gateway_protocol::time::VIRTUAL_EPOCH;
use link::FaultTable;
use mock_gateway::{Guest, MockGateway, Running};
use tokio::net::TcpStream;
use transcript::Recorder;

use super::arrange::Arrangement;
use super::sockets::{Pace, Parts, Road, Sockets};

/// Streams to the gateway's port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpRoad {
    pub(super) addr: SocketAddr,
}

impl Road for TcpRoad {
    type Stream = TcpStream;

    async fn open(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.addr).await?;
        // Frames are small and answered one by one: Nagle would hold each for the peer's delayed ACK.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// The world at its beginning; must be called inside a runtime.
pub(crate) async fn loopback(
    mut arrangement: Arrangement,
    recorder: Recorder,
    faults: FaultTable,
    guest: Option<(Guest, UnixMillis)>,
) -> io::Result<Sockets<TcpRoad, Running>> {
    let gateway = match arrangement.gateway.take() {
        Some(gateway) => MockGateway::new().core(gateway),
        None => MockGateway::new(),
    };
    // A guest lives by the machine's clock.
    let (gateway, epoch) = match guest {
        Some((guest, epoch)) => (gateway.guest(guest).epoch(epoch), epoch),
        None => (gateway, VIRTUAL_EPOCH),
    };
    let running = gateway
        .recorder(recorder.clone())
        .faults(faults.clone())
        .serve_tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .await?;
    let addr = running.addr();
    let road = TcpRoad { addr };
    Ok(Sockets::new(Parts {
        road,
        pace: Pace::Real,
        port: addr.port(),
        epoch,
        peer: running,
        recorder,
        faults,
        arrangement,
    }))
}
