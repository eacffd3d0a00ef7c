//! What had been proven when a secret first crossed the wire: a fold over a transcript, redacted or not.
//!
//! A credential has a trust condition. A ledger says for each class of secret and each party when it first went out, what
//! was proven of the other end by then, and what of its condition was not. It proves negatives: a class that is not in
//! it never crossed.
//!
//! | class | wants |
//! |---|---|
//! | every credential | a challenge on its own connection, and a signature over that challenge's nonce |
//! | shared token, password, bootstrap token | an address of this computer, or wss |
//! | the same, where the record tells who listens | that the gateway listens |
//!
//! ref: client-behaviour.md §17.4, §18

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;
use transcript::{Direction, Entry, Kind, Stage, Transcript};

use super::wire::{Wire, seconds};

/// Begins the text of a step that tells who listens at the address of a managed gateway.
pub(crate) const LISTENER_STEP: &str = "control listener";

/// A kind of secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The gateway's shared token.
    SharedToken,
    /// The gateway's password.
    Password,
    /// What a setup code holds.
    BootstrapToken,
    /// A device token of the operator role.
    OperatorToken,
    /// A device token of the node role.
    NodeToken,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 5] = [
        Self::SharedToken,
        Self::Password,
        Self::BootstrapToken,
        Self::OperatorToken,
        Self::NodeToken,
    ];

    /// The words of the table.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SharedToken => "shared token",
            Self::Password => "password",
            Self::BootstrapToken => "bootstrap token",
            Self::OperatorToken => "operator token",
            Self::NodeToken => "node token",
        }
    }

    /// Whether it opens more than one device's door.
    pub const fn is_strong(self) -> bool {
        match self {
            Self::SharedToken | Self::Password | Self::BootstrapToken => true,
            Self::OperatorToken | Self::NodeToken => false,
        }
    }

    fn of(key: &str, role: &str) -> Option<Self> {
        Some(match key {
            "token" => Self::SharedToken,
            "password" => Self::Password,
            "bootstrapToken" => Self::BootstrapToken,
            "deviceToken" if role == "node" => Self::NodeToken,
            "deviceToken" => Self::OperatorToken,
            _ => return None,
        })
    }
}

/// What was known of the other end when something was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent proofs, each shown by itself"
)]
pub struct Proven {
    /// A challenge had arrived on the connection.
    pub challenged: bool,
    /// The frame signs that challenge's nonce.
    pub signed: bool,
    /// The address is one of this computer, or the connection is encrypted.
    pub is_private: bool,
    /// Who listens, where the record tells: whether it is the gateway.
    pub listener: Option<bool>,
    /// The same party had been welcomed at this gateway before.
    pub welcomed: bool,
}

impl Proven {
    /// In words, what was proven.
    pub fn words(self) -> Vec<&'static str> {
        let proofs = [
            (self.challenged, "challenge"),
            (self.signed, "nonce signed"),
            (self.is_private, "private address"),
            (self.listener == Some(true), "listener is the gateway"),
            (self.welcomed, "welcomed before"),
        ];
        let there = proofs.into_iter().filter(|(is, _)| *is);
        there.map(|(_, words)| words).collect()
    }

    /// What a class wants beyond that.
    pub fn missing(self, class: Class) -> Vec<&'static str> {
        let strong = class.is_strong();
        let wants = [
            (!self.challenged, "challenge"),
            (!self.signed, "nonce signed"),
            (strong && !self.is_private, "private address"),
            (
                strong && self.listener == Some(false),
                "listener is the gateway",
            ),
        ];
        let open = wants.into_iter().filter(|(is, _)| *is);
        open.map(|(_, words)| words).collect()
    }
}

/// A credential on its way to a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// What it is.
    pub class: Class,
    /// Whose.
    pub actor: String,
    /// The connection.
    pub conn: u32,
    /// Number of the transcript entry.
    pub entry: u64,
    /// Time since the start of the run, in microseconds.
    pub t_us: u64,
    /// What was proven by then.
    pub proven: Proven,
}

impl Crossing {
    /// What its trust condition wants and had not been proven.
    pub fn missing(&self) -> Vec<&'static str> {
        self.proven.missing(self.class)
    }

    /// One line for people.
    pub fn sentence(&self) -> String {
        let missing = self.missing().join(", ");
        format!(
            "{}'s {} went out on connection {} without: {missing}",
            self.actor,
            self.class.word(),
            self.conn
        )
    }
}

/// What is known of a connection so far.
#[derive(Default)]
struct Known {
    nonce: Option<String>,
    is_private: bool,
}

/// Every crossing of a credential, in order.
pub fn crossings(transcript: &Transcript) -> Vec<Crossing> {
    let wire = Wire::of(&transcript.entries);
    let mut fold = Fold {
        wire: &wire,
        known: BTreeMap::new(),
        listener: BTreeMap::new(),
        found: Vec::new(),
    };
    for entry in &transcript.entries {
        fold.take(entry);
    }
    fold.found
}

/// The first crossing of each class of each party.
pub fn first(crossings: &[Crossing]) -> Vec<&Crossing> {
    let mut seen = std::collections::BTreeSet::new();
    crossings
        .iter()
        .filter(|it| seen.insert((it.actor.as_str(), it.class)))
        .collect()
}

struct Fold<'a> {
    wire: &'a Wire,
    known: BTreeMap<u32, Known>,
    /// Whether the gateway listens at a party's address, where a step tells.
    listener: BTreeMap<String, bool>,
    found: Vec<Crossing>,
}

impl Fold<'_> {
    fn take(&mut self, entry: &Entry) {
        if entry.kind == Kind::Step {
            self.step(entry.text.as_deref().unwrap_or_default());
        }
        let Some(conn) = entry.conn else { return };
        if entry.kind == Kind::Open {
            let private = entry.data.as_ref().is_some_and(is_private);
            self.known.entry(conn).or_default().is_private = private;
        }
        let Some(frame) = entry.frame.as_deref() else {
            return;
        };
        let text = |name: &str| frame.get(name).and_then(Value::as_str);
        let to_client = entry.dir == Some(Direction::GatewayToClient);
        if to_client && text("event") == Some("connect.challenge") {
            // A wire that can't be seen into has no second stage.
            if entry.stage != Some(Stage::Sent) {
                let nonce = frame.pointer("/payload/nonce").and_then(Value::as_str);
                self.known.entry(conn).or_default().nonce = nonce.map(str::to_owned);
            }
        } else if !to_client && text("method") == Some("connect") {
            let sent = entry.stage.is_none_or(|stage| stage == Stage::Sent);
            if sent {
                self.connect(conn, entry, frame);
            }
        }
    }

    /// `3 control listener gateway of companion`.
    fn step(&mut self, text: &str) {
        let told = text.split_once(LISTENER_STEP).map(|(_, told)| told.trim());
        if let Some((who, actor)) = told.and_then(|told| told.split_once(" of ")) {
            let is_gateway = who.starts_with("gateway");
            self.listener.insert(actor.to_owned(), is_gateway);
        }
    }

    fn connect(&mut self, conn: u32, entry: &Entry, frame: &Value) {
        let role = frame.pointer("/params/role").and_then(Value::as_str);
        let auth = frame.pointer("/params/auth").and_then(Value::as_object);
        let nonce = frame
            .pointer("/params/device/nonce")
            .and_then(Value::as_str);
        let actor = self.wire.connection(conn).and_then(|it| it.actor.clone());
        let actor = actor.unwrap_or_else(|| "a client".to_owned());
        let welcomed = self.wire.connections().any(|(_, other)| {
            other.actor.as_deref() == Some(&actor)
                && other.hello.is_some_and(|hello| hello < entry.n)
        });
        let known = self.known.entry(conn).or_default();
        let proven = Proven {
            challenged: known.nonce.is_some(),
            signed: known.nonce.is_some() && known.nonce.as_deref() == nonce,
            is_private: known.is_private,
            listener: self.listener.get(&actor).copied(),
            welcomed,
        };
        let keys = auth.into_iter().flatten().map(|(key, _)| key.as_str());
        for class in keys.filter_map(|key| Class::of(key, role.unwrap_or("operator"))) {
            self.found.push(Crossing {
                class,
                actor: actor.clone(),
                conn,
                entry: entry.n,
                t_us: entry.t_us,
                proven,
            });
        }
    }
}

/// Whether nobody else reads what is sent to the address that a client dialled: one of this computer, or an encrypted one.
fn is_private(open: &Value) -> bool {
    let text = |name: &str| open.get(name).and_then(Value::as_str);
    let host = text("host").unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    here || open.get("tls").and_then(Value::as_bool) == Some(true)
}

/// The ledger as rows of a table: party, class, when, proven, missing. Classes that never crossed are named at the end.
pub fn rows(crossings: &[Crossing]) -> Vec<[String; 5]> {
    let first = first(crossings);
    let mut rows: Vec<[String; 5]> = first
        .iter()
        .map(|it| {
            let worst = crossings
                .iter()
                .filter(|other| other.actor == it.actor && other.class == it.class)
                .find(|other| !other.missing().is_empty());
            let missing = worst.map_or_else(String::new, |worst| {
                format!("{} (entry {})", worst.missing().join(", "), worst.entry)
            });
            [
                it.actor.clone(),
                it.class.word().to_owned(),
                format!("{} entry {}", seconds(it.t_us).trim(), it.entry),
                it.proven.words().join(", "),
                missing,
            ]
        })
        .collect();
    let absent = Class::ALL
        .into_iter()
        .filter(|class| crossings.iter().all(|it| it.class != *class));
    rows.extend(absent.map(|class| {
        let never = || "never".to_owned();
        [
            "nobody".to_owned(),
            class.word().to_owned(),
            never(),
            String::new(),
            String::new(),
        ]
    }));
    rows
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case("localhost:18789", true)]
    #[case("127.0.0.1:18789", true)]
    #[case("[::1]:18789", true)]
    #[case("192.168.1.20:18789", false)]
    #[case("127.evil.example:1", false)]
    fn an_address_of_this_computer_is_private(#[case] host: &str, #[case] private: bool) {
        assert_eq!(is_private(&json!({ "host": host })), private);
    }

    #[rstest]
    #[case(Class::SharedToken, &["private address"])]
    #[case(Class::BootstrapToken, &["private address"])]
    #[case(Class::OperatorToken, &[])]
    fn only_strong_credentials_want_a_private_address(
        #[case] class: Class,
        #[case] missing: &[&str],
    ) {
        let proven = Proven {
            challenged: true,
            signed: true,
            ..Proven::default()
        };
        assert_eq!(proven.missing(class), missing);
    }

    #[test]
    fn nothing_proven_is_everything_missing() {
        let missing = Proven {
            listener: Some(false),
            ..Proven::default()
        };
        assert_eq!(missing.missing(Class::SharedToken).len(), 4);
        assert_eq!(missing.missing(Class::NodeToken).len(), 2);
    }
}
