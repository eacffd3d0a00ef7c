//! Ticks, snapshots, shutdown and restart. ref: gateway-behaviour.md §1.4, §8

use std::time::Duration;

use gateway_protocol::role::scope;
use gateway_protocol::{CloseFrame, Now, UnixMillis, limits};
use serde_json::{Value, json};

use crate::connection::Phase;
use crate::gateway::{Boot, Gateway, Up};
use crate::io::{Lifecycle, Output};
use crate::json::{Object, Printed};
use crate::outputs::Payload;
use crate::timers::Timer;

/// Why the gateway goes down.
#[derive(Clone, Debug)]
pub(crate) enum Down {
    Stop,
    /// Until it is told to start.
    Halt,
    Restart {
        down_for: Duration,
        reason: String,
    },
}

impl Gateway {
    pub(crate) fn is_starting(&self, now: Now) -> bool {
        self.boot
            .starting_until
            .is_some_and(|until| now.since_start < until)
    }

    pub(crate) fn presence_json(&self, now: UnixMillis) -> Value {
        self.presence
            .to_json(self.profile, &self.boot.instance, now)
    }

    /// The same, printed.
    pub(crate) fn presence_text(&self, now: UnixMillis) -> String {
        self.presence
            .to_text(self.profile, &self.boot.instance, now)
    }

    pub(crate) fn health_json(&self, now: UnixMillis) -> Value {
        let mut health = self.profile.health().clone();
        if let Some(object) = health.as_object_mut() {
            object.insert("ts".to_owned(), now.0.into());
        }
        health
    }

    /// Whether anybody would hear a broadcast.
    fn has_audience(&self) -> bool {
        let mut connections = self.connections.values();
        connections.any(|connection| connection.open().is_some())
    }

    pub(crate) fn broadcast_presence(&mut self, now: Now) {
        if !self.has_audience() {
            return;
        }
        let presence = self.presence_text(now.wall);
        let payload = Printed::new(presence.len() + "presence".len())
            .text("presence", &[&presence])
            .build();
        // 2026.9.6 tells only operators who may read. Flow events/presence-names-instances.
        let everybody = !self.profile.rules.rich_hello;
        self.broadcast("presence", Payload::Printed(payload), true, |open| {
            everybody || open.allows(scope::READ)
        });
    }

    pub(crate) fn broadcast_health(&mut self, now: Now) {
        self.health_due = false;
        self.versions.health += 1;
        if !self.has_audience() {
            return;
        }
        let payload = self.health_json(now.wall);
        self.broadcast("health", &payload, true, |_| true);
    }

    pub(crate) fn tick(&mut self, now: Now, due: Duration) {
        self.broadcast("tick", &json!({"ts": now.wall.0}), false, |_| true);
        self.timers
            .set(due + self.config.tick_interval(), Timer::Tick);
    }

    /// Says goodbye to everybody and goes down.
    pub(crate) fn go_down(&mut self, now: Now, down: &Down) {
        let clean = self.profile.rules.clean_shutdown;
        let payload = match down {
            Down::Stop | Down::Halt => Object::new()
                .with("reason", "gateway stopping")
                .when(!clean, "restartExpectedMs", Value::Null)
                .build(),
            Down::Restart { reason, .. } => {
                json!({"reason": reason, "restartExpectedMs": limits::RESTART_EXPECTED_MS})
            }
        };
        self.broadcast("shutdown", &payload, false, |_| true);
        let frame = CloseFrame::new(1012, "service restart");
        for (conn, connection) in &self.connections {
            match &connection.phase {
                Phase::Open(_) => self.outputs.push_back(Output::Close {
                    conn: *conn,
                    frame: frame.clone(),
                }),
                Phase::Handshake(_) if clean => {
                    self.outputs.push_back(Output::Close {
                        conn: *conn,
                        frame: frame.clone(),
                    });
                }
                Phase::Handshake(_) => self.outputs.push_back(Output::Abort { conn: *conn }),
                Phase::Closing => {}
            }
        }
        let in_place = matches!(down, Down::Restart { .. });
        self.forget_connections(now, in_place);
        match down {
            Down::Stop => {
                self.boot.up = Up::Stopped;
                self.log(None, "gateway stopping".to_owned());
                self.outputs
                    .push_back(Output::Lifecycle(Lifecycle::Stopping));
            }
            Down::Halt => {
                self.boot.up = Up::Restarting;
                self.log(
                    None,
                    "gateway stopped, until it is told to start".to_owned(),
                );
                self.outputs
                    .push_back(Output::Lifecycle(Lifecycle::Restarting {
                        down_for: Duration::MAX,
                    }));
            }
            Down::Restart { down_for, .. } => {
                let down_for = *down_for;
                self.boot.up = Up::Restarting;
                self.log(
                    None,
                    format!("gateway restarting, back in {} ms", down_for.as_millis()),
                );
                self.outputs
                    .push_back(Output::Lifecycle(Lifecycle::Restarting { down_for }));
                self.timers.set(now.since_start + down_for, Timer::Ready);
            }
        }
    }

    /// What lives in memory only is gone; devices, tokens, surfaces and pending device requests stay. A restart `in_place`
    /// keeps the process, and what it knows of who was there. Flow lifecycle/restart-keeps-devices.
    fn forget_connections(&mut self, now: Now, in_place: bool) {
        for connection in self.connections.values_mut() {
            connection.phase = Phase::Closing;
        }
        for (node, _) in std::mem::take(&mut self.nodes.live) {
            self.nodes.note_disconnected(&node, now.wall);
        }
        self.timers.clear();
        self.health_due = false;
        let pending: Vec<_> = self.invokes.pending.keys().cloned().collect();
        for id in pending {
            self.invokes.finish(&id, "disconnected", None);
        }
        self.nodes.work.clear();
        self.nodes.runners.clear();
        if in_place {
            self.presence.all_gone(now.wall);
        } else {
            self.presence.clear();
        }
        self.agent.restart();
        self.wizards.restart();
        self.limiter.clear();
    }

    /// The port opens again after a restart.
    pub(crate) fn come_back(&mut self, now: Now, due: Duration) {
        self.adopt_file();
        self.versions = gateway_protocol::StateVersion {
            presence: 1,
            health: 1,
        };
        self.boot = Boot::new(&mut self.entropy, &self.config, due);
        self.timers
            .set(due + self.config.tick_interval(), Timer::Tick);
        self.log(None, "gateway ready".to_owned());
        self.outputs.push_back(Output::Lifecycle(Lifecycle::Ready));
        debug_assert!(now.since_start >= due, "timers fire late, never early");
    }
}
