//! One combination, and all of them.

use std::fmt;

use crate::scenario::{
    ClientActor, Control, GatewayPlan, Held, Holds, Lapse, Peer, Policy, RoleName, Scenario, Step,
    TokenOf, WorldName,
};

/// The one client.
pub(super) const COMPANION: &str = "companion";

/// A platform that no companion has today.
const EARLIER: &str = "linux";

/// The operator's device token on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorToken {
    /// In one of the usual ways.
    Held(Held),
    /// Valid, for reading only.
    ReadOnly,
}

impl OperatorToken {
    /// Whether the gateway accepts it.
    pub const fn is_valid(self) -> bool {
        matches!(self, Self::Held(Held::Valid) | Self::ReadOnly)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Held(held) => word(held),
            Self::ReadOnly => "read-only",
        }
    }
}

/// What the gateway remembers of the device when the companion starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Everything.
    Kept,
    /// The operator token was revoked.
    Revoked,
    /// The device was removed.
    Removed,
    /// The shared token was replaced.
    SharedRotated,
}

/// What the gateway has pinned of the device's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// What the companion says today.
    Same,
    /// Another platform: the system was updated since.
    Moved,
}

/// One combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// Which companion.
    pub policy: Policy,
    /// Where the gateway sees it.
    pub peer: Peer,
    /// The operator's device token.
    pub operator: OperatorToken,
    /// The node's device token.
    pub node: Held,
    /// The shared token.
    pub shared: Held,
    /// The bootstrap token.
    pub bootstrap: Held,
    /// What the gateway remembers.
    pub memory: Memory,
    /// What it has pinned.
    pub pin: Pin,
}

impl fmt::Display for Cell {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} {:?} operator={} node={} shared={} bootstrap={} memory={:?} pin={:?}",
            self.policy.name(),
            self.peer,
            self.operator.word(),
            word(self.node),
            word(self.shared),
            word(self.bootstrap),
            self.memory,
            self.pin,
        )
    }
}

const fn word(held: Held) -> &'static str {
    match held {
        Held::Absent => "absent",
        Held::Valid => "valid",
        Held::Stale => "stale",
        Held::Blank => "blank",
    }
}

/// Every combination that can be: what was never issued can't be revoked.
pub fn cells() -> Vec<Cell> {
    let operators = [
        OperatorToken::Held(Held::Absent),
        OperatorToken::Held(Held::Valid),
        OperatorToken::Held(Held::Stale),
        OperatorToken::Held(Held::Blank),
        OperatorToken::ReadOnly,
    ];
    let three = [Held::Absent, Held::Valid, Held::Stale];
    let memories = [
        Memory::Kept,
        Memory::Revoked,
        Memory::Removed,
        Memory::SharedRotated,
    ];
    let mut cells = Vec::new();
    for policy in [Policy::Pr741, Policy::Hardened] {
        for peer in [Peer::Local, Peer::Remote] {
            for operator in operators {
                for node in three {
                    for shared in three {
                        for bootstrap in three {
                            let cell = |(memory, pin)| Cell {
                                policy,
                                peer,
                                operator,
                                node,
                                shared,
                                bootstrap,
                                memory,
                                pin,
                            };
                            let all = memories.into_iter().flat_map(|memory| {
                                [Pin::Same, Pin::Moved].map(|pin| (memory, pin))
                            });
                            cells.extend(all.map(cell).filter(|cell| cell.can_be()));
                        }
                    }
                }
            }
        }
    }
    cells
}

impl Cell {
    fn can_be(self) -> bool {
        let is_paired = self.operator.is_valid() || self.node == Held::Valid;
        let has_pin = self.pin == Pin::Same || (is_paired && self.memory != Memory::Removed);
        let has_memory = match self.memory {
            Memory::Kept => true,
            Memory::Revoked => self.operator.is_valid(),
            Memory::Removed => is_paired,
            Memory::SharedRotated => self.shared == Held::Valid,
        };
        has_pin && has_memory
    }

    /// The cell as a scenario.
    pub fn scenario(&self) -> Scenario {
        let operator_token = match self.operator {
            OperatorToken::Held(held) => held,
            OperatorToken::ReadOnly => Held::Valid,
        };
        let scopes =
            (self.operator == OperatorToken::ReadOnly).then(|| vec!["operator.read".to_owned()]);
        let companion = ClientActor {
            node: true,
            peer: self.peer,
            holds: Holds {
                shared_token: self.shared,
                bootstrap_token: self.bootstrap,
                operator_token,
                node_token: self.node,
                operator_scopes: scopes,
                paired_platform: (self.pin == Pin::Moved).then(|| EARLIER.to_owned()),
                ..Holds::default()
            },
            ..ClientActor::default()
        };
        let mut builder = Scenario::builder("matrix/cell", "A cell of the credential matrix")
            .about("clawproof matrix")
            .worlds(&[WorldName::Core])
            .policy(self.policy)
            .client(COMPANION, companion)
            .gateway(GatewayPlan {
                approves: true,
                ..GatewayPlan::default()
            });
        if let Some(control) = self.forget() {
            builder = builder.control(control);
        }
        builder
            .start(COMPANION)
            .step(Step::Elapse(Lapse::seconds(180)))
            .build()
    }

    fn forget(self) -> Option<Control> {
        let device = || format!("${COMPANION}.device");
        match self.memory {
            Memory::Kept => None,
            Memory::Revoked => Some(Control {
                revoke_token: Some(TokenOf {
                    device: device(),
                    role: RoleName::Operator,
                }),
                ..Control::default()
            }),
            Memory::Removed => Some(Control {
                remove_device: Some(device()),
                ..Control::default()
            }),
            Memory::SharedRotated => Some(Control {
                rotate_shared_token: true,
                ..Control::default()
            }),
        }
    }
}
