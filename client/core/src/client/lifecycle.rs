//! Connect, disconnect, reconnect, switch: one wish at a time, the others in a queue.
//! ref: client-behaviour.md §14, §15 (3)

use std::time::Duration;

use gateway_protocol::Role;

use crate::client::Client;
use crate::client::connection::{Connection, Phase};
use crate::client::durable::{After, RegistryAfter, RegistryChange};
use crate::client::requests::Purpose;
use crate::event::{ClientEvent, DiagnosticCategory as Category};
use crate::intent::{Intent, IntentOutcome};
use crate::mutation::Mutation;
use crate::registry::GatewayRecord;
use crate::state::OperatorState;
use crate::store::{StoreError, StoreOp};
use crate::url::GatewayUrl;

/// The lifecycle wish that holds the transition lock; the others wait in a queue.
#[derive(Clone, Debug)]
pub(crate) struct Transition {
    /// [`Intent::name`].
    pub(crate) intent: &'static str,
    pub(crate) gateway_url: Option<String>,
    pub(crate) step: Step,
    /// A new record has been saved for it. ref: §16
    pub(crate) committed: bool,
}

/// What it waits for.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Nothing: it runs within one input.
    Running,
    /// `gateways.json` is being written.
    Saving(Then),
    /// The role tokens are being cleared.
    Clearing(Then),
    /// The shared token is being tried on a connection of its own.
    Validating(Box<GatewayRecord>),
    /// The device key is being made durable.
    Launching,
    /// The service of the gateway is being restarted. ref: §25
    Repairing,
}

/// What comes after the write.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// Disconnect and connect to this gateway.
    Connect {
        gateway_id: String,
        force_bootstrap: bool,
        clear_tokens: bool,
    },
    /// The wish is done.
    Done,
}

impl Client {
    pub(super) fn on_intent(&mut self, intent: Intent) {
        if self.stopped {
            return self.tell_done(
                intent.name(),
                IntentOutcome::ConnectionFailed,
                Some("client has stopped".into()),
            );
        }
        match intent {
            Intent::Stop => self.stop(),
            Intent::Approve { kind, request_id } => self.approve(kind, request_id.trim(), None),
            Intent::Reject { kind, request_id } => self.reject(kind, request_id.trim()),
            Intent::RefreshPending => {
                self.refresh_device_list();
                self.refresh_node_lists();
            }
            Intent::Request {
                role,
                method,
                params,
                tag,
                limit_ms,
            } => {
                let limit = limit_ms.map(Duration::from_millis);
                self.user_request(role, method, params, Purpose::User { tag, limit });
            }
            Intent::NodeEvent { event, payload } => self.node_event(&event, &payload),
            Intent::SetNodeEnabled { enabled } => self.set_node_enabled(enabled),
            Intent::EnsureNodeConnected => self.ensure_node_connected(),
            Intent::Connect
            | Intent::Disconnect
            | Intent::Reconnect
            | Intent::ReconnectNode
            | Intent::ReconnectIfCurrent { .. }
            | Intent::ApplySetupCode { .. }
            | Intent::ConnectSharedToken { .. }
            | Intent::AddGateway { .. }
            | Intent::SwitchGateway { .. }
            | Intent::RemoveGateway { .. } => {
                self.intents.push_back(intent);
                self.next_intent();
            }
        }
    }

    pub(super) fn next_intent(&mut self) {
        while self.transition.is_none() {
            let Some(intent) = self.intents.pop_front() else {
                return;
            };
            let intent_name = intent.name();
            self.transition = Some(Transition {
                intent: intent_name,
                gateway_url: None,
                step: Step::Running,
                committed: false,
            });
            self.run_intent(intent);
        }
    }

    fn run_intent(&mut self, intent: Intent) {
        match intent {
            Intent::Connect => self.connect_active(),
            Intent::Disconnect => {
                self.disconnect();
                self.stop_tunnel();
                self.user_disconnected = true;
                self.finish(IntentOutcome::Success, None);
            }
            Intent::Reconnect => {
                self.disconnect();
                self.connect_active();
            }
            Intent::ReconnectNode => self.reconnect_node(),
            Intent::ReconnectIfCurrent { id } => self.reconnect_if_current(&id),
            Intent::ApplySetupCode { code } => self.apply_setup_code(&code),
            Intent::ConnectSharedToken {
                url,
                token,
                ssh_tunnel,
            } => self.connect_shared_token(&url, &token, ssh_tunnel),
            Intent::AddGateway { record } => self.add_gateway(*record),
            Intent::SwitchGateway { id } => self.switch_gateway(id),
            Intent::RemoveGateway { id } => self.remove_gateway(id),
            Intent::Stop
            | Intent::Approve { .. }
            | Intent::Reject { .. }
            | Intent::RefreshPending
            | Intent::Request { .. }
            | Intent::NodeEvent { .. }
            | Intent::EnsureNodeConnected
            | Intent::SetNodeEnabled { .. } => self.finish(IntentOutcome::Success, None),
        }
    }

    /// The wish is over; the next one in the queue starts.
    pub(super) fn finish(&mut self, outcome: IntentOutcome, error: Option<String>) {
        let Some(transition) = self.transition.take() else {
            return;
        };
        let error = error.map(|text| self.without_secrets(&text));
        self.tell(ClientEvent::IntentDone {
            intent: transition.intent.to_owned(),
            outcome,
            error,
            gateway_url: transition.gateway_url,
            gateway_committed: transition.committed,
        });
        self.next_intent();
    }

    pub(super) fn tell_done(
        &mut self,
        intent: &str,
        outcome: IntentOutcome,
        error: Option<String>,
    ) {
        let (intent, gateway_url) = (intent.to_owned(), None);
        self.tell(ClientEvent::IntentDone {
            intent,
            outcome,
            error,
            gateway_url,
            gateway_committed: false,
        });
    }

    pub(super) fn wait_for(&mut self, step: Step) {
        if let Some(transition) = &mut self.transition {
            transition.step = step;
        }
    }

    fn connect_active(&mut self) {
        self.user_disconnected = false;
        let Some(record) = self.state.registry.active().cloned() else {
            self.diagnose(Category::Warning, "Connect ignored: no active gateway");
            return self.finish(
                IntentOutcome::ConnectionFailed,
                Some("no active gateway".to_owned()),
            );
        };
        if !matches!(
            self.operator_role.state,
            OperatorState::Idle | OperatorState::Error
        ) {
            let text = format!("Connect ignored in state {:?}", self.operator_role.state);
            self.diagnose(Category::Warning, text);
            return self.finish(IntentOutcome::Success, None);
        }
        // Startup choice: an operator credential connects, a node credential alone connects the node only. ref: §14.4
        let operator = self.resolve_credential(Role::Operator, &record);
        let node = self.resolve_credential(Role::Node, &record);
        let node_alone = operator.credential.is_none() && node.credential.is_some();
        if node_alone && self.node_role.enabled && !self.options.has(Mutation::NodeAloneIsNothing) {
            return self.connect_node_only(record.id);
        }
        self.launch_operator(&record.id);
        self.launch_settled();
    }

    fn reconnect_node(&mut self) {
        self.user_disconnected = false;
        let Some(active) = self.state.registry.active_id.clone() else {
            return self.finish(
                IntentOutcome::ConnectionFailed,
                Some("no active gateway".to_owned()),
            );
        };
        if self.role_is_live(Role::Operator) && self.gateway_id.as_ref() == Some(&active) {
            self.start_node();
            self.background("node.list");
            return self.finish(IntentOutcome::Success, None);
        }
        self.connect_node_only(active);
    }

    /// What a helper may ask for: nothing that the user did not want. ref: §14.1
    fn reconnect_if_current(&mut self, id: &str) {
        let refused = if self.state.registry.active_id.as_deref() != Some(id) {
            Some("another gateway is active")
        } else if self.user_disconnected {
            Some("the user has disconnected")
        } else if self.state.registry.find(id).is_none() {
            Some("unknown gateway")
        } else {
            None
        };
        if let Some(why) = refused {
            return self.finish(IntentOutcome::ConnectionFailed, Some(why.to_owned()));
        }
        self.disconnect();
        self.launch_operator(id);
        self.launch_settled();
    }

    /// The node without an operator. ref: §14.4
    fn connect_node_only(&mut self, gateway_id: String) {
        self.disconnect();
        if let Some(record) = self.state.registry.find(&gateway_id).cloned() {
            self.keep_only_tunnel_of(&record);
        }
        self.gateway_id = Some(gateway_id);
        self.start_node();
        self.launch_settled();
    }

    fn add_gateway(&mut self, mut record: GatewayRecord) {
        if GatewayUrl::parse(&record.url).is_none() {
            return self.finish(
                IntentOutcome::InvalidUrl,
                Some("gateway URL is invalid".to_owned()),
            );
        }
        if record.id.trim().is_empty() {
            record.id = self.new_uuid();
        }
        if record.identity_dir_name.is_empty() {
            record.identity_dir_name.clone_from(&record.id);
        }
        self.wait_for(Step::Saving(Then::Done));
        let record = Box::new(record);
        self.change_registry(
            RegistryChange::Put {
                record,
                activate: false,
            },
            RegistryAfter::Transition,
        );
    }

    fn switch_gateway(&mut self, id: String) {
        let Some(record) = self.state.registry.find(&id) else {
            self.diagnose(Category::Warning, "Switch gateway failed");
            return self.finish(
                IntentOutcome::ConnectionFailed,
                Some("unknown gateway".to_owned()),
            );
        };
        let url = GatewayUrl::parse(&record.url).map(|url| url.display());
        if let Some(transition) = &mut self.transition {
            transition.gateway_url = url;
        }
        self.diagnose(Category::State, format!("Switching active gateway to {id}"));
        let then = Then::Connect {
            gateway_id: id.clone(),
            force_bootstrap: false,
            clear_tokens: false,
        };
        self.wait_for(Step::Saving(then));
        self.change_registry(RegistryChange::Activate { id }, RegistryAfter::Transition);
    }

    fn remove_gateway(&mut self, id: String) {
        if self.gateway_id.as_ref() == Some(&id) {
            self.disconnect();
            self.stop_tunnel();
        }
        self.wait_for(Step::Saving(Then::Done));
        self.change_registry(RegistryChange::Remove { id }, RegistryAfter::Transition);
    }

    fn set_node_enabled(&mut self, enabled: bool) {
        self.node_role.enabled = enabled;
        self.retire_node();
        if enabled && self.role_is_live(Role::Operator) {
            self.start_node();
        }
        self.tell_done("set_node_enabled", IntentOutcome::Success, None);
    }

    /// The write that the running wish waited for is done, or failed.
    pub(super) fn transition_stored(&mut self, result: Result<(), StoreError>) {
        let step = self.transition.as_ref().map(|it| it.step.clone());
        match (step, result) {
            (Some(Step::Saving(then)), Ok(())) => self.saved(then),
            (Some(Step::Clearing(then)), Ok(())) => self.cleared(then),
            (Some(Step::Saving(_) | Step::Clearing(_)), Err(error)) => {
                let text = error.to_string();
                self.diagnose_with(
                    Category::Error,
                    "Gateway record could not be saved",
                    Some(text.clone()),
                );
                self.finish(IntentOutcome::ConnectionFailed, Some(text));
            }
            (
                Some(Step::Running | Step::Validating(_) | Step::Launching | Step::Repairing)
                | None,
                _,
            ) => {}
        }
    }

    fn saved(&mut self, then: Then) {
        if let Some(transition) = &mut self.transition {
            transition.committed = transition.intent == "connect_shared_token";
        }
        match &then {
            Then::Done => self.finish(IntentOutcome::Success, None),
            Then::Connect {
                gateway_id,
                clear_tokens,
                ..
            } => {
                let gateway_id = gateway_id.clone();
                self.user_disconnected = false;
                let has_tokens = self
                    .state
                    .identities
                    .get(&gateway_id)
                    .is_some_and(crate::identity::Identity::has_any_token);
                self.disconnect();
                if *clear_tokens && has_tokens {
                    self.wait_for(Step::Clearing(then));
                    return self.store(StoreOp::ClearAllTokens { gateway_id }, After::Transition);
                }
                self.cleared(then);
            }
        }
    }

    fn cleared(&mut self, then: Then) {
        let Then::Connect {
            gateway_id,
            force_bootstrap,
            ..
        } = then
        else {
            return;
        };
        self.force_bootstrap = force_bootstrap.then(|| gateway_id.clone());
        self.launch_operator(&gateway_id);
        // For exactly this connect, even if it bailed out. ref: §15 (8)
        self.force_bootstrap = None;
        self.launch_settled();
    }

    /// The launch is over once the device key is there: an operator in Error has failed, anything else is under way.
    pub(super) fn launch_settled(&mut self) {
        let launching = self.transition.as_ref().is_some_and(|it| {
            matches!(
                it.step,
                Step::Launching | Step::Running | Step::Saving(_) | Step::Clearing(_)
            )
        });
        if !launching {
            return;
        }
        let preparing = |it: &Connection| matches!(it.phase, Phase::Preparing);
        if self.operator.as_ref().is_some_and(preparing)
            || self.node.as_ref().is_some_and(preparing)
        {
            return self.wait_for(Step::Launching);
        }
        if self.operator_role.state == OperatorState::Error {
            let error = self
                .operator_role
                .error
                .as_ref()
                .map(|(text, _)| text.clone());
            return self.finish(IntentOutcome::ConnectionFailed, error);
        }
        self.finish(IntentOutcome::Success, None);
    }
}
