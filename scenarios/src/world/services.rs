//! The service of a managed gateway in the hands of its client: what the client asks for is done by the world, which alone
//! has the gateway. ref: client-behaviour.md §25

use std::time::Duration;

use client_core::ManagedEndpoint;
use gateway_client::{AnswersFuture, RestartFuture, ServiceKeeper};
use link::FaultTable;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::bell::Bell;
use crate::scenario::Service;

/// How long a restart takes.
pub(crate) const SERVICE_RESTART: Duration = Duration::from_secs(2);

/// Restarts that wait for the world; a client asks for one at a time, and waits while there is no room.
const RESTARTS: usize = 8;

/// What a restart that fails says, in systemd's words.
pub(crate) const BROKEN: &str = "Job for openclaw-gateway.service failed: start-limit-hit";

/// Told when a restart is done, or why it can't be.
pub(super) type Done = oneshot::Sender<Result<(), String>>;

/// The restarts that clients have asked for.
pub(super) struct Services {
    orders: mpsc::Sender<Done>,
    asked: mpsc::Receiver<Done>,
}

impl Services {
    pub(super) fn new() -> Self {
        let (orders, asked) = mpsc::channel(RESTARTS);
        Self { orders, asked }
    }

    /// The next restart that is due.
    pub(super) fn next(&mut self) -> Option<Done> {
        self.asked.try_recv().ok()
    }

    /// What a client repairs its gateway with.
    pub(super) fn hands(&self, service: Service, faults: FaultTable, bell: Bell) -> Hands {
        let orders = self.orders.clone();
        Hands {
            service,
            faults,
            bell,
            orders,
        }
    }
}

pub(super) struct Hands {
    service: Service,
    faults: FaultTable,
    bell: Bell,
    orders: mpsc::Sender<Done>,
}

impl ServiceKeeper for Hands {
    fn answers(&self, _port: u16) -> AnswersFuture {
        // A look at the port leaves no trace at the gateway, unlike a connection.
        let answers = !self.faults.is_refusing();
        Box::pin(async move { answers })
    }

    fn restart(&self, _endpoint: ManagedEndpoint) -> RestartFuture {
        let (service, orders, bell) = (self.service, self.orders.clone(), self.bell.clone());
        Box::pin(async move {
            sleep(SERVICE_RESTART).await;
            if service == Service::Fails {
                return Err(BROKEN.to_owned());
            }
            let (done, is_done) = oneshot::channel();
            if orders.send(done).await.is_err() {
                return Err("the world has ended".to_owned());
            }
            bell.ring();
            is_done
                .await
                .unwrap_or_else(|_| Err("the world has ended".to_owned()))
        })
    }
}
