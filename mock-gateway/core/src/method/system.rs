//! Health, status, identity, restart. ref: gateway-behaviour.md §8

use std::time::Duration;

use gateway_protocol::Now;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::json::Object;
use crate::method::{Answer, Call};
use crate::timers::Timer;

/// Time between the answer to `gateway.restart.request` and the restart.
const RESTART_NOTICE: Duration = Duration::from_millis(50);

impl Gateway {
    /// `None` for a method of no family of its own.
    pub(crate) fn call_system(&mut self, now: Now, call: &Call) -> Option<Answer> {
        let payload = match call.method.as_str() {
            "health" => self.health_json(now.wall),
            "status" => self.status_json(),
            "system-presence" => self.presence_json(now.wall),
            "system-event" => {
                self.versions.presence += 1;
                self.broadcast_presence(now);
                json!({"ok": true})
            }
            "last-heartbeat" => Value::Null,
            "gateway.identity.get" => json!({
                "deviceId": self.identity.device_id().as_str(),
                "publicKey": self.identity.public().to_base64url(),
            }),
            "gateway.restart.preflight" => self.preflight(),
            "gateway.restart.request" => self.request_restart(now, call),
            "voicewake.get" => json!({"triggers": ["openclaw", "claude", "computer"]}),
            _ => return None,
        };
        Some(Answer::Now(Ok(payload)))
    }

    fn status_json(&self) -> Value {
        self.profile.status().clone()
    }

    fn request_restart(&mut self, now: Now, call: &Call) -> Value {
        let reason = call
            .params
            .get("reason")
            .and_then(Value::as_str)
            .unwrap_or("gateway restarting")
            .to_owned();
        let announced = (self.profile.restart_down, "gateway restarting".to_owned());
        self.timers.set(
            now.since_start + RESTART_NOTICE,
            Timer::Restart(Box::new(announced)),
        );
        json!({
            "ok": true,
            "status": "scheduled",
            "preflight": self.preflight(),
            "restart": {"ok": true, "reason": reason, "delayMs": u64::try_from(RESTART_NOTICE.as_millis()).unwrap_or_default()},
        })
    }

    /// Recording 113.
    fn preflight(&self) -> Value {
        let newer = self.profile.rules.rich_hello;
        let counts = Object::new()
            .with("queueSize", 0)
            .with("pendingReplies", 0)
            .with("embeddedRuns", 0)
            .with("cronRuns", 0)
            .when(newer, "backgroundExecSessions", 0)
            .when(newer, "rootRequests", 0)
            .with("activeTasks", 0)
            .with("totalActive", 0);
        json!({
            "safe": true,
            "counts": counts.build(),
            "blockers": [],
            "summary": "safe to restart now",
        })
    }
}
