//! One connection's messages between the socket and the gateway: what enters, and when and whether it leaves. Pure.
//!
//! The driver of a socket calls [`Wire::enter`] with each message that it reads and each that the gateway says, then
//! [`Wire::poll`] until it gives nothing, and does what it says: a message to the gateway, a message to the socket,
//! or a cut. It comes back at [`Wire::next_deadline`], and when [`crate::FaultTable::watch`] reports a change.

use std::sync::Arc;
use std::time::Duration;

use gateway_protocol::Now;
use serde_json::Value;
use transcript::{Direction, Draft, Kind, Payload, Recorder, Stage};

use crate::lane::{Item, Lane, What};
use crate::message::WireMessage;
use crate::rule::{Cut, Fate, InFlight, Rule};
use crate::stream::StreamControl;
use crate::table::{FaultId, FaultTable};

/// Something leaves the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Where to: `ClientToGateway` is for the gateway, `GatewayToClient` for the socket.
    pub dir: Direction,
    /// What it is.
    pub what: Departure,
    /// What a text says, where whoever looks at the record reads all of them anyway: then its receiver need not.
    pub frame: Option<Arc<Value>>,
}

/// What leaves the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Departure {
    /// A message, to be handed on.
    Deliver(WireMessage),
    /// The end of the connection; see [`Cut`] for what is left to do.
    Cut(Cut),
}

/// The messages of one connection.
pub struct Wire {
    conn: u32,
    faults: FaultTable,
    recorder: Recorder,
    rules: Vec<(FaultId, Box<dyn Rule>)>,
    generation: u64,
    to_gateway: Lane,
    to_client: Lane,
    /// How long a message takes when nothing disturbs it.
    latency: Duration,
    entered: u64,
    /// A cut that comes before everything that is on its way.
    cut_first: Option<Cut>,
    is_cut: bool,
    /// A black hole began at a message: the stream stalls once what was before it has been written.
    stall_when_settled: Option<FaultId>,
    /// Messages that the next one of their direction overtakes.
    overtaken: Vec<Overtaken>,
    /// When faults that last for a time end on this connection.
    expiring: Vec<(FaultId, Duration)>,
}

struct Overtaken {
    fault: FaultId,
    dir: Direction,
    message: WireMessage,
    payload: Option<Payload>,
}

impl Wire {
    /// The wire of connection `conn`, which is a WebSocket from here on.
    pub fn new(conn: u32, faults: FaultTable, recorder: Recorder) -> Self {
        faults.upgraded(conn);
        Self {
            conn,
            latency: faults.latency(conn),
            faults,
            recorder,
            rules: Vec::new(),
            generation: 0,
            to_gateway: Lane::default(),
            to_client: Lane::default(),
            entered: 0,
            cut_first: None,
            is_cut: false,
            stall_when_settled: None,
            overtaken: Vec::new(),
            expiring: Vec::new(),
        }
    }

    /// Number of the connection.
    pub fn conn(&self) -> u32 {
        self.conn
    }

    /// The control of the stream below, if the shell attached one.
    pub fn control(&self) -> Option<StreamControl> {
        self.faults.control(self.conn)
    }

    /// Faults on this connection that end by themselves, and when. Whoever drops the wire while a black hole hides the
    /// end of the stream must end them with [`FaultTable::heal_on`].
    pub fn expiring(&self) -> &[(FaultId, Duration)] {
        &self.expiring
    }

    /// A message enters: from the client when it was read from the socket, from the gateway when it said it.
    pub fn enter(&mut self, now: Now, dir: Direction, message: WireMessage) {
        self.enter_known(now, dir, message, None);
    }

    /// The same with the frame that the text of the message is, where its sender has it still: the recorder and the faults
    /// need not read it again.
    pub fn enter_known(
        &mut self,
        now: Now,
        dir: Direction,
        message: WireMessage,
        frame: Option<Value>,
    ) {
        self.refresh(now);
        let is_observed = self.recorder.is_on() || !self.rules.is_empty();
        let payload = if is_observed {
            message.payload(self.recorder.is_brief(), frame)
        } else {
            None
        };
        self.record_message(now, dir, Stage::Sent, &message, payload.as_ref());
        if self.is_cut {
            self.record_message(now, dir, Stage::Dropped, &message, payload.as_ref());
            return;
        }
        let flight = InFlight {
            conn: self.conn,
            dir,
            message: &message,
            payload: payload.as_ref(),
        };
        let (fault, fate) = decide(&mut self.rules, now, &flight);
        self.apply(now, dir, fate, fault, message, payload);
    }

    /// The next thing to do at `now`, if there is one.
    pub fn poll(&mut self, now: Now) -> Option<Leaving> {
        self.refresh(now);
        if self.is_cut {
            return None;
        }
        if let Some(cut) = self.cut_first.take() {
            return Some(self.cut(now, Direction::GatewayToClient, cut));
        }
        let dir = self.first_due(now.since_start)?;
        let item = self.lane(dir).pop()?;
        Some(match item.what {
            What::Message { message, payload } => {
                self.record_message(now, dir, Stage::Delivered, &message, payload.as_ref());
                let read = payload.filter(|_| self.recorder.is_brief());
                Leaving {
                    dir,
                    what: Departure::Deliver(message),
                    frame: read.and_then(|payload| payload.shared_frame()),
                }
            }
            What::Cut(cut) => self.cut(now, dir, cut),
        })
    }

    /// Whether [`Wire::poll`] gives a cut next. A cut may take the stream away at once, so a driver that gathers what it
    /// writes flushes first: what was delivered before a cut has to arrive.
    pub fn cuts_next(&self, now: Now) -> bool {
        let lane = |dir| match dir {
            Direction::ClientToGateway => &self.to_gateway,
            Direction::GatewayToClient => &self.to_client,
        };
        let next = self.first_due(now.since_start);
        self.cut_first.is_some() || next.is_some_and(|dir| lane(dir).cuts_next())
    }

    /// When [`Wire::poll`] has something to give, as time since the start; none when only a heal or a message can
    /// change that.
    pub fn next_deadline(&self) -> Option<Duration> {
        if self.is_cut {
            return None;
        }
        if self.cut_first.is_some() {
            return Some(Duration::ZERO);
        }
        let heads = [self.to_gateway.head(), self.to_client.head()];
        let heads = heads.into_iter().flatten().map(|(due, _)| due);
        heads.chain(self.expiring.iter().map(|(_, at)| *at)).min()
    }

    /// Whether the connection was cut: nothing passes any more.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Records that the connection was accepted and upgraded. A text `actor` in `data` names the party behind it.
    pub fn opened(&self, now: Now, data: Value) {
        let draft = Draft::new(micros(now), Kind::Open);
        let draft = match data.get("actor").and_then(Value::as_str) {
            Some(actor) => draft.actor(actor),
            None => draft,
        };
        self.record(draft.data(data));
    }

    /// Records a remark about one direction.
    pub fn note(&self, now: Now, dir: Direction, text: &str) {
        self.record(Draft::new(micros(now), Kind::Note).dir(dir).text(text));
    }

    /// Records that the stream ended in order; `dir` is the half that ended.
    pub fn eof(&self, now: Now, dir: Direction) {
        self.record(Draft::new(micros(now), Kind::Eof).dir(dir));
    }

    /// Records that the stream ended abruptly; `dir` says from which side.
    pub fn reset(&self, now: Now, dir: Direction) {
        self.record(Draft::new(micros(now), Kind::Reset).dir(dir));
    }

    fn apply(
        &mut self,
        now: Now,
        dir: Direction,
        fate: Fate,
        fault: FaultId,
        message: WireMessage,
        payload: Option<Payload>,
    ) {
        let at = now.since_start + self.latency;
        match fate {
            Fate::Pass => self.push(dir, at, message, payload),
            Fate::Deliver(extra) => self.push(dir, at + extra, message, payload),
            Fate::Duplicate => {
                self.push(dir, at, message.clone(), payload.clone());
                self.push(dir, at, message, payload);
            }
            Fate::Drop => {
                self.record_message(now, dir, Stage::Dropped, &message, payload.as_ref());
            }
            Fate::Hold => {
                self.record_message(now, dir, Stage::Held, &message, payload.as_ref());
                let order = self.next_order();
                self.lane(dir)
                    .push_held(fault, order, What::Message { message, payload });
                self.stall_when_settled = Some(fault);
                self.stall_if_settled();
            }
            Fate::Overtaken => {
                self.record_message(now, dir, Stage::Held, &message, payload.as_ref());
                self.overtaken.push(Overtaken {
                    fault,
                    dir,
                    message,
                    payload,
                });
            }
            Fate::Replace(bytes) => {
                let message = replaced(bytes);
                let payload = payload.and_then(|_| message.payload(self.recorder.is_brief(), None));
                self.push(dir, at, message, payload);
            }
            Fate::Cut(cut) => {
                let stage = if cut.is_about_reply() {
                    Stage::Delivered
                } else {
                    Stage::Dropped
                };
                self.record_message(now, dir, stage, &message, payload.as_ref());
                self.push_cut(dir, at, cut);
            }
            Fate::CutAfter(cut) => {
                self.push(dir, at, message, payload);
                self.push_cut(dir, at, cut);
            }
        }
    }

    fn push(
        &mut self,
        dir: Direction,
        due: Duration,
        message: WireMessage,
        payload: Option<Payload>,
    ) {
        // Nothing may follow a close frame, so what waits to be overtaken leaves before it.
        let is_last = matches!(message, WireMessage::Close(_));
        if is_last {
            self.release_overtaken(due, |waiting| waiting.dir == dir);
        }
        let order = self.next_order();
        self.lane(dir)
            .push(due, order, What::Message { message, payload });
        if !is_last {
            self.release_overtaken(due, |waiting| waiting.dir == dir);
        }
    }

    /// Lets go of messages that waited to be overtaken.
    fn release_overtaken(&mut self, due: Duration, which: impl Fn(&Overtaken) -> bool) {
        if self.overtaken.is_empty() {
            return;
        }
        let (leaving, staying): (Vec<_>, Vec<_>) = std::mem::take(&mut self.overtaken)
            .into_iter()
            .partition(which);
        self.overtaken = staying;
        for Overtaken {
            dir,
            message,
            payload,
            ..
        } in leaving
        {
            let order = self.next_order();
            self.lane(dir)
                .push(due, order, What::Message { message, payload });
        }
    }

    fn push_cut(&mut self, dir: Direction, due: Duration, cut: Cut) {
        let order = self.next_order();
        self.lane(dir).push(due, order, What::Cut(cut));
    }

    fn next_order(&mut self) -> u64 {
        self.entered += 1;
        self.entered
    }

    fn lane(&mut self, dir: Direction) -> &mut Lane {
        match dir {
            Direction::ClientToGateway => &mut self.to_gateway,
            Direction::GatewayToClient => &mut self.to_client,
        }
    }

    fn first_due(&self, now: Duration) -> Option<Direction> {
        let heads = [
            (self.to_gateway.head(), Direction::ClientToGateway),
            (self.to_client.head(), Direction::GatewayToClient),
        ];
        heads
            .into_iter()
            .filter_map(|(head, dir)| head.map(|head| (head, dir)))
            .filter(|((due, _), _)| *due <= now)
            .min_by_key(|(head, _)| *head)
            .map(|(_, dir)| dir)
    }

    fn cut(&mut self, now: Now, dir: Direction, cut: Cut) -> Leaving {
        self.is_cut = true;
        self.record(
            Draft::new(micros(now), Kind::Fault)
                .dir(dir)
                .text(cut.as_str()),
        );
        for (dir, item) in self.leftovers() {
            if let What::Message { message, payload } = item.what {
                self.record_message(now, dir, Stage::Dropped, &message, payload.as_ref());
            }
        }
        if let Some(control) = self.control() {
            match &cut {
                Cut::Reset => control.reset(),
                Cut::FinWithoutClose => control.fin(),
                Cut::CloseWithoutReply => control.mute(),
                Cut::CloseThenReset(_) | Cut::ReplyWithoutClose | Cut::LateFin(_) => {}
            }
        }
        Leaving {
            dir,
            what: Departure::Cut(cut),
            frame: None,
        }
    }

    fn leftovers(&mut self) -> Vec<(Direction, Item)> {
        let mut items: Vec<(Direction, Item)> = self
            .to_gateway
            .drain()
            .map(|item| (Direction::ClientToGateway, item))
            .collect();
        items.extend(
            self.to_client
                .drain()
                .map(|item| (Direction::GatewayToClient, item)),
        );
        items.sort_by_key(|(_, item)| item.order);
        items.extend(
            std::mem::take(&mut self.overtaken)
                .into_iter()
                .map(|waiting| {
                    let (message, payload) = (waiting.message, waiting.payload);
                    let item = Item {
                        due: None,
                        held_by: Some(waiting.fault),
                        order: u64::MAX,
                        what: What::Message { message, payload },
                    };
                    (waiting.dir, item)
                }),
        );
        items
    }

    /// Takes up what was installed and lets go of what was healed since the last call.
    fn refresh(&mut self, now: Now) {
        self.stall_if_settled();
        self.expire(now);
        let generation = self.faults.generation();
        if generation == self.generation {
            return;
        }
        self.generation = generation;
        let active = self.faults.active_on(self.conn);
        let mut healed = Vec::new();
        self.rules.retain(|(id, _)| {
            let is_active = active.iter().any(|(active, _)| active == id);
            if !is_active {
                healed.push(*id);
            }
            is_active
        });
        for (id, spec) in active {
            if let Some(lasts_ms) = spec.lasts_ms
                && !self.expiring.iter().any(|(known, _)| *known == id)
            {
                let at = now.since_start + Duration::from_millis(lasts_ms);
                self.expiring.push((id, at));
            }
            if self.rules.iter().any(|(known, _)| *known == id) {
                continue;
            }
            let Some(mut rule) = (spec.name.row().rule)(&spec) else {
                continue;
            };
            if let Some(cut) = rule.on_start(now) {
                self.cut_first.get_or_insert(cut);
            }
            self.rules.push((id, rule));
        }
        for id in healed {
            self.release(id, now);
        }
    }

    /// Ends the faults on this connection whose time is over.
    fn expire(&mut self, now: Now) {
        if self.expiring.is_empty() {
            return;
        }
        let (over, running): (Vec<_>, Vec<_>) = self
            .expiring
            .drain(..)
            .partition(|(_, at)| *at <= now.since_start);
        self.expiring = running;
        for (id, _) in over {
            self.faults.heal_on(id, self.conn);
        }
    }

    fn release(&mut self, id: FaultId, now: Now) {
        self.release_overtaken(now.since_start, |waiting| waiting.fault == id);
        if self.stall_when_settled == Some(id) {
            self.stall_when_settled = None;
        }
        for dir in Direction::BOTH {
            let heir = self
                .rules
                .iter()
                .find(|(_, rule)| rule.holds(dir))
                .map(|(heir, _)| *heir);
            self.lane(dir).release(id, now.since_start, heir);
        }
    }

    fn stall_if_settled(&mut self) {
        if self.to_client.is_settled()
            && let Some(id) = self.stall_when_settled.take()
        {
            self.faults.triggered(id, self.conn);
        }
    }

    fn record_message(
        &self,
        now: Now,
        dir: Direction,
        stage: Stage,
        message: &WireMessage,
        payload: Option<&Payload>,
    ) {
        if self.recorder.is_on() {
            let draft = Draft::new(micros(now), message.kind()).passing(dir, stage);
            self.record(message.describe(draft, payload));
        }
    }

    fn record(&self, draft: Draft) {
        self.recorder.record(draft.conn(self.conn));
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.faults.detach(self.conn);
    }
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire")
            .field("conn", &self.conn)
            .field("is_cut", &self.is_cut)
            .finish_non_exhaustive()
    }
}

/// Every rule sees the message, so that all of them count; the first fate other than `Pass` wins.
fn decide(
    rules: &mut [(FaultId, Box<dyn Rule>)],
    now: Now,
    message: &InFlight<'_>,
) -> (FaultId, Fate) {
    let mut decided = (FaultId::NONE, Fate::Pass);
    for (id, rule) in rules {
        let fate = rule.on_message(now, message);
        if decided.1 == Fate::Pass {
            decided = (*id, fate);
        }
    }
    decided
}

fn replaced(bytes: Vec<u8>) -> WireMessage {
    match String::from_utf8(bytes) {
        Ok(text) => WireMessage::Text(text),
        Err(error) => WireMessage::Binary(error.into_bytes()),
    }
}

/// The entry of an upgrade that was answered with an HTTP status: a connection that never became a WebSocket.
pub fn refused_upgrade(at: Duration, conn: u32, actor: &str, status: u16) -> Draft {
    let t_us = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
    let draft = Draft::new(t_us, Kind::Fault)
        .conn(conn)
        .text("refused_upgrade")
        .data(serde_json::json!({"status": status}));
    if actor.is_empty() {
        draft
    } else {
        draft.actor(actor)
    }
}

fn micros(now: Now) -> u64 {
    u64::try_from(now.since_start.as_micros()).unwrap_or(u64::MAX)
}
