//! From admitted to open, and everything the gateway says unasked around it. What hello-ok says is in `hello.rs`.
//!
//! ref: gateway-behaviour.md §3, §5.1, §7.1

use gateway_protocol::{InvokeId, NodeId, Now, Outgoing, RequestId, Role, limits};
use serde_json::{Value, json};

use crate::admit::Admitted;
use crate::bootstrap::SetupToken;
use crate::connection::{Connection, Granted, OpenConnection, Phase, Surface};
use crate::devices::ApprovedVia;
use crate::gateway::Gateway;
use crate::hello::response_text;
use crate::io::Output;
use crate::mutation::Mutation;
use crate::nodes::{NodeMeta, PendingNode, SurfaceStep};
use crate::platform;
use crate::presence::PresenceEntry;
use crate::profile::Profile;
use crate::scripted::Change;
use crate::timers::Timer;

/// How long after a connect 2026.6.34 sends `health` to everybody.
const HEALTH_DELAY: std::time::Duration = std::time::Duration::from_millis(20);

impl Gateway {
    /// Opens the connection: token, surface, presence, hello-ok, and what follows it.
    pub(crate) fn welcome(
        &mut self,
        now: Now,
        conn: u32,
        id: &RequestId,
        admitted: &Admitted,
        change: Change,
    ) {
        let attempt = &admitted.attempt;
        let device = attempt.device.as_ref().filter(|_| admitted.recorded);
        let token = device
            .and_then(|device| self.token_for(device, attempt.role, &admitted.scopes, now.wall));
        // What 2026.6.34 tells is all that the token could do; what the connection may do is what it asked for.
        // Seen with `openclaw devices approve`: a device with every scope is refused what this connect left out.
        let mut told = match &token {
            Some(token) if !self.profile.rules.requested_scopes => token.scopes.clone(),
            Some(_) | None => admitted.scopes.clone(),
        };
        if self.has(Mutation::ExtraScope) {
            told.push(gateway_protocol::role::scope::ADMIN.to_owned());
        }
        let surface = (attempt.role == Role::Node).then(|| self.surface_of(admitted));
        self.open(
            now,
            conn,
            admitted,
            admitted.scopes.clone(),
            surface.clone(),
        );
        if let Some(surface) = surface {
            self.declare_surface(now, conn, admitted, surface);
        }
        self.note_presence(now, conn);
        let hello = self.hello(now, conn, admitted, &told, token.as_ref());
        let hello = self.changed_text(change, hello);
        let handed_over = admitted.handoff.is_some();
        let node = attempt.role == Role::Node;
        // In the handoff they come before the hello of 2026.6.34, and not at all with 2026.9.6. Recordings 60, 61
        let early = handed_over && !self.profile.rules.rich_hello;
        if node && early {
            self.send_voicewake(conn);
        }
        self.send_raw(conn, Outgoing::Text(response_text(id, &hello)));
        if node && !handed_over {
            self.send_voicewake(conn);
        }
        self.after_hello(now, conn, admitted);
    }

    /// From handshake to open.
    fn open(
        &mut self,
        now: Now,
        conn: u32,
        admitted: &Admitted,
        scopes: Vec<String>,
        surface: Option<Surface>,
    ) {
        let ping = self.timers.set(
            now.since_start + self.config.ping_interval(),
            Timer::Ping(conn),
        );
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        if let Some(deadline) = connection
            .handshake()
            .and_then(|handshake| handshake.deadline)
        {
            self.timers.cancel(deadline);
        }
        let attempt = &admitted.attempt;
        connection.phase = Phase::Open(Box::new(OpenConnection {
            client: attempt.params.client.clone(),
            role: attempt.role,
            scopes,
            device: attempt.device.as_ref().map(|device| device.id.clone()),
            granted: admitted.granted,
            ping,
            unauthorized: 0,
            surface,
        }));
        self.outputs.push_back(Output::Limit {
            conn,
            max_message: limits::MESSAGE_BYTES,
        });
        let client = &attempt.params.client;
        self.log(
            Some(conn),
            format!(
                "hello-ok to {} {} as {}",
                client.id, client.mode, attempt.role
            ),
        );
    }

    /// What a node declares, filtered by its platform.
    fn surface_of(&self, admitted: &Admitted) -> Surface {
        let params = &admitted.attempt.params;
        let caps = params.caps.clone().unwrap_or_default();
        let declared = params.commands.as_deref().unwrap_or_default();
        let commands = platform::filter(
            &params.client,
            &caps,
            declared,
            &self.config.nodes,
            self.profile,
        );
        let commands = if self.has(Mutation::AllowlistIgnored) {
            declared.to_vec()
        } else {
            commands
        };
        Surface {
            caps,
            commands,
            permissions: params.permissions.clone(),
        }
    }

    /// Compares a node's surface with what is approved and asks for the rest. ref: gateway-behaviour.md §7.1
    fn declare_surface(&mut self, now: Now, conn: u32, admitted: &Admitted, surface: Surface) {
        let attempt = &admitted.attempt;
        let Some(device) = &attempt.device else {
            return;
        };
        let node_id = NodeId::new(device.id.as_str());
        let meta = NodeMeta::of(&attempt.params.client, attempt.locality.remote_ip);
        self.nodes.live.insert(node_id.clone(), conn);
        let seen = self.nodes.seen.entry(node_id.clone()).or_default();
        seen.meta = Some(meta.clone());
        seen.connected_at = Some(now.wall);
        seen.path_env.clone_from(&attempt.params.path_env);
        seen.last = Some((now.wall, "connect".to_owned()));
        // A changed surface of an approved node is a question, however its device was approved.
        let silent = self.profile.rules.node_errors_9
            && !self.nodes.records.contains_key(&node_id)
            && self
                .devices
                .find(&device.id)
                .is_some_and(|record| record.approved_via != ApprovedVia::Owner);
        let request_id = self.entropy.uuid().into();
        let revision = self.entropy.uuid();
        let incoming = PendingNode {
            request_id,
            node_id,
            meta,
            surface,
            silent,
            ts: now.wall,
            revision,
        };
        if admitted.handoff.is_some() && self.profile.rules.node_errors_9
            || self.has(Mutation::SurfaceApprovedAtOnce)
        {
            self.nodes.approve(&incoming, None, now.wall);
            self.nodes.note_connected(&incoming.node_id, now.wall);
            self.tell_node_pairing(
                "node.pair.resolved",
                &incoming.resolved("approved", now.wall),
                None,
            );
            return;
        }
        self.nodes.note_connected(&incoming.node_id, now.wall);
        match self.nodes.declare(incoming.clone()) {
            SurfaceStep::Settled => {}
            SurfaceStep::Withdrawn(older) => {
                self.tell_node_pairing(
                    "node.pair.resolved",
                    &older.resolved("rejected", now.wall),
                    None,
                );
            }
            SurfaceStep::Asked { withdrawn } => {
                if let Some(older) = withdrawn {
                    self.tell_node_pairing(
                        "node.pair.resolved",
                        &older.resolved("rejected", now.wall),
                        None,
                    );
                }
                self.tell_node_pairing(
                    "node.pair.requested",
                    &incoming.to_json(self.profile, false),
                    None,
                );
                self.log(
                    Some(conn),
                    format!("node surface request {}", incoming.request_id),
                );
            }
        }
    }

    fn note_presence(&mut self, now: Now, conn: u32) {
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        let open = connection.open();
        let Some(open) = open.filter(|open| open.is_listed(self.profile)) else {
            return;
        };
        let somebody = open.is_somebody(self.profile);
        let client = &open.client;
        let entry = PresenceEntry {
            host: client
                .display_name
                .clone()
                .unwrap_or_else(|| client.id.clone()),
            ip: connection.locality.remote_ip.map(|ip| ip.to_string()),
            version: client.version.clone(),
            platform: client.platform.clone(),
            device_family: client.device_family.clone(),
            model_identifier: client.model_identifier.clone(),
            mode: client.mode.clone(),
            client_id: client.id.clone(),
            device_id: open.device.clone(),
            roles: vec![open.role],
            scopes: open.scopes.clone(),
            key: presence_key(self.profile, connection, open),
            instance_id: instance_of(self.profile, open),
            online_since: somebody.then_some(now.wall),
        };
        self.presence.connected(self.profile, entry, now.wall);
        self.versions.presence += 1;
    }

    /// Broadcasts that a connect causes. ref: gateway-behaviour.md §3
    fn after_hello(&mut self, now: Now, conn: u32, admitted: &Admitted) {
        let mode = admitted.attempt.params.client.mode.as_str();
        let hidden = mode == "cli" || mode == "backend";
        if self.profile.rules.health_after_connect {
            if !self.health_due {
                self.health_due = true;
                self.timers
                    .set(now.since_start + HEALTH_DELAY, Timer::Health);
            }
        } else if !hidden {
            self.broadcast_presence(now);
        }
        if let Some(setup) = admitted
            .handoff
            .as_ref()
            .filter(|_| self.profile.rules.setup_rpc)
        {
            self.setup_completed(now, conn, setup);
        }
    }

    fn setup_completed(&mut self, now: Now, conn: u32, setup: &SetupToken) {
        let open = self.connections.get(&conn).and_then(Connection::open);
        let Some((open, device)) = open.and_then(|open| Some((open, open.device.clone()?))) else {
            return;
        };
        let payload = json!({
            "setupId": setup.setup_id,
            "deviceId": device.as_str(),
            "deviceName": open.client.display_name,
            "access": setup.access,
            "ts": now.wall.0,
        });
        self.completed_setups
            .insert(setup.setup_id.clone(), payload.clone());
        self.tell_pairing("device.pair.setup.completed", &payload);
    }

    fn send_voicewake(&mut self, conn: u32) {
        let routing = json!({"version": 1, "defaultTarget": {"mode": "current"}, "routes": [], "updatedAtMs": 0});
        self.send_event(
            conn,
            "voicewake.changed",
            json!({"triggers": ["openclaw", "claude", "computer"]}),
        );
        self.send_event(
            conn,
            "voicewake.routing.changed",
            json!({"config": routing}),
        );
    }

    /// The connection is over for the gateway: presence, node, invokes.
    pub(crate) fn left(&mut self, now: Now, conn: u32) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        let phase = std::mem::replace(&mut connection.phase, Phase::Closing);
        let open = match phase {
            Phase::Handshake(handshake) => {
                if let Some(deadline) = handshake.deadline {
                    self.timers.cancel(deadline);
                }
                return;
            }
            Phase::Closing => return,
            Phase::Open(open) => open,
        };
        self.timers.cancel(open.ping);
        let key = presence_key(self.profile, connection, &open);
        self.agent.forget(conn);
        if let Some(device) = open.device.as_ref().filter(|_| open.role == Role::Node) {
            self.node_left(now, conn, &NodeId::new(device.as_str()));
        }
        let appeared = open.client.mode != "cli" && self.presence.disconnected(&key, now.wall);
        if appeared {
            self.versions.presence += 1;
            self.broadcast_presence(now);
        }
    }

    fn node_left(&mut self, now: Now, conn: u32, node: &NodeId) {
        let lost: Vec<InvokeId> = self.invokes.of_connection(conn);
        if self.nodes.live.get(node) == Some(&conn) {
            self.nodes.live.remove(node);
            self.nodes.note_disconnected(node, now.wall);
            self.forget_runners(node);
        }
        for id in lost {
            self.fail_invoke(&id, crate::invoke::InvokeFailure::Disconnected);
        }
    }

    /// What a scripted answer to `connect` makes of a client that would not have been let in.
    pub(crate) fn welcome_anyway(
        &mut self,
        now: Now,
        conn: u32,
        request: &gateway_protocol::Request,
        payload: Value,
    ) {
        let params = request
            .params
            .clone()
            .and_then(|params| serde_json::from_value(params).ok())
            .unwrap_or_default();
        let Some(connection) = self.connections.get(&conn) else {
            return;
        };
        let params: gateway_protocol::ConnectParams = params;
        let attempt = crate::auth::Attempt {
            role: Role::parse(params.role_text()).unwrap_or(Role::Operator),
            device: None,
            locality: connection.locality.clone(),
            origin: connection.origin.clone(),
            params,
        };
        let scopes = attempt.scopes();
        let admitted = Admitted {
            attempt,
            granted: Granted::Open,
            scopes,
            recorded: false,
            handoff: None,
        };
        let change = Change::replacing(payload);
        self.welcome(now, conn, &request.id, &admitted, change);
    }
}

/// What a presence entry stands for: an operator's connection on 2026.9.6, else a device.
fn presence_key(profile: &Profile, connection: &Connection, open: &OpenConnection) -> String {
    let of_connection = profile.rules.rich_hello && open.role == Role::Operator;
    let instance = instance_of(profile, open).filter(|_| !of_connection);
    instance.unwrap_or_else(|| connection.id.to_string())
}

/// The `instanceId` of a presence entry: the device, and only without one what the client calls itself. Operators of
/// 2026.9.6 are what they call themselves.
fn instance_of(profile: &Profile, open: &OpenConnection) -> Option<String> {
    let by_device = !profile.rules.rich_hello || open.role == Role::Node;
    let device = open.device.as_ref().filter(|_| by_device);
    let device = device.map(|device| device.as_str().to_owned());
    device.or_else(|| open.client.instance_id.clone())
}
