//! One WebSocket message.

use gateway_protocol::CloseFrame;
use serde_json::Value;
use transcript::{Draft, Kind, Payload};

/// What a WebSocket codec hands up and takes down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireMessage {
    /// A text message; one frame of the protocol, or nonsense.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping with its body.
    Ping(Vec<u8>),
    /// A pong with its body.
    Pong(Vec<u8>),
    /// A close frame; none when it had no body.
    Close(Option<CloseFrame>),
}

impl WireMessage {
    /// The kind of its transcript entry.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Text(_) => Kind::Text,
            Self::Binary(_) => Kind::Binary,
            Self::Ping(_) => Kind::Ping,
            Self::Pong(_) => Kind::Pong,
            Self::Close(_) => Kind::Close,
        }
    }

    /// Whether it is text or binary, as opposed to WebSocket's own control frames.
    pub fn is_data(&self) -> bool {
        matches!(self, Self::Text(_) | Self::Binary(_))
    }

    /// A copy for the record; a close frame has none. `frame` is what a text says, where that is known.
    pub(crate) fn payload(&self, is_brief: bool, frame: Option<Value>) -> Option<Payload> {
        match self {
            Self::Text(text) => Some(match frame {
                Some(frame) => Payload::known(text.as_str(), frame),
                None if is_brief => Payload::brief(text.as_str()),
                None => Payload::text(text.as_str()),
            }),
            Self::Binary(bytes) | Self::Ping(bytes) | Self::Pong(bytes) => {
                Some(Payload::binary(bytes.as_slice()))
            }
            Self::Close(_) => None,
        }
    }

    /// Adds what the entry of this message shows.
    pub(crate) fn describe(&self, draft: Draft, payload: Option<&Payload>) -> Draft {
        match (self, payload) {
            (Self::Close(Some(frame)), _) => draft.close(Some(frame.code), frame.reason.clone()),
            (Self::Close(None), _) => draft.close(None, ""),
            (Self::Ping(body) | Self::Pong(body), _) if body.is_empty() => draft,
            (_, Some(payload)) => draft.payload(payload.clone()),
            (_, None) => draft,
        }
    }
}
