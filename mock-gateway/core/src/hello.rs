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
use crate::config::AuthMode;
use crate::connection::Granted;
use crate::devices::Token;
use crate::gateway::Gateway;
use crate::json::Printed;

/// Room for a hello-ok of the newest release, so that it is printed into one piece of memory.
const HELLO_BYTES: usize = 16 * 1024;

/// Room for its smaller parts.
const PART_BYTES: usize = 512;

/// The port of a gateway that was told no other. ref: gateway-behaviour.md §1.1
const DEFAULT_PORT: u16 = 18_789;

/// What a URL need not say.
const HTTP_PORT: u16 = 80;

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
        let host = self.surface_host(connection.host.as_deref().unwrap_or("127.0.0.1"));
        let operator = admitted.attempt.role == Role::Operator;
        let scopes = &admitted.scopes;
        let reads = operator && gateway_protocol::role::scope_allows(scopes, scope::READ);
        let server = Printed::new(PART_BYTES)
            .with("version", self.profile.version)
            .when(rich, "buildId", &self.profile.build_id())
            .when(rich, "bootId", self.boot.id.as_str())
            .when(rich, "controlUiBuildSource", "bundled")
            .with("connId", connection.id.as_str())
            .build();
        let control_ui = self.profile.control_ui();
        let surfaces = Printed::new(PART_BYTES)
            .with(
                "canvas",
                &format!("http://{host}/__openclaw__/cap/{canvas}"),
            )
            .build();
        Printed::new(HELLO_BYTES)
            .with("type", gateway_protocol::hello::HELLO_OK)
            .with("protocol", &limits::PROTOCOL)
            .text("server", &[&server])
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
            .text_when(!rich || operator, "pluginSurfaceUrls", &surfaces)
            .text("auth", &[&self.hello_auth(admitted, told, token)])
            .text("policy", &[&self.policy()])
            .build()
    }

    /// Host and port of the canvas: the client's `Host` header in the newer release; the older one puts its own port
    /// there, unless that is the default one. Flows origin/host-header and pairing/untrusted-proxy-headers.
    pub(crate) fn surface_host(&self, host: &str) -> String {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                (name, port.parse::<u16>().ok())
            }
            Some(_) | None => (host, None),
        };
        let hint = self.config.url_hint.as_deref().unwrap_or_default();
        let own = hint
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse::<u16>().ok());
        let of_header = port.unwrap_or(HTTP_PORT);
        match own {
            Some(own) if !self.profile.rules.rich_hello && own != DEFAULT_PORT => {
                format!("{name}:{own}")
            }
            Some(_) | None if of_header == HTTP_PORT => name.to_owned(),
            Some(_) | None => format!("{name}:{of_header}"),
        }
    }

    fn snapshot(&self, now: Now, operator: bool, scopes: &[String]) -> String {
        let rich = self.profile.rules.rich_hello;
        let admin = operator && gateway_protocol::role::scope_allows(scopes, scope::ADMIN);
        let reads = operator && gateway_protocol::role::scope_allows(scopes, scope::READ);
        let presence = if rich && !reads {
            "[]".to_owned()
        } else {
            self.presence_text(now.wall)
        };
        let uptime = now
            .since_start
            .saturating_sub(self.boot.started)
            .as_millis();
        let defaults = Printed::new(PART_BYTES)
            .with("defaultAgentId", "main")
            // Without a script the agent echoes, which no page should take for a model.
            .when(rich, "modelConfigured", &self.has_model())
            .when(rich, "ownership", "sole")
            .when(rich, "selectionRequired", &false)
            .with("mainKey", "main")
            .with("mainSessionKey", "agent:main:main")
            .with("scope", "per-sender")
            .build();
        let health = self.profile.health_text();
        let ts = now.wall.0.to_string();
        Printed::new(presence.len() + health.before.len() + health.after.len() + PART_BYTES)
            .text_when(rich, "suspension", r#"{"phase":"accepting"}"#)
            .text("presence", &[&presence])
            .text("health", &[&health.before, &ts, &health.after])
            .with("stateVersion", &self.versions)
            .with("uptimeMs", &u64::try_from(uptime).unwrap_or(u64::MAX))
            .when(
                rich,
                "appliedConfigHash",
                &format!("hmac-sha256:v1:{}", self.boot.config_hash),
            )
            .text("sessionDefaults", &[&defaults])
            .text_when(
                rich && reads,
                "updateSchedule",
                r#"{"channel":"stable","autoEnabled":false}"#,
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

    /// The same at every connect with the same device token; without one, with the same shared secret and device, across
    /// restarts. Nothing for those who have none of these. Flows pairing/local-backend and auth/mode-none.
    fn recovery_scope(&self, admitted: &Admitted, token: Option<&Token>) -> Option<String> {
        use sha2::Digest as _;
        let attempt = &admitted.attempt;
        let device = attempt.device.as_ref().map(|device| device.id.as_str());
        let material = match (token, admitted.granted) {
            (Some(token), _) => json!(["device-token", token.value.expose()]),
            (None, Granted::Open) => json!(["device", device?]),
            (None, _) => json!(["shared-auth", self.shared_secret(), device]),
        };
        let digest = sha2::Sha256::digest(material.to_string());
        Some(gateway_protocol::device::base64url(&digest))
    }

    /// The token or password that all clients share.
    fn shared_secret(&self) -> &str {
        let auth = &self.config.auth;
        let token = auth
            .token
            .as_ref()
            .map(gateway_protocol::SharedToken::expose);
        let password = auth
            .password
            .as_ref()
            .map(gateway_protocol::Password::expose);
        match auth.mode {
            AuthMode::Password => password.unwrap_or_default(),
            AuthMode::Token | AuthMode::None => token.unwrap_or_default(),
        }
    }

    fn hello_auth(&self, admitted: &Admitted, scopes: &[String], token: Option<&Token>) -> String {
        let rich = self.profile.rules.rich_hello;
        let role = admitted.attempt.role;
        let operator = role == Role::Operator;
        let recovers = rich && operator;
        let recovery = recovers.then(|| self.recovery_scope(admitted, token));
        Printed::new(PART_BYTES)
            .when(rich, "method", admitted.granted.as_str())
            .with("role", role.as_str())
            .with("scopes", scopes)
            .maybe("recoveryScope", recovery.flatten().as_ref())
            .when(
                recovers && admitted.recorded,
                "recoveryMigrationAllowed",
                &true,
            )
            .maybe("deviceToken", token.map(|token| token.value.expose()))
            .maybe(
                "issuedAtMs",
                token.map(|token| token.issued_at().0).as_ref(),
            )
            .maybe("deviceTokens", self.handed_over(admitted).as_ref())
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

    fn policy(&self) -> String {
        let rich = self.profile.rules.rich_hello;
        Printed::new(PART_BYTES)
            .with("maxPayload", &limits::MESSAGE_BYTES)
            .with("maxBufferedBytes", &limits::BUFFERED_BYTES)
            .with(
                "tickIntervalMs",
                &self.config.paced(self.config.tick_interval_ms),
            )
            .text_when(
                rich,
                "attachments",
                r#"{"maxBytes":19464192,"maxImageBytes":6291456}"#,
            )
            .text_when(
                rich,
                "allowedSessionVisibilities",
                r#"["shared","read-only","suggest","draft"]"#,
            )
            .when(rich, "hasMultipleSessionSharingIdentities", &false)
            .build()
    }
}
