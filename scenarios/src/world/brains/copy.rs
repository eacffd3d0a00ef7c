//! One world for many runs that begin alike: at rest it can be copied, and each copy goes its own way.

use std::collections::BTreeMap;
use std::time::Duration;

use link::FaultTable;
use transcript::Recorder;

use super::super::arrange::client_seed;
use super::super::draw::Draw;
use super::Brains;

impl Brains {
    /// Lets everything happen that needs no more time.
    pub(crate) fn rest(&mut self) {
        while self.turn() {}
    }

    /// A copy of this world at rest, which has nothing in common with it and goes on recording here: what is drawn from
    /// here on is drawn anew. None when it can't be copied: a message is on its way, a fault is installed, a script holds a
    /// connection.
    pub(crate) fn copy(&self, draw: Draw, recorder: Recorder) -> Option<Self> {
        if !self.raws.is_empty() || !self.faults.installed().is_empty() {
            return None;
        }
        let faults = FaultTable::new();
        for conn in 1..=self.last_conn {
            // Without faults there is one answer.
            faults.admit(conn);
            if !self.lines.contains_key(&conn) {
                faults.detach(conn);
            }
        }
        let lines = self.lines.iter();
        let lines = lines
            .map(|(conn, line)| Some((*conn, line.copy(&faults, &recorder)?)))
            .collect::<Option<_>>()?;
        let ledger = self.ledger.copy();
        let clients = self.clients.iter().map(|(name, client)| {
            let seed = client_seed(draw, name);
            (name.clone(), client.copy(seed, &ledger))
        });
        let mut gateway = self.gateway.clone();
        gateway.reseed(draw.seed("gateway"));
        Some(Self {
            now: self.now,
            gateway,
            recorder,
            faults,
            lines,
            last_conn: self.last_conn,
            clients: clients.collect(),
            raws: BTreeMap::new(),
            book: self.book.clone(),
            ledger,
            pulse: self.pulse,
            turns_at_once: self.turns_at_once,
        })
    }

    /// Every moment at which a client is to do something by itself.
    pub(crate) fn deadlines(&self) -> Vec<Duration> {
        let clients = self.clients.values();
        clients.flat_map(super::CoreClient::deadlines).collect()
    }
}
