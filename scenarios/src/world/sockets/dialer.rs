//! How a client of ours gets a stream in a world, and how a refused one is counted.

use std::io;
use std::sync::PoisonError;

use gateway_client::Connector;
use link::{FaultName, FaultTable};
use tokio::time::Instant;
use transcript::{Draft, Kind, Recorder};

use super::super::tether::{Knife, Tether};
use super::{Knives, Road};

/// Opens streams for one client.
pub(super) struct Dialer<C> {
    pub(super) road: C,
    pub(super) port: u16,
    pub(super) headers: Vec<String>,
    pub(super) knives: Knives,
    pub(super) toll: Toll,
}

/// Counts connects that were refused, where the gateway can't: by the system.
#[derive(Clone)]
pub(super) struct Toll {
    pub(super) faults: FaultTable,
    pub(super) recorder: Recorder,
    pub(super) begin: Instant,
    pub(super) actor: String,
}

impl Toll {
    pub(super) fn through<S>(&self, opened: io::Result<S>) -> io::Result<S> {
        let refused =
            matches!(&opened, Err(error) if error.kind() == io::ErrorKind::ConnectionRefused);
        if refused && let Some(conn) = self.faults.refused() {
            let t_us = u64::try_from(self.begin.elapsed().as_micros()).unwrap_or(u64::MAX);
            let draft = Draft::new(t_us, Kind::Fault).conn(conn).actor(&self.actor);
            self.recorder.record(draft.text(FaultName::Refuse.as_str()));
        }
        opened
    }
}

impl<C: Road> Connector for Dialer<C> {
    type Stream = Tether<C::Stream>;

    async fn connect(&self, url: &str) -> io::Result<Self::Stream> {
        // Nobody but the gateway listens in a world: any other port refuses, any host is this machine.
        if !url.contains(&format!(":{}", self.port)) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let stream = self.toll.through(self.road.open().await)?;
        let knife = Knife::default();
        self.knives
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(knife.clone());
        Ok(Tether::new(stream, &self.headers, knife))
    }
}
