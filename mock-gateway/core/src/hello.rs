//! What hello-ok says: server, features, snapshot, what was granted, policy. ref: gateway-behaviour.md §3, §5.1
//!
//! It is printed, not built: some 6 KB of it are the same for every client, and a connect is the dearest thing that a
//! gateway does.
//!
//! - `hello`: the whole payload. `snapshot`, `hello_auth`, `policy`: its parts.

use gateway_protocol::role::scope;
use gateway_protocol::{Now, RequestId, Role, limits};
use serde_json::{Value, json};

use crate::admit::Admitted;
use crate::devices::Token;
use crate::gateway::Gateway;
use crate::json::{Object, Printed};

/// Room for a hello-ok of the newest release, so that it is printed into one piece of memory.
const HELLO_BYTES: usize = 16 * 1024;

/// Room for its smaller parts.
const PART_BYTES: usize = 512;

/// `{"type":"res","id","ok":true,"payload"}` around a payload that is printed already.
pub(crate) fn response_text(id: &RequestId, payload: &str) -> String {
    Printed::new(payload.len() + PART_BYTES)
        .with("type", "res")
        .with("id", id.as_str())
        .with("ok", &true)
        .text("payload", &[payload])
        .build()
}

impl Gateway {
    /// The payload of a successful connect, printed.
    pub(crate) fn hello(
        &mut self,
        now: Now,
        conn: u32,
        admitted: &Admitted,
        told: &[String],
        token: Option<&Token>,
    ) -> String {
        let canvas = self.entropy.capability();
        let Some(connection) = self.connections.get(&conn) else {
            return Value::Null.to_string();
        };
        let rich = self.profile.rules.rich_hello;
        let host = connection.host.as_deref().unwrap_or("127.0.0.1");
        let host = if rich {
            host.to_owned()
        } else {
            self.with_port(host)
        };
        let operator = admitted.attempt.role == Role::Operator;
        let scopes = &admitted.scopes;
        let reads = operator && gateway_protocol::role::scope_allows(scopes, scope::READ);
        let server = Object::new()
            .with("version", self.profile.version)
            .when(rich, "buildId", self.profile.build_id())
            .when(rich, "bootId", self.boot.id.as_str())
            .when(rich, "controlUiBuildSource", "bundled")
            .with("connId", connection.id.as_str())
            .build();
        let control_ui = self.profile.control_ui();
        let surfaces = json!({"canvas": format!("http://{host}/__openclaw__/cap/{canvas}")});
        Printed::new(HELLO_BYTES)
            .with("type", gateway_protocol::hello::HELLO_OK)
            .with("protocol", &limits::PROTOCOL)
            .with("server", &server)
            .text("features", &[self.profile.features()])
            .text("snapshot", &[&self.snapshot(now, operator, scopes)])
            .when(
                rich && reads,
                "controlUiWidgetKinds",
                &control_ui["controlUiWidgetKinds"],
            )
            .when(
                rich && reads,
                "controlUiLinkReaders",
                &control_ui["controlUiLinkReaders"],
            )
            .when(!rich || operator, "pluginSurfaceUrls", &surfaces)
            .with("auth", &self.hello_auth(admitted, told, token))
            .with("policy", &self.policy())
            .build()
    }

    /// A `Host` header without a port gets the gateway's own. Seen by the flow pairing/untrusted-proxy-headers.
    fn with_port(&self, host: &str) -> String {
        let bare = !host
            .rsplit(']')
            .next()
            .is_some_and(|rest| rest.contains(':'));
        let hint = self.config.url_hint.as_deref().unwrap_or_default();
        match hint.rsplit_once(':') {
            Some((_, port)) if bare && port.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("{host}:{port}")
            }
            Some(_) | None => host.to_owned(),
        }
    }

    fn snapshot(&self, now: Now, operator: bool, scopes: &[String]) -> String {
        let rich = self.profile.rules.rich_hello;
        let admin = operator && gateway_protocol::role::scope_allows(scopes, scope::ADMIN);
        let reads = operator && gateway_protocol::role::scope_allows(scopes, scope::READ);
        let presence = if rich && !reads {
            json!([])
        } else {
            self.presence_json(now.wall)
        };
        let uptime = now
            .since_start
            .saturating_sub(self.boot.started)
            .as_millis();
        let defaults = Object::new()
            .with("defaultAgentId", "main")
            .when(rich, "modelConfigured", false)
            .when(rich, "ownership", "sole")
            .when(rich, "selectionRequired", false)
            .with("mainKey", "main")
            .with("mainSessionKey", "agent:main:main")
            .with("scope", "per-sender")
            .build();
        let health = self.profile.health_text();
        let ts = now.wall.0.to_string();
        Printed::new(PART_BYTES)
            .when(rich, "suspension", &json!({"phase": "accepting"}))
            .with("presence", &presence)
            .text("health", &[&health.before, &ts, &health.after])
            .with("stateVersion", &self.versions)
            .with("uptimeMs", &u64::try_from(uptime).unwrap_or(u64::MAX))
            .when(
                rich,
                "appliedConfigHash",
                &format!("hmac-sha256:v1:{}", self.boot.config_hash),
            )
            .with("sessionDefaults", &defaults)
            .when(
                rich && reads,
                "updateSchedule",
                &json!({"channel": "stable", "autoEnabled": false}),
            )
            .when(
                admin,
                "configPath",
                "/home/openclaw/.openclaw/openclaw.json",
            )
            .when(admin, "stateDir", "/home/openclaw/.openclaw")
            .when(admin, "authMode", self.config.auth.mode.as_str())
            .build()
    }

    /// A value of its own for each device token, the same at every connect.
    fn recovery_scope(&self, token: &str) -> String {
        use sha2::Digest as _;
        let text = format!("{}|{token}", self.boot.recovery_scope);
        gateway_protocol::device::base64url(&sha2::Sha256::digest(text))
    }

    fn hello_auth(&self, admitted: &Admitted, scopes: &[String], token: Option<&Token>) -> Value {
        let rich = self.profile.rules.rich_hello;
        let role = admitted.attempt.role;
        let operator = role == Role::Operator;
        let recovery = self.recovery_scope(token.map_or("", |token| token.value.expose()));
        Object::new()
            .when(rich, "method", admitted.granted.as_str())
            .with("role", role.as_str())
            .with("scopes", scopes.to_vec())
            .when(rich && operator, "recoveryScope", recovery)
            .when(
                rich && operator && admitted.recorded,
                "recoveryMigrationAllowed",
                true,
            )
            .maybe("deviceToken", token.map(|token| token.value.expose()))
            .maybe("issuedAtMs", token.map(|token| token.issued_at().0))
            .maybe("deviceTokens", self.handed_over(admitted))
            .build()
    }

    /// Tokens of the other roles of a used-up setup code.
    fn handed_over(&self, admitted: &Admitted) -> Option<Value> {
        admitted.handoff.as_ref()?;
        let device = self.devices.find(&admitted.attempt.device.as_ref()?.id)?;
        let others = device
            .tokens
            .iter()
            .filter(|(role, _)| **role != admitted.attempt.role);
        let issued = others.map(|(role, token)| {
            json!({
                "deviceToken": token.value.expose(),
                "role": role.as_str(),
                "scopes": token.scopes,
                "issuedAtMs": token.issued_at().0,
            })
        });
        Some(issued.collect())
    }

    fn policy(&self) -> Value {
        let rich = self.profile.rules.rich_hello;
        Object::new()
            .with("maxPayload", limits::MESSAGE_BYTES)
            .with("maxBufferedBytes", limits::BUFFERED_BYTES)
            .with("tickIntervalMs", self.config.tick_interval_ms)
            .when(
                rich,
                "attachments",
                json!({"maxBytes": 19_464_192, "maxImageBytes": 6_291_456}),
            )
            .when(
                rich,
                "allowedSessionVisibilities",
                json!(["shared", "read-only", "suggest", "draft"]),
            )
            .when(rich, "hasMultipleSessionSharingIdentities", false)
            .build()
    }
}
