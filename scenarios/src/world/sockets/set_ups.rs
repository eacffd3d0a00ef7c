//! What a set-up asks of the world, answered one at a time: see [`super::super::set_up`].

use std::sync::Arc;
use std::time::Duration;

use client_core::Intent;
use gateway_client::Store as _;
use gateway_core::Control;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use transcript::{Draft, Kind};
use wsl_fixtures::setup::{Asked, Connection, Role};

use super::{ClientActor, Peer, Road, Sockets};
use crate::report::sequence::WSL_LANE;
use crate::run::{INTERRUPTED, is_stopped};
use crate::setup::{ask as request, decided};
use crate::world::arrange::SetupPlan;
use crate::world::set_up::{Ask, Bench, Told, Wish};
use crate::world::witness::{Reports, Witness};
use crate::world::{Refusal, World as _};

/// A longer command is cut in words; it stands whole in the data.
const WORDS: usize = 160;

/// A call of wsl.exe with how it ended, or a step of the set-up with what came of it.
fn in_words(report: &Value) -> String {
    let text = |name: &str| report.get(name).and_then(Value::as_str).unwrap_or_default();
    let words = if text("event") == "command" {
        let exit = report.get("exit").and_then(Value::as_i64);
        let exit = exit.map_or_else(String::new, |code| format!(" -> {code}"));
        format!("{}{exit}", text("command"))
    } else {
        let all = [text("event"), text("step"), text("outcome")];
        let some: Vec<&str> = all.into_iter().filter(|word| !word.is_empty()).collect();
        some.join(" ")
    };
    match words.char_indices().nth(WORDS) {
        Some((at, _)) => format!("{}...", words.get(..at).unwrap_or_default()),
        None => words,
    }
}

/// A set-up of the scenario.
pub(super) struct SetUp {
    companion: String,
    bench: Option<Bench>,
    plan: SetupPlan,
    pub(super) snapshot: Value,
    pub(super) reports: Reports,
    /// When something may happen in its computer by itself.
    pub(super) look_at: Option<Duration>,
}

impl SetUp {
    pub(super) fn new(plan: SetupPlan) -> Self {
        Self {
            companion: plan.actor.companion.clone(),
            bench: None,
            plan,
            snapshot: json!({ "outcome": "not run" }),
            reports: Reports::default(),
            look_at: None,
        }
    }

    /// Ends it; what is left of it, in words.
    pub(super) fn end(self) -> Vec<String> {
        self.bench.map(Bench::end).unwrap_or_default()
    }
}

impl<C: Road, P: Peer> Sockets<C, P> {
    /// Lets a set-up do what the script wants, to its end.
    pub(super) async fn fulfil(&mut self, name: &str, wish: Wish) -> Result<(), Refusal> {
        let Some(mut set_up) = self.set_ups.remove(name) else {
            return Err(Refusal::new(format!("there is no set-up called {name}")));
        };
        let result = self.attend(&mut set_up, wish).await;
        self.set_ups.insert(name.to_owned(), set_up);
        self.bell.ring();
        result
    }

    /// Looks after computers in which something happens by itself at this time.
    pub(super) async fn look_after_set_ups(&mut self) {
        let now = self.now();
        let due = |set_up: &SetUp| set_up.look_at.is_some_and(|at| at <= now);
        let names: Vec<String> = (self.set_ups.iter())
            .filter(|(_, set_up)| due(set_up))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            if let Err(refusal) = self.fulfil(&name, Wish::Look).await {
                tracing::error!(%refusal, "a set-up was not looked after");
            }
        }
    }

    /// Restarts the gateway for the clients that have asked for it.
    pub(super) async fn look_after_services(&mut self) {
        while let Some(done) = self.services.next() {
            // One that is down already has nothing to stop.
            self.peer.control(Control::Halt).await.ok();
            let started = self.peer.control(Control::Start).await;
            let told = started.map(drop).map_err(|refusal| refusal.to_string());
            // The client may be gone by now.
            done.send(told).ok();
        }
    }

    async fn attend(&mut self, set_up: &mut SetUp, wish: Wish) -> Result<(), Refusal> {
        let companion = set_up.companion.clone();
        let client = self.client(&companion)?;
        if client.handle.is_some() && !matches!(wish, Wish::Look | Wish::Script(_)) {
            return Err(Refusal::new(format!(
                "{companion} is running: stop it before the set-up changes its files"
            )));
        }
        let state = client.state.clone();
        let bench = if let Some(bench) = set_up.bench.take() {
            bench
        } else {
            // There is no gateway before the set-up has started one.
            if self.ground.is_none() {
                self.peer.control(Control::Halt).await?;
            }
            Bench::new(set_up.plan.tools(state, self.ground.clone()))
        };
        if !bench.tell(self.now(), Told::Wish(wish)) {
            return Err(Refusal::new("the set-up broke"));
        }
        while let Some(ask) = bench.listen().await {
            if is_stopped() {
                // It ends with its computer, when the command that runs now is over.
                set_up.bench = Some(bench);
                return Err(Refusal::new(INTERRUPTED));
            }
            let told = match ask {
                Ask::Idle { snapshot, look_at } => {
                    (set_up.snapshot, set_up.look_at) = (snapshot, look_at);
                    set_up.bench = Some(bench);
                    return Ok(());
                }
                Ask::Report(report) => {
                    self.note_set_up(&report);
                    set_up.reports.push_value(report);
                    continue;
                }
                Ask::Pause(_)
                | Ask::Control(_)
                | Ask::View
                | Ask::Connect(..)
                | Ask::Request(..)
                | Ask::Disconnect
                | Ask::Store(_) => self.answer(&companion, ask).await,
            };
            if !bench.tell(self.now(), told) {
                break;
            }
        }
        Err(Refusal::new("the set-up broke"))
    }

    async fn answer(&mut self, companion: &str, ask: Ask) -> Told {
        match ask {
            Ask::Pause(time) => {
                sleep(time).await;
                Told::Done
            }
            Ask::Control(order) => {
                let answer = self.peer.control(*order).await;
                Told::Answer(answer.map_err(|refusal| refusal.to_string()))
            }
            Ask::View => Told::Answer(Ok(self.peer.view().await)),
            Ask::Connect(role, limit) => {
                Told::Connection(self.connect_for(companion, role, limit).await)
            }
            Ask::Request(method, params, limit) => {
                let handle = self.clients.get(companion);
                Told::Asked(match handle.and_then(|client| client.handle.as_ref()) {
                    Some(handle) => request(handle, &method, params, limit).await,
                    None => Asked::Refused("nothing is connected".to_owned()),
                })
            }
            Ask::Disconnect => {
                self.disconnect(companion).await;
                Told::Done
            }
            Ask::Store(op) => {
                let (time, bell, ledger) = (self.watchglass(), self.bell(), self.ledger.clone());
                let stored = self.client(companion).map(|client| {
                    let notes = Arc::clone(&client.notes);
                    Witness::new(
                        client.state.clone(),
                        notes,
                        ledger,
                        time,
                        bell,
                        client.disk.clone(),
                    )
                    .apply(&op)
                });
                Told::Answer(match stored {
                    Ok(Ok(())) => Ok(Value::Null),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(refusal) => Err(refusal.to_string()),
                })
            }
            Ask::Report(_) | Ask::Idle { .. } => Told::Done,
        }
    }

    /// Puts what happened in the computer beside what was said on the wire.
    fn note_set_up(&self, report: &Value) {
        let micros = u64::try_from(self.now().as_micros()).unwrap_or(u64::MAX);
        let draft = Draft::new(micros, Kind::Note).actor(WSL_LANE);
        self.recorder
            .record(draft.text(in_words(report)).data(report.clone()));
    }

    async fn disconnect(&mut self, companion: &str) {
        let client = self.clients.get_mut(companion);
        if let Some(handle) = client.and_then(|client: &mut ClientActor| client.handle.take()) {
            handle.shutdown().await;
        }
    }

    /// Connects as a set-up does: one client for one role at a time.
    async fn connect_for(&mut self, companion: &str, role: Role, limit: Duration) -> Connection {
        self.disconnect(companion).await;
        let first = self.recorder.len();
        let options = self
            .clients
            .get(companion)
            .map(|client| client.plan.for_set_up(role == Role::Node));
        if let Err(refusal) = self.start_client(companion, options) {
            return Connection::Refused(refusal.to_string());
        }
        let Some(handle) = self
            .clients
            .get(companion)
            .and_then(|it| it.handle.as_ref())
        else {
            return Connection::TimedOut;
        };
        if handle.intent(Intent::Connect).await.is_err() {
            return Connection::Refused("the client has stopped".to_owned());
        }
        let mut snapshot = handle.snapshot();
        let decision = snapshot.wait_for(|snapshot| decided(role, snapshot, 0).is_some());
        let connection = match timeout(limit, decision).await {
            Ok(Ok(snapshot)) => decided(role, &snapshot, self.protocol_since(first)),
            Ok(Err(_)) => Some(Connection::Refused("the client has stopped".to_owned())),
            Err(_) => Some(Connection::TimedOut),
        };
        connection.unwrap_or(Connection::TimedOut)
    }

    /// The generation that the newest hello-ok has named.
    fn protocol_since(&self, first: u64) -> u32 {
        let entries = self.recorder.raw_since(first);
        let named = entries.iter().rev().find_map(|entry| {
            let payload = entry.frame()?.get("payload")?;
            let is_hello = payload.get("type")?.as_str()? == "hello-ok";
            is_hello.then(|| payload.get("protocol")?.as_u64())?
        });
        named
            .and_then(|protocol| u32::try_from(protocol).ok())
            .unwrap_or_default()
    }
}
