//! The world `memory`: the real axum app, WebSocket codec and client over in-memory streams, in virtual time.

use std::io;

use gateway_protocol::time::VIRTUAL_EPOCH;
use link::{FaultTable, MemoryNet, MemoryStream};
use mock_gateway::{MockGateway, Running};
use transcript::Recorder;

use super::arrange::Arrangement;
use super::sockets::{Pace, Parts, Road, Sockets};

/// The port in addresses of this world.
const PORT: u16 = 18_789;

/// Streams of a memory net.
#[derive(Clone)]
pub(crate) struct MemoryRoad {
    net: MemoryNet,
}

impl Road for MemoryRoad {
    type Stream = MemoryStream;

    fn open(&self) -> impl Future<Output = io::Result<MemoryStream>> + Send {
        std::future::ready(self.net.connect())
    }
}

/// The world at its beginning; must be called inside a runtime whose clock is paused.
pub(crate) fn memory(
    mut arrangement: Arrangement,
    recorder: Recorder,
    faults: FaultTable,
) -> Sockets<MemoryRoad, Running> {
    let net = MemoryNet::new(faults.clone());
    let running = match arrangement.gateway.take() {
        Some(gateway) => MockGateway::new().core(gateway),
        None => MockGateway::new(),
    }
    .recorder(recorder.clone())
    .faults(faults.clone())
    .serve_on(net.listener());
    let parts = Parts {
        road: MemoryRoad { net },
        pace: Pace::Virtual,
        port: PORT,
        epoch: VIRTUAL_EPOCH,
        peer: running,
        recorder,
        faults,
        arrangement,
    };
    Sockets::new(parts)
}
