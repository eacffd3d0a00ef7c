//! Steps that act: on actors, on the wire, on the gateway, on clocks.

use std::time::Duration;

use client_core::{ApprovalKind, EndpointOwner, Intent};
use gateway_core::Control as Order;
use gateway_protocol::{ClockFault, CloseFrame, Frame, Keypair, Now, Request, Role, SharedToken};
use link::{ConnSelector, FaultName, FaultSpec};
use serde_json::Value;

use super::waits::refused;
use super::{Broken, Conductor};
use crate::judge::record::StepResult;
use crate::scenario::captures::resolve;
use crate::scenario::{
    Actor, Clock, Close, Control, DevicePlan, Do, End, Fault, How, IntentName, Listener,
    ListenerName, Look, PairingKind, RoleName, Send, Step, lower,
};
use crate::world::{Ink, RawMessage, RawPhase, Severing, Wish, World, connect_params, ssh_tunnel};

/// An upgrade that takes longer is left alone: a fault may hold it for ever, and that may be the point.
const OPENING: Duration = Duration::from_secs(2);

/// How long a raw actor waits for the challenge that its `connect` must sign.
const CHALLENGE: Duration = Duration::from_secs(10);

/// How long a captured report of an intent is waited for.
const INTENT: Duration = Duration::from_mins(1);

impl<W: World> Conductor<'_, W> {
    pub(super) async fn act(&mut self, step: &Step) -> Result<StepResult, Broken> {
        match step {
            Step::Start(actor) => self.start(actor).await?,
            Step::Stop(actor) => self.world.stop(actor).await.map_err(refused)?,
            Step::Do(wish) => self.wish(wish).await?,
            Step::Send(send) => self.send(send).await?,
            Step::Fault(fault) => self.fault(fault).await?,
            Step::Heal(name) => {
                let fault = FaultName::named(name)
                    .ok_or_else(|| refused(format!("no fault is called {name}")))?;
                if !self.world.heal(fault).await {
                    return Err(refused(format!("no fault called {name} is active")));
                }
            }
            Step::Close(close) => self.close(close).await?,
            Step::Control(control) => self.control(control).await?,
            Step::Clock(clock) => self.clock(clock).await?,
            Step::Disk(disk) => {
                let failing = self.world.fail_disk(&disk.of, disk.fails);
                failing.map_err(refused)?;
                if let Some(death) = disk.dies {
                    let dying = self.world.die_at_a_write(&disk.of, death);
                    dying.map_err(refused)?;
                }
                if let Some(file) = disk.identity {
                    let turned = self.world.turn_identity(&disk.of, file).await;
                    turned.map_err(refused)?;
                }
            }
            Step::Expect(_) | Step::Quiet(_) | Step::Elapse(_) | Step::Note(_) => {}
        }
        self.observe()?;
        Ok(StepResult::Done)
    }

    async fn start(&mut self, actor: &str) -> Result<(), Broken> {
        self.world.start(actor).await.map_err(refused)?;
        if matches!(self.scenario.actor.get(actor), Some(Actor::Raw(_))) {
            self.until_raw(actor, None, OPENING, |phase, _nonce| {
                *phase != RawPhase::Opening
            })
            .await?;
        }
        Ok(())
    }

    /// Waits until a raw connection is as wanted, or for `patience`.
    async fn until_raw(
        &mut self,
        actor: &str,
        nth: Option<u32>,
        patience: Duration,
        wanted: fn(&RawPhase, Option<&str>) -> bool,
    ) -> Result<(RawPhase, Option<String>), Broken> {
        let deadline = self.world.now().saturating_add(patience);
        loop {
            let seen = self.world.pulse();
            let (phase, nonce) = self.world.raw(actor, nth);
            self.observe()?;
            if wanted(&phase, nonce.as_deref()) || self.world.now() >= deadline {
                return Ok((phase, nonce));
            }
            self.world.wait(seen, deadline).await;
        }
    }

    async fn wish(&mut self, wish: &Do) -> Result<(), Broken> {
        let wish = resolve(wish, &self.captured).map_err(refused)?;
        if let Some((actor, told)) = self.set_up_wish(&wish) {
            return self.world.set_up(&actor, told).await.map_err(refused);
        }
        let name = wish.intent.name();
        let first = self.world.reported(&wish.actor);
        if self.world.is_foreign(&wish.actor) {
            let (action, arguments) = wish.action();
            let told = self.world.tell(&wish.actor, action, &arguments).await;
            told.map_err(refused)?;
        } else {
            let intent = self
                .intent(&wish)
                .ok_or_else(|| refused(format!("{} has no command line", wish.actor)))?;
            let intended = self.world.intend(&wish.actor, intent).await;
            intended.map_err(refused)?;
        }
        if wish.capture.is_empty() {
            return Ok(());
        }
        let deadline = self.world.now().saturating_add(INTENT);
        loop {
            let seen = self.world.pulse();
            self.observe()?;
            let reports = self.world.reports(&wish.actor);
            let done = reports.iter().skip(first).find(|report| {
                report
                    .get("event")
                    .is_some_and(|event| event == "intent_done")
                    && report.get("intent").is_some_and(|intent| intent == name)
            });
            if let Some(report) = done {
                self.capture(&wish.capture, report);
                return Ok(());
            }
            if self.world.now() >= deadline {
                return Err(refused(format!(
                    "{name} was not finished within {} s",
                    INTENT.as_secs()
                )));
            }
            self.world.wait(seen, deadline).await;
        }
    }

    /// What a set-up is told, when the actor is one.
    fn set_up_wish(&self, wish: &Do) -> Option<(String, Wish)> {
        let Some(Actor::Setup(_)) = self.scenario.actor.get(&wish.actor) else {
            return None;
        };
        let words = wish.words.clone().unwrap_or_default();
        let told = if wish.intent == IntentName::Repeat {
            Wish::Repeat(words)
        } else if wish.intent == IntentName::Script {
            Wish::Script(words)
        } else {
            Wish::Uninstall
        };
        Some((wish.actor.clone(), told))
    }

    /// The intent of our own client; none for what only a program with a command line can do.
    fn intent(&self, wish: &Do) -> Option<Intent> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let kind = match wish.kind {
            Some(PairingKind::Node) => ApprovalKind::Node,
            Some(PairingKind::Device) | None => ApprovalKind::Device,
        };
        Some(match wish.intent {
            IntentName::Run | IntentName::Repeat | IntentName::Uninstall | IntentName::Script => {
                return None;
            }
            IntentName::Connect => Intent::Connect,
            IntentName::Disconnect => Intent::Disconnect,
            IntentName::Reconnect => Intent::Reconnect,
            IntentName::ReconnectNode => Intent::ReconnectNode,
            IntentName::ApplySetupCode => Intent::ApplySetupCode {
                code: text(&wish.code),
            },
            IntentName::ConnectSharedToken => Intent::ConnectSharedToken {
                url: wish.url.clone().unwrap_or_else(|| self.world.url()),
                token: text(&wish.token),
                ssh_tunnel: wish.tunnel.then(ssh_tunnel),
            },
            // What is no record was refused before the run.
            IntentName::AddGateway => Intent::AddGateway {
                record: serde_json::from_value(wish.record.clone().unwrap_or_default())
                    .unwrap_or_default(),
            },
            IntentName::EnsureNodeConnected => Intent::EnsureNodeConnected,
            IntentName::SwitchGateway => Intent::SwitchGateway {
                id: text(&wish.gateway),
            },
            IntentName::Approve => Intent::Approve {
                kind,
                request_id: text(&wish.request_id),
            },
            IntentName::Reject => Intent::Reject {
                kind,
                request_id: text(&wish.request_id),
            },
            IntentName::Request => Intent::Request {
                role: wish.role.map_or(Role::Operator, lower::role),
                method: text(&wish.method),
                params: wish.params.clone(),
                tag: None,
                limit_ms: None,
            },
            IntentName::NodeEvent => Intent::NodeEvent {
                event: text(&wish.method),
                payload: wish.params.clone().unwrap_or_default(),
            },
        })
    }

    async fn send(&mut self, send: &Send) -> Result<(), Broken> {
        let send = resolve(send, &self.captured).map_err(refused)?;
        let open = |phase: &RawPhase, _: Option<&str>| *phase != RawPhase::Opening;
        let (phase, _) = self
            .until_raw(&send.from, send.nth_connection, CHALLENGE, open)
            .await?;
        if phase != RawPhase::Open {
            return Err(refused(format!("{} has no open connection", send.from)));
        }
        for _ in 0..send.times.unwrap_or(1) {
            let message = self.message(&send).await?;
            self.world
                .send(&send.from, send.nth_connection, message)
                .await
                .map_err(refused)?;
        }
        Ok(())
    }

    async fn message(&mut self, send: &Send) -> Result<RawMessage, Broken> {
        let text = if let Some(plan) = &send.connect {
            let nonce = if plan.device == DevicePlan::None {
                None
            } else {
                let came = |phase: &RawPhase, nonce: Option<&str>| {
                    *phase == RawPhase::Ended || nonce.is_some()
                };
                self.until_raw(&send.from, send.nth_connection, CHALLENGE, came)
                    .await?
                    .1
            };
            let key = self.raw_key(&send.from);
            let base = Now::at(self.world.now(), self.world.epoch());
            let clock = self.raw_clocks.get(&send.from).copied().unwrap_or_default();
            let now = clock.read(base).wall;
            let params = connect_params(
                plan,
                Ink {
                    key: &key,
                    nonce: nonce.as_deref(),
                    now,
                },
            );
            self.request(send, "connect", Some(params))
        } else if let Some(method) = &send.request {
            self.request(send, method, send.params.clone())
        } else if let Some(frame) = &send.frame {
            frame.to_string()
        } else if let Some(text) = &send.text {
            text.clone()
        } else if let Some(text) = &send.binary {
            return Ok(RawMessage::Binary(
                padded(text.clone(), send.padded_to).into_bytes(),
            ));
        } else {
            return Ok(RawMessage::Ping);
        };
        Ok(RawMessage::Text(padded(text, send.padded_to)))
    }

    fn request(&mut self, send: &Send, method: &str, params: Option<Value>) -> String {
        let id = send.id.clone().unwrap_or_else(|| {
            self.requests += 1;
            format!("{}-{}", send.from, self.requests)
        });
        Frame::Request(Request::new(id, method, params)).to_text()
    }

    fn raw_key(&self, actor: &str) -> Keypair {
        let owner = match self.scenario.actor.get(actor) {
            Some(Actor::Raw(raw)) => raw.identity_of.as_deref().unwrap_or(actor),
            Some(Actor::Client(_) | Actor::Setup(_)) | None => actor,
        };
        self.draw.key(&format!("device-key {owner}"))
    }

    async fn fault(&mut self, fault: &Fault) -> Result<(), Broken> {
        let mut spec = fault.spec();
        if let Some(next) = fault.next {
            spec.connections = ConnSelector::Next(next);
        } else if !fault.connections.is_empty() {
            spec.connections = ConnSelector::Numbers(fault.connections.clone());
        } else if fault.actor.is_some() || fault.role.is_some() {
            let open = self
                .open_connections(fault.actor.as_deref(), fault.role)
                .await;
            if open.is_empty() {
                return Err(refused(format!(
                    "no connection is open that {} could disturb",
                    fault.name
                )));
            }
            spec.connections = ConnSelector::Numbers(open);
        }
        spec.check().map_err(refused)?;
        self.world.install(spec).await;
        Ok(())
    }

    /// Open connections of an actor, or of everybody, in the gateway's order.
    async fn open_connections(&mut self, actor: Option<&str>, role: Option<RoleName>) -> Vec<u32> {
        let role = role.map(RoleName::name);
        let view = self.world.view().await;
        let open: Vec<u64> = view
            .get("connections")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(|connection| {
                connection
                    .get("phase")
                    .is_some_and(|phase| phase != "closing")
            })
            .filter_map(|connection| connection.get("conn")?.as_u64())
            .collect();
        self.watch
            .wire()
            .connections()
            .filter(|(conn, _)| open.contains(&u64::from(*conn)))
            .filter(|(_, known)| actor.is_none() || known.actor.as_deref() == actor)
            .filter(|(_, known)| role.is_none() || known.role.as_deref() == role)
            .map(|(conn, _)| conn)
            .collect()
    }

    async fn close(&mut self, close: &Close) -> Result<(), Broken> {
        let code = close.code.unwrap_or(1000);
        let reason = close.reason.clone().unwrap_or_default();
        match (close.by, close.how) {
            (End::Actor, How::Fin) => self
                .world
                .sever(&close.actor, Severing::Fin)
                .map_err(refused),
            (End::Actor, How::Reset) => self
                .world
                .sever(&close.actor, Severing::Reset)
                .map_err(refused),
            (End::Actor, How::Close) => {
                let farewell = RawMessage::Close { code, reason };
                self.world
                    .send(&close.actor, None, farewell)
                    .await
                    .map_err(refused)
            }
            (End::Gateway, How::Close) => {
                for conn in self.open_of(close).await? {
                    let frame = CloseFrame::new(code, reason.clone());
                    let order = Order::CloseConnections {
                        conn: Some(conn),
                        role: None,
                        close: Some(frame),
                    };
                    self.world.control(order).await.map_err(refused)?;
                }
                Ok(())
            }
            (End::Gateway, How::Fin | How::Reset) => {
                let name = if close.how == How::Fin {
                    FaultName::FinWithoutClose
                } else {
                    FaultName::Reset
                };
                let numbers = self.open_of(close).await?;
                self.world
                    .install(FaultSpec::new(name).connections(ConnSelector::Numbers(numbers)))
                    .await;
                Ok(())
            }
        }
    }

    async fn open_of(&mut self, close: &Close) -> Result<Vec<u32>, Broken> {
        let open = self.open_connections(Some(&close.actor), close.role).await;
        if open.is_empty() {
            return Err(refused(format!("{} has no open connection", close.actor)));
        }
        Ok(open)
    }

    async fn control(&mut self, control: &Control) -> Result<(), Broken> {
        // A behaviour fills in captures when it applies, and may have captured them itself.
        let plain = Control {
            on: None,
            ..control.clone()
        };
        let mut filled = resolve(&plain, &self.captured).map_err(refused)?;
        filled.on.clone_from(&control.on);
        let control = filled;
        if let Some(listener) = &control.listener {
            return self.listener(listener).await;
        }
        if let Some(tunnel) = &control.tunnel {
            let turned = self.world.turn_tunnel(&tunnel.of, tunnel.is);
            return turned.map_err(refused);
        }
        let answer = match self.order(&control)? {
            Some(order) => self.world.control(order).await,
            None if control.stop => self.world.stop_gateway().await.map(|()| Value::Null),
            None => self.world.start_gateway().await.map(|()| Value::Null),
        };
        match (answer, &control.fails) {
            (Ok(answer), None) => {
                self.capture(&control.capture, &answer);
                if control.off.is_some() {
                    self.shared.retire(answer);
                }
                Ok(())
            }
            (Err(refusal), Some(part)) if refusal.to_string().contains(part) => Ok(()),
            (Err(_nothing_pending), None) if control.takes_any() => Ok(()),
            (Err(refusal), _) => Err(refused(refusal)),
            (Ok(_), Some(part)) => Err(refused(format!(
                "expected a refusal with '{part}', but it was done"
            ))),
        }
    }

    async fn listener(&mut self, listener: &Listener) -> Result<(), Broken> {
        self.listeners += u64::from(listener.is == Some(ListenerName::GatewayAnew));
        let judged = listener.seen.as_ref().map(Look::owner);
        let named = match listener.name() {
            ListenerName::Gateway | ListenerName::GatewayAnew => EndpointOwner::Expected {
                proof: self.listeners,
            },
            ListenerName::Nobody => EndpointOwner::NoListener,
            ListenerName::Stranger => EndpointOwner::Foreign,
        };
        // A judgement has the proof of what was seen.
        let owner = judged.unwrap_or(named);
        let found = self.world.find_listener(&listener.of, owner).await;
        found.map_err(refused)
    }

    /// The gateway's order for a control; none for the ones that the world carries out.
    fn order(&mut self, control: &Control) -> Result<Option<Order>, Broken> {
        if control.rotate_shared_token {
            self.rotations += 1;
            let token = self.draw.token(&format!("shared-token {}", self.rotations));
            self.world
                .recorder()
                .register_secret("shared-token", &token);
            self.captured
                .insert("gateway.token".to_owned(), token.clone().into());
            return Ok(Some(Order::SetSharedToken {
                token: SharedToken::new(token),
                at_restart: false,
            }));
        }
        let mut order = lower::control(control).map_err(refused)?;
        if let Some(Order::MintSetupCode {
            url: url @ None, ..
        }) = &mut order
        {
            *url = Some(self.world.url());
        }
        Ok(order)
    }

    fn capture(&mut self, pointers: &std::collections::BTreeMap<String, String>, answer: &Value) {
        for (name, pointer) in pointers {
            if let Some(value) = answer.pointer(pointer) {
                self.captured.insert(name.clone(), value.clone());
            }
        }
    }

    async fn clock(&mut self, clock: &Clock) -> Result<(), Broken> {
        let hand = clock.which.unwrap_or_default().hand();
        let fault = match (clock.offset, clock.jump, clock.freeze) {
            (Some(offset), _, _) => ClockFault::OffsetMs(offset.millis),
            (None, Some(jump), _) => ClockFault::JumpMs(jump.millis),
            (None, None, Some(false)) => ClockFault::Thaw,
            (None, None, Some(true) | None) => ClockFault::Freeze,
        };
        if clock.of == "gateway" {
            let order = Order::Clock { hand, fault };
            return self.world.control(order).await.map(drop).map_err(refused);
        }
        let base = Now::at(self.world.now(), self.world.epoch());
        if let Some(raw) = self.raw_clocks.get_mut(&clock.of) {
            return raw.apply(base, hand, fault).map_err(refused);
        }
        self.world
            .set_clock(&clock.of, hand, fault)
            .map_err(refused)
    }
}

/// Blanks at the end of a text, up to `bytes` in all. JSON does not mind them.
fn padded(mut text: String, bytes: Option<usize>) -> String {
    let missing = bytes.unwrap_or_default().saturating_sub(text.len());
    text.push_str(&" ".repeat(missing));
    text
}
