//! [`Brains`] as a [`World`]: what a conductor may ask of the loop.

use std::time::Duration;

use client_core::{EndpointOwner, Input as ClientInput, Intent};
use gateway_core::Control;
use gateway_protocol::{ClockFault, Hand};
use link::{FaultName, FaultSpec, WireMessage};
use serde_json::Value;
use transcript::Recorder;

use super::super::raw::RawMessage;
use super::super::tether::Severing;
use super::super::{Ending, RawPhase, Refusal, World};
use super::client::CoreClient;
use super::line::{self, Far};
use super::{Brains, CoreRaw};
use crate::judge::record::{StoreNote, Withheld};
use crate::scenario::{Death, IdentityFile, TunnelName};

impl World for Brains {
    fn now(&self) -> Duration {
        self.now
    }

    fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    fn url(&self) -> String {
        "ws://localhost:18789".to_owned()
    }

    fn pulse(&self) -> u64 {
        self.pulse
    }

    async fn settle(&mut self) {
        // As in the worlds of streams: a millisecond in which nothing happens.
        let until = self.now + Duration::from_millis(1);
        while self.advance(until) {}
    }

    async fn wait(&mut self, seen: u64, deadline: Duration) {
        while self.pulse <= seen && self.advance(deadline) {}
    }

    async fn start(&mut self, actor: &str) -> Result<(), Refusal> {
        if let Some(client) = self.clients.get_mut(actor) {
            return client.start(self.now, &self.ledger);
        }
        let plan = self
            .book
            .plan(actor)
            .ok_or_else(|| Refusal::new(format!("there is no actor called {actor}")))?;
        let peer = line::peer(&plan.headers, plan.origin.clone());
        let opened = self.open(
            actor,
            Far::Raw {
                actor: actor.to_owned(),
            },
            peer,
        );
        let raw = match opened {
            Ok(conn) => CoreRaw {
                conn,
                phase: RawPhase::Open,
                nonce: None,
                heard: 0,
            },
            Err(_refused) => CoreRaw {
                conn: 0,
                phase: RawPhase::Ended,
                nonce: None,
                heard: 0,
            },
        };
        self.raws.entry(actor.to_owned()).or_default().push(raw);
        self.greet();
        self.pulse += 1;
        Ok(())
    }

    async fn stop(&mut self, actor: &str) -> Result<(), Refusal> {
        if let Some(client) = self.clients.get_mut(actor) {
            client.intend(Intent::Stop)?;
            while self.turn() {}
            if let Some(client) = self.clients.get_mut(actor) {
                client.stop();
            }
            return Ok(());
        }
        let open = self
            .lines
            .iter()
            .filter(|(_, line)| line.far.is_raw(actor))
            .map(|(conn, _)| *conn);
        for conn in open.collect::<Vec<_>>() {
            let farewell = gateway_protocol::CloseFrame::new(1000, "");
            let now = self.clock();
            if let Some(line) = self.lines.get_mut(&conn) {
                line.client_closes(now, Some(farewell));
            }
        }
        Ok(())
    }

    async fn intend(&mut self, actor: &str, intent: Intent) -> Result<(), Refusal> {
        let client = self.clients.get_mut(actor);
        let client =
            client.ok_or_else(|| Refusal::new(format!("there is no client called {actor}")))?;
        client.intend(intent)
    }

    async fn send(
        &mut self,
        actor: &str,
        nth: Option<u32>,
        message: RawMessage,
    ) -> Result<(), Refusal> {
        let conn = match self.raw_connection(actor, nth) {
            Some(raw) if raw.phase == RawPhase::Open => raw.conn,
            Some(_) => return Err(Refusal::new(format!("the connection of {actor} is over"))),
            None => return Err(Refusal::new(format!("{actor} has no connection"))),
        };
        match message {
            RawMessage::Text(text) => self.hear(conn, WireMessage::Text(text).into()),
            RawMessage::Binary(bytes) => self.hear(conn, WireMessage::Binary(bytes).into()),
            RawMessage::Ping => self.hear(conn, WireMessage::Ping(Vec::new()).into()),
            RawMessage::Close { code, reason } => {
                let now = self.clock();
                if let Some(line) = self.lines.get_mut(&conn) {
                    line.client_closes(now, Some(gateway_protocol::CloseFrame { code, reason }));
                }
            }
        }
        Ok(())
    }

    fn raw(&self, actor: &str, nth: Option<u32>) -> (RawPhase, Option<String>) {
        match self.raw_connection(actor, nth) {
            Some(raw) => (raw.phase.clone(), raw.nonce.clone()),
            None => (RawPhase::None, None),
        }
    }

    fn sever(&mut self, actor: &str, severing: Severing) -> Result<(), Refusal> {
        let owned = self
            .lines
            .iter()
            .filter(|(_, line)| line.far.actor() == actor)
            .map(|(conn, _)| *conn);
        let owned: Vec<u32> = owned.collect();
        if owned.is_empty() {
            return Err(Refusal::new(format!("{actor} has no connection")));
        }
        for conn in owned {
            let far = self.lines.get(&conn).map(|line| line.far.clone());
            self.end_from_client(conn, severing);
            if let Some(Far::Client { actor, socket }) = far
                && let Some(client) = self.clients.get_mut(&actor)
            {
                let reason = match severing {
                    Severing::Fin => "connection closed without a close frame",
                    Severing::Reset => "network error: connection reset",
                };
                client.take(ClientInput::Closed {
                    socket,
                    code: None,
                    reason: reason.to_owned(),
                });
            }
        }
        Ok(())
    }

    async fn control(&mut self, control: Control) -> Result<Value, Refusal> {
        let result = self
            .gateway
            .control(self.clock(), control)
            .map_err(|error| Refusal::new(error.to_string()));
        for (kind, value) in self.gateway.secrets() {
            self.recorder.register_secret(kind.as_str(), &value);
        }
        self.pulse += 1;
        result
    }

    async fn install(&mut self, fault: FaultSpec) {
        // The id is not needed: a script heals by name.
        let _id = self.faults.install(fault);
        self.pulse += 1;
    }

    async fn heal(&mut self, name: FaultName) -> bool {
        self.pulse += 1;
        self.faults.heal(name) > 0
    }

    async fn start_gateway(&mut self) -> Result<(), Refusal> {
        self.control(Control::Start).await.map(drop)
    }

    async fn stop_gateway(&mut self) -> Result<(), Refusal> {
        self.control(Control::Halt).await.map(drop)
    }

    fn set_clock(&mut self, actor: &str, hand: Hand, fault: ClockFault) -> Result<(), Refusal> {
        let base = self.clock();
        let client = self.clients.get_mut(actor);
        let client =
            client.ok_or_else(|| Refusal::new(format!("there is no client called {actor}")))?;
        self.pulse += 1;
        client
            .skew
            .apply(base, hand, fault)
            .map_err(|error| Refusal::new(error.to_string()))
    }

    fn fail_disk(&mut self, actor: &str, changes: u32) -> Result<(), Refusal> {
        let client = self.clients.get(actor);
        let client =
            client.ok_or_else(|| Refusal::new(format!("there is no client called {actor}")))?;
        client.disk.fail(changes);
        Ok(())
    }

    fn die_at_a_write(&mut self, actor: &str, death: Death) -> Result<(), Refusal> {
        let client = self.clients.get_mut(actor);
        let client =
            client.ok_or_else(|| Refusal::new(format!("there is no client called {actor}")))?;
        client.death = Some(death);
        Ok(())
    }

    async fn turn_identity(&mut self, actor: &str, file: IdentityFile) -> Result<(), Refusal> {
        let client = self.clients.get_mut(actor);
        let client =
            client.ok_or_else(|| Refusal::new(format!("there is no client called {actor}")))?;
        client.turn_identity(file);
        Ok(())
    }

    fn turn_tunnel(&mut self, actor: &str, turn: TunnelName) -> Result<(), Refusal> {
        let client = self.clients.get_mut(actor);
        let client =
            client.ok_or_else(|| Refusal::new(format!("there is no client called {actor}")))?;
        client.turn_tunnel(turn);
        Ok(())
    }

    async fn view(&mut self) -> Value {
        serde_json::to_value(self.gateway.view_at(self.clock().wall)).unwrap_or_default()
    }

    fn snapshot(&self, actor: &str) -> Option<Value> {
        self.clients.get(actor)?.snapshot()
    }

    fn shown(&self, actor: &str) -> Option<u64> {
        self.clients.get(actor).map(CoreClient::shown)
    }

    fn durable(&self, actor: &str) -> Option<client_core::DurableState> {
        Some(self.clients.get(actor)?.state.read())
    }

    async fn dashboard(&self, actor: &str) -> Option<Value> {
        self.clients.get(actor)?.dashboard()
    }

    fn reports(&self, actor: &str) -> Vec<Value> {
        self.clients
            .get(actor)
            .map(|client| client.reports.all())
            .unwrap_or_default()
    }

    fn reported(&self, actor: &str) -> usize {
        let client = self.clients.get(actor);
        client.map_or(0, |client| client.reports.len())
    }

    fn stores(&self) -> Vec<StoreNote> {
        self.ledger.notes()
    }

    fn withheld(&self) -> Vec<Withheld> {
        self.ledger.withheld()
    }

    async fn find_listener(&mut self, actor: &str, owner: EndpointOwner) -> Result<(), Refusal> {
        let client = self.clients.get_mut(actor);
        let client =
            client.ok_or_else(|| Refusal::new(format!("there is no client called {actor}")))?;
        client.find_listener(owner);
        Ok(())
    }

    async fn finish(self) -> Ending {
        Ending::default()
    }
}
