//! One connection between a client and the gateway, without a socket.

use client_core::SocketId;
use gateway_core::Peer;
use gateway_protocol::{CloseFrame, Now, Outgoing, limits};
use link::{FaultTable, Wire, WireMessage};
use serde_json::{Value, json};
use transcript::{Direction, Recorder};

use super::super::arrange::ACTOR_HEADER;

/// Who is at the client's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Far {
    Client { actor: String, socket: SocketId },
    Raw { actor: String },
}

impl Far {
    pub(super) fn is_client(&self, name: &str, wanted: SocketId) -> bool {
        matches!(self, Self::Client { actor, socket } if actor == name && *socket == wanted)
    }

    pub(super) fn is_raw(&self, name: &str) -> bool {
        matches!(self, Self::Raw { actor } if actor == name)
    }

    pub(super) fn actor(&self) -> &str {
        match self {
            Self::Client { actor, .. } | Self::Raw { actor } => actor,
        }
    }
}

/// What one end says: the message, and the frame that it prints, which the recorder need not read from it again.
pub(super) struct Spoken {
    pub(super) message: WireMessage,
    frame: Option<Value>,
}

impl Spoken {
    pub(super) fn of(message: Outgoing) -> Self {
        match message {
            Outgoing::Frame(frame) => Self {
                message: WireMessage::Text(frame.to_text()),
                frame: Some(frame.into_value()),
            },
            Outgoing::Text(text) => WireMessage::Text(text).into(),
            Outgoing::Binary(bytes) => WireMessage::Binary(bytes).into(),
        }
    }
}

impl From<WireMessage> for Spoken {
    fn from(message: WireMessage) -> Self {
        Self {
            message,
            frame: None,
        }
    }
}

/// One connection.
pub(super) struct Line {
    pub(super) wire: Wire,
    pub(super) far: Far,
    /// The gateway has not been told of it yet.
    pub(super) stranger: Option<Peer>,
    /// Largest message that the gateway reads.
    pub(super) max_message: usize,
    pub(super) gateway: Side,
    pub(super) client: Side,
}

/// How far one end is with saying goodbye.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Side {
    /// It has said its last word.
    pub(super) closed: bool,
    /// Its close frame has arrived at the other end.
    pub(super) done: bool,
}

impl Line {
    pub(super) fn open(
        now: Now,
        conn: u32,
        actor: &str,
        far: Far,
        peer: Peer,
        faults: &FaultTable,
        recorder: &Recorder,
    ) -> Self {
        let wire = Wire::new(conn, faults.clone(), recorder.clone());
        let data = json!({
            "remoteIp": peer.remote_ip, "origin": peer.origin, "host": peer.host, "path": "/", "actor": actor,
        });
        wire.opened(now, data);
        Self {
            wire,
            far,
            stranger: Some(peer),
            max_message: limits::PRE_HELLO_MESSAGE_BYTES,
            gateway: Side::default(),
            client: Side::default(),
        }
    }

    /// The same connection in another world; none when something is on its way or has become of it.
    pub(super) fn copy(&self, faults: &FaultTable, recorder: &Recorder) -> Option<Self> {
        let still = self.wire.next_deadline().is_none() && !self.wire.is_cut();
        still.then(|| Self {
            wire: Wire::new(self.wire.conn(), faults.clone(), recorder.clone()),
            far: self.far.clone(),
            stranger: self.stranger.clone(),
            max_message: self.max_message,
            gateway: self.gateway,
            client: self.client,
        })
    }

    /// The gateway says something; nothing follows its close frame.
    pub(super) fn gateway_says(&mut self, now: Now, spoken: Spoken) {
        if !self.gateway.closed {
            let Spoken { message, frame } = spoken;
            self.wire
                .enter_known(now, Direction::GatewayToClient, message, frame);
        }
    }

    /// The gateway says its last word.
    pub(super) fn gateway_closes(&mut self, now: Now, frame: Option<CloseFrame>) {
        self.gateway_says(now, WireMessage::Close(frame).into());
        self.gateway.closed = true;
    }

    /// The client says something; nothing follows its close frame.
    pub(super) fn client_says(&mut self, now: Now, spoken: Spoken) {
        if !self.client.closed {
            let Spoken { message, frame } = spoken;
            self.wire
                .enter_known(now, Direction::ClientToGateway, message, frame);
        }
    }

    /// The client says its last word.
    pub(super) fn client_closes(&mut self, now: Now, frame: Option<CloseFrame>) {
        self.client_says(now, WireMessage::Close(frame).into());
        self.client.closed = true;
    }
}

/// Host and port of a ws URL, as the `Host` header has them.
pub(super) fn host(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    Some(rest.split(['/', '?', '#']).next()?.to_owned())
}

/// The peer that upgrade requests with these header lines show.
pub(super) fn peer(headers: &[String], origin: Option<String>) -> Peer {
    let mut peer = Peer::loopback();
    peer.origin = origin;
    peer.host = Some("localhost:18789".to_owned());
    peer.headers = headers
        .iter()
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| *name != ACTOR_HEADER)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    peer
}
