//! What can happen in a flow, as steps of a scenario.

use std::collections::BTreeMap;

use link::FaultName;
use serde_json::json;

use super::model::COMPANION;
use crate::scenario::{
    Clock, Control, Disk, Do, Expect, Fault, IntentName, Lapse, MintSetupCode, Offset, Restart,
    RoleName, Step, TokenOf, Way,
};

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Time passes, in milliseconds.
    Elapse(u64),
    /// The companion must be ready, within this many milliseconds.
    Ready(u64),
    /// The companion's process starts.
    Start,
    /// The companion's process ends; what is durable stays.
    Stop,
    /// Its user wants a connection.
    Connect,
    /// Its user wants none.
    Disconnect,
    /// Its user wants a new one.
    Reconnect,
    /// Its user wants a new one for the node.
    ReconnectNode,
    /// Its user enters the right shared token.
    SharedToken,
    /// Its user enters a setup code that was just made.
    SetupCode,
    /// The gateway restarts and is down for this many milliseconds.
    Restart(u64),
    /// The gateway's service stops.
    Down,
    /// The gateway's service starts.
    Up,
    /// A device token stops being valid.
    Revoke(RoleName),
    /// A device token is replaced.
    Rotate(RoleName),
    /// The device is removed.
    Remove,
    /// The shared token is replaced.
    RotateShared,
    /// What is pending expires.
    Expire,
    /// The next changes of the companion's disk are refused, this many.
    DiskFails(u32),
    /// A person at the gateway decides about what is pending, if anything is: yes or no.
    Decide(bool),
    /// The wire is disturbed.
    Disturb(Disturbance),
    /// A wall clock jumps, in milliseconds.
    Jump {
        /// The gateway's; the companion's otherwise.
        of_gateway: bool,
        /// Ahead, or back when negative.
        millis: i64,
    },
}

/// A fault that ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disturbance {
    /// Which.
    pub name: FaultName,
    /// How many of the next connections it takes; the ones that are open otherwise.
    pub next: Option<u32>,
    /// Messages that pass first.
    pub after: u32,
    /// How long it lasts on each, in milliseconds, where it lasts.
    pub lasts: Option<u64>,
}

/// Faults that are drawn, and whether they last.
pub(super) const FAULTS: [(FaultName, bool); 8] = [
    (FaultName::Reset, false),
    (FaultName::FinWithoutClose, false),
    (FaultName::CloseThenReset, false),
    (FaultName::Blackhole, true),
    (FaultName::BlackholeOneWay, true),
    (FaultName::Duplicate, false),
    (FaultName::Delay, true),
    (FaultName::Coalesce, true),
];

impl Event {
    /// The steps of a script that make it happen.
    pub(super) fn steps(self) -> Vec<Step> {
        let wish = |intent| Step::Do(Do::bare(COMPANION, intent));
        let control = |control: Control| Step::Control(Box::new(control));
        let token = |role| TokenOf {
            device: format!("${COMPANION}.device"),
            role,
        };
        let one = match self {
            Self::Elapse(millis) => Step::Elapse(Lapse::millis(millis)),
            Self::Ready(millis) => Step::Expect(Box::new(Expect {
                actor: Some(COMPANION.to_owned()),
                snapshot: Some(json!({"overallState": "Ready"})),
                within: Some(Lapse::millis(millis)),
                ..Expect::default()
            })),
            Self::Start => Step::Start(COMPANION.to_owned()),
            Self::Stop => Step::Stop(COMPANION.to_owned()),
            Self::Connect => wish(IntentName::Connect),
            Self::Disconnect => wish(IntentName::Disconnect),
            Self::Reconnect => wish(IntentName::Reconnect),
            Self::ReconnectNode => wish(IntentName::ReconnectNode),
            Self::SharedToken => Step::Do(Do {
                token: Some("$gateway.token".to_owned()),
                ..Do::bare(COMPANION, IntentName::ConnectSharedToken)
            }),
            Self::SetupCode => return setup_code(),
            Self::Restart(millis) => control(Control {
                restart: Some(Restart {
                    down_for: Some(Lapse::millis(millis)),
                    reason: None,
                }),
                ..Control::default()
            }),
            Self::Down | Self::Up => control(Control {
                stop: self == Self::Down,
                start: self == Self::Up,
                ..Control::default()
            }),
            Self::Revoke(role) => control(Control {
                revoke_token: Some(token(role)),
                ..Control::default()
            }),
            Self::Rotate(role) => control(Control {
                rotate_token: Some(token(role)),
                ..Control::default()
            }),
            Self::Remove => control(Control {
                remove_device: Some(format!("${COMPANION}.device")),
                ..Control::default()
            }),
            Self::RotateShared | Self::Expire => control(Control {
                rotate_shared_token: self == Self::RotateShared,
                expire_pending: self == Self::Expire,
                ..Control::default()
            }),
            Self::DiskFails(fails) => Step::Disk(Disk {
                of: COMPANION.to_owned(),
                fails,
                dies: None,
                identity: None,
            }),
            Self::Decide(yes) => control(decide(yes)),
            Self::Disturb(disturbance) => Step::Fault(disturbance.fault()),
            Self::Jump { of_gateway, millis } => Step::Clock(Clock {
                of: if of_gateway { "gateway" } else { COMPANION }.to_owned(),
                jump: Some(Offset { millis }),
                ..Clock::default()
            }),
        };
        vec![one]
    }
}

/// What a person says to the latest request, if there is one.
fn decide(yes: bool) -> Control {
    let any = || Some("any".to_owned());
    Control {
        approve: any().filter(|_| yes),
        reject: any().filter(|_| !yes),
        ..Control::default()
    }
}

/// A code is minted and entered.
fn setup_code() -> Vec<Step> {
    let mint = Control {
        mint_setup_code: Some(MintSetupCode::default()),
        capture: BTreeMap::from([("code".to_owned(), "/setupCode".to_owned())]),
        ..Control::default()
    };
    let apply = Do {
        code: Some("$code".to_owned()),
        ..Do::bare(COMPANION, IntentName::ApplySetupCode)
    };
    vec![Step::Control(Box::new(mint)), Step::Do(apply)]
}

impl Disturbance {
    fn fault(self) -> Fault {
        // A request that arrives twice is answered twice: only what the gateway says is doubled.
        let doubles = self.name == FaultName::Duplicate;
        Fault {
            way: doubles.then_some(Way::ToClient),
            next: self.next,
            after_messages: (self.after > 0).then_some(self.after),
            lasts: self.lasts.map(Lapse::millis),
            delay: (self.name == FaultName::Delay).then_some(Lapse::millis(700)),
            ..Fault::named(self.name)
        }
    }
}
