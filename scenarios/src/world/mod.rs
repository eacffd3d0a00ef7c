//! The grounds that a scenario runs on: one trait, and one file per world.
//!
//! | module | content |
//! |---|---|
//! | `arrange` `pairing` `draw` | what is there before the first step, the same for every world; pure |
//! | `sockets` | the real gateway shell and the real client shell over streams |
//! | `memory` `loopback` | the streams: in memory with virtual time, TCP with real time |
//! | `real` | the real gateway behind the recording proxy, real time |
//! | `wsl` | set-ups over namespaces of this machine, real time |
//! | `foreign` | the world `loopback` or `real` with somebody else's program as the client |
//! | `brains` | the two pure cores in one loop, virtual time, no runtime |
//! | `set_up` | a set-up of an app-owned distro in the memory world |
//! | `raw` `connect_frame` | `WebSocket`s that a script drives, and the signed `connect` they send |
//! | `tether` `bell` `witness` | headers and cuts on a client's stream; the signal of change; what clients report and store |
//!
//! A world is driven by one conductor, which never looks behind the trait.

mod arrange;
mod bell;
mod brains;
mod connect_frame;
mod draw;
mod foreign;
mod loopback;
mod memory;
mod pairing;
mod puppet;
mod raw;
mod real;
mod services;
mod set_up;
mod sockets;
mod tether;
mod witness;
mod wsl;

use std::collections::BTreeMap;
use std::time::Duration;

use client_core::{EndpointOwner, Intent};
use gateway_core::Control;
use gateway_protocol::time::VIRTUAL_EPOCH;
use gateway_protocol::{ClockFault, Hand, UnixMillis};
use link::{FaultName, FaultSpec};
use serde_json::Value;
use thiserror::Error;
use transcript::Recorder;

use crate::judge::record::{ProgramNote, StoreNote, Withheld};
use crate::scenario::{Death, IdentityFile, TunnelName};

pub(crate) use arrange::{
    ArrangeError, Arrangement, GATEWAY_ID, arrange, arrange_with_token, ssh_tunnel,
};
pub(crate) use brains::Brains;
pub(crate) use connect_frame::{Ink, connect_params, merge};
pub(crate) use draw::Draw;
pub(crate) use foreign::{Stage, foreign, foreign_at_real};
pub(crate) use loopback::loopback;
pub(crate) use memory::memory;
pub(crate) use raw::RawMessage;
pub(crate) use real::real;
pub(crate) use set_up::Wish;
pub(crate) use tether::Severing;
pub(crate) use wsl::{missing as missing_for_wsl, missing_for as missing_for_set_up, wsl};

/// Something a script asked for that could not be done; the words go into the report.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct Refusal(pub(crate) String);

impl Refusal {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// How far the newest (or n-th) connection of a raw actor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RawPhase {
    /// There is none.
    None,
    /// Before the end of the upgrade.
    Opening,
    /// Messages can be sent.
    Open,
    /// Over.
    Ended,
}

/// What is left when the script is over.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    /// What outlived the run, in words.
    pub(crate) leftovers: Vec<String>,
    /// The processes of a foreign client.
    pub(crate) programs: Vec<ProgramNote>,
}

/// The ground of one run.
///
/// Every future is polled by one conductor on one thread. In worlds without a runtime none of them ever waits.
pub(crate) trait World {
    /// Time since the run began.
    fn now(&self) -> Duration;

    /// What the wall clocks of this world read when the run began.
    fn epoch(&self) -> UnixMillis {
        VIRTUAL_EPOCH
    }

    /// The record of the wire.
    fn recorder(&self) -> &Recorder;

    /// Address of the gateway, `ws://localhost:PORT`.
    fn url(&self) -> String;

    /// A count that grows when anything may have changed.
    fn pulse(&self) -> u64;

    /// Lets everything happen that can happen at this moment.
    async fn settle(&mut self);

    /// Waits until the pulse is greater than `seen`, or until `deadline` (time since the run began).
    async fn wait(&mut self, seen: u64, deadline: Duration);

    /// Starts an actor, or opens one more connection of a raw one.
    async fn start(&mut self, actor: &str) -> Result<(), Refusal>;

    /// Stops an actor.
    async fn stop(&mut self, actor: &str) -> Result<(), Refusal>;

    /// Tells a client what its user wants.
    async fn intend(&mut self, actor: &str, intent: Intent) -> Result<(), Refusal>;

    /// Whether a client is somebody else's program, which is told things by name.
    fn is_foreign(&self, _actor: &str) -> bool {
        false
    }

    /// Tells a foreign client what its user wants: the action of its adapter, and the action's arguments.
    async fn tell(
        &mut self,
        actor: &str,
        action: &str,
        _arguments: &BTreeMap<&'static str, String>,
    ) -> Result<(), Refusal> {
        Err(Refusal::new(format!("{actor} can't be told to {action}")))
    }

    /// Lets a set-up do something, to its end.
    async fn set_up(&mut self, actor: &str, _: Wish) -> Result<(), Refusal> {
        Err(Refusal::new(format!(
            "{actor} is a set-up, which this world can't run"
        )))
    }

    /// Sends on the newest connection of a raw actor, or on its n-th from 1.
    async fn send(
        &mut self,
        actor: &str,
        nth: Option<u32>,
        message: RawMessage,
    ) -> Result<(), Refusal>;

    /// How far a raw connection is, and the nonce of its challenge.
    fn raw(&self, actor: &str, nth: Option<u32>) -> (RawPhase, Option<String>);

    /// Ends streams of an actor from its own side.
    fn sever(&mut self, actor: &str, severing: Severing) -> Result<(), Refusal>;

    /// Gives the gateway an order.
    async fn control(&mut self, control: Control) -> Result<Value, Refusal>;

    /// Installs a fault.
    async fn install(&mut self, fault: FaultSpec);

    /// Ends the faults of this name; false when there is none.
    async fn heal(&mut self, name: FaultName) -> bool;

    /// Starts the gateway's service again after it was stopped.
    async fn start_gateway(&mut self) -> Result<(), Refusal>;

    /// Stops the gateway's service.
    async fn stop_gateway(&mut self) -> Result<(), Refusal>;

    /// Sets a clock of a client.
    fn set_clock(&mut self, actor: &str, hand: Hand, fault: ClockFault) -> Result<(), Refusal>;

    /// Lets the disk of a client refuse its next changes.
    fn fail_disk(&mut self, actor: &str, _changes: u32) -> Result<(), Refusal> {
        Err(Refusal::new(format!(
            "the disk of {actor} is the machine's"
        )))
    }

    /// Kills the process of a client at one of its next durable changes, and starts it again.
    fn die_at_a_write(&mut self, actor: &str, _death: Death) -> Result<(), Refusal> {
        Err(Refusal::new(format!(
            "{actor} can be killed at a write in the core world only"
        )))
    }

    /// Something becomes of the identity file of a client, behind its back.
    async fn turn_identity(&mut self, actor: &str, _file: IdentityFile) -> Result<(), Refusal> {
        Err(Refusal::new(format!(
            "the disk of {actor} is the machine's"
        )))
    }

    /// Something becomes of the SSH tunnels of a client.
    fn turn_tunnel(&mut self, actor: &str, _turn: TunnelName) -> Result<(), Refusal> {
        Err(Refusal::new(format!(
            "the tunnels of {actor} are in the core world only"
        )))
    }

    /// The gateway's view, as JSON.
    async fn view(&mut self) -> Value;

    /// A client's snapshot as JSON.
    fn snapshot(&self, actor: &str) -> Option<Value>;

    /// A number that is another one after anything that may change a client's snapshot, where that is known.
    fn shown(&self, _actor: &str) -> Option<u64> {
        None
    }

    /// A client's durable state.
    fn durable(&self, actor: &str) -> Option<client_core::DurableState>;

    /// What a client says of its dashboard's address (`client_core::Dashboard` as JSON, the shared token in it), where it
    /// can be asked.
    async fn dashboard(&self, _actor: &str) -> Option<Value> {
        None
    }

    /// What a client has reported so far as JSON, oldest first.
    fn reports(&self, actor: &str) -> Vec<Value>;

    /// How many reports that are.
    fn reported(&self, actor: &str) -> usize {
        self.reports(actor).len()
    }

    /// Every change of durable state, oldest first.
    fn stores(&self) -> Vec<StoreNote>;

    /// Every time that a client kept a credential back, oldest first.
    fn withheld(&self) -> Vec<Withheld> {
        Vec::new()
    }

    /// Tells a client who listens at its gateway's address, as a look at the machine would.
    async fn find_listener(&mut self, actor: &str, _owner: EndpointOwner) -> Result<(), Refusal> {
        Err(Refusal::new(format!(
            "{actor} finds out by itself who listens"
        )))
    }

    /// Ends everything.
    async fn finish(self) -> Ending;
}

/// What raw actors need of an arrangement, shared by every world.
#[derive(Clone, Debug)]
pub(crate) struct RawBook {
    plans: BTreeMap<String, arrange::RawPlan>,
}

impl RawBook {
    pub(crate) fn new(arrangement: &Arrangement) -> Self {
        Self {
            plans: arrangement.raws.clone(),
        }
    }

    pub(crate) fn plan(&self, actor: &str) -> Option<&arrange::RawPlan> {
        self.plans.get(actor)
    }
}
