//! What a set-up asks of its world, and what it is told.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use client_core::StoreOp;
use gateway_core::Control;
use serde_json::Value;
use tokio::sync::Notify;
use wsl_fixtures::setup::{Asked, Connection, Role};

/// What the script wants of a set-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Run it from the beginning.
    Run,
    /// Take away what it made.
    Uninstall,
    /// Run one step again.
    Repeat(String),
    /// Run a script in the distro.
    Script(String),
    /// Time has passed.
    Look,
}

/// What a set-up asks for.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Let this much time pass.
    Pause(Duration),
    /// Give the gateway an order.
    Control(Box<Control>),
    /// The gateway's view.
    View,
    /// Connect the companion in a role, and say what becomes of it.
    Connect(Role, Duration),
    /// Ask the gateway on the companion's operator connection.
    Request(String, Value, Duration),
    /// End the companion.
    Disconnect,
    /// Change what the companion stores.
    Store(Box<StoreOp>),
    /// Something is reported.
    Report(Value),
    /// The wish is fulfilled: the state, and when to look again.
    Idle {
        /// The snapshot.
        snapshot: Value,
        /// Time since the run began.
        look_at: Option<Duration>,
    },
}

/// What a set-up is told.
#[derive(Debug)]
pub(crate) enum Told {
    /// A wish of the script.
    Wish(Wish),
    /// The answer of the gateway, or why there is none.
    Answer(Result<Value, String>),
    /// What became of a connection.
    Connection(Connection),
    /// What became of a request.
    Asked(Asked),
    /// Done.
    Done,
}

/// The set-up's end of the line. Every answer tells the time.
pub(super) struct Line {
    asks: Sender<Ask>,
    answers: Receiver<(Duration, Told)>,
    bell: Arc<Notify>,
    now: Cell<Duration>,
}

impl Line {
    pub(super) fn new(
        asks: Sender<Ask>,
        answers: Receiver<(Duration, Told)>,
        bell: Arc<Notify>,
    ) -> Self {
        Self {
            asks,
            answers,
            bell,
            now: Cell::default(),
        }
    }

    /// Time since the run began.
    pub(super) fn now(&self) -> Duration {
        self.now.get()
    }

    /// The next thing that is told; none when the world is over.
    pub(super) fn hear(&self) -> Option<Told> {
        let (now, told) = self.answers.recv().ok()?;
        self.now.set(now);
        Some(told)
    }

    /// Says something that nobody answers.
    pub(super) fn say(&self, ask: Ask) {
        // A world that is over hears nothing, and that is fine.
        drop(self.asks.send(ask));
        self.bell.notify_one();
    }

    /// Asks, and waits for the answer; none when the world is over.
    pub(super) fn ask(&self, ask: Ask) -> Option<Told> {
        self.asks.send(ask).ok()?;
        self.bell.notify_one();
        self.hear()
    }

    /// Gives the gateway an order.
    pub(super) fn control(&self, control: Control) -> Result<Value, String> {
        self.answer(Ask::Control(Box::new(control)))
    }

    /// Asks for something that has an answer.
    pub(super) fn answer(&self, ask: Ask) -> Result<Value, String> {
        match self.ask(ask) {
            Some(Told::Answer(answer)) => answer,
            Some(Told::Wish(_) | Told::Connection(_) | Told::Asked(_) | Told::Done) | None => {
                Err("the run is over".to_owned())
            }
        }
    }
}
