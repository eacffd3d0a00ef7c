//! WebSocket frames as bytes: cut out of a stream without changing one of them, and made anew where a fault needs it.
//!
//! A codec reads a message and forgets how it was written. A man in the middle must hand on the very bytes: the
//! peer's masks, its fragments, its mistakes. So a message comes with the bytes that it was, and what is no sound
//! WebSocket comes as bytes alone.

use gateway_protocol::CloseFrame;

use crate::message::WireMessage;

/// A message larger than this is not looked into: its bytes pass as they come. ref: gateway-behaviour.md §1.3
const LARGEST: u64 = 32 * 1024 * 1024;

/// Where made-up client frames get their mask from. It hides nothing and need not be random.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

const FIN: u8 = 0x80;
const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// What was cut out of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A whole message and its bytes.
    Message { message: WireMessage, raw: Vec<u8> },
    /// Bytes that are no sound WebSocket, or follow such bytes.
    Opaque(Vec<u8>),
}

/// Cuts one direction of a stream.
#[derive(Debug, Default)]
pub(crate) struct FrameCutter {
    buffer: Vec<u8>,
    /// A message whose last fragment has not come.
    partial: Option<Partial>,
    /// Nothing is read as frames any more.
    is_opaque: bool,
}

#[derive(Debug)]
struct Partial {
    opcode: u8,
    payload: Vec<u8>,
    raw: Vec<u8>,
}

/// The head of a frame.
struct Head {
    is_last: bool,
    opcode: u8,
    mask: Option<[u8; 4]>,
    length: u64,
    /// Bytes of the head itself.
    size: usize,
}

/// A frame that breaks the rules of WebSocket.
struct Unsound;

impl FrameCutter {
    /// Takes bytes as they were read.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole piece.
    pub(crate) fn next(&mut self) -> Option<Piece> {
        loop {
            if self.is_opaque {
                let rest = std::mem::take(&mut self.buffer);
                return (!rest.is_empty()).then_some(Piece::Opaque(rest));
            }
            let head = match head(&self.buffer) {
                Ok(None) => return None,
                Ok(Some(head)) if head.length <= LARGEST => head,
                Ok(Some(_)) | Err(Unsound) => {
                    self.give_up(Vec::new());
                    continue;
                }
            };
            let length = usize::try_from(head.length).unwrap_or(usize::MAX);
            let end = head.size.saturating_add(length);
            if self.buffer.len() < end {
                return None;
            }
            let rest = self.buffer.split_off(end);
            let raw = std::mem::replace(&mut self.buffer, rest);
            match self.take(&head, raw) {
                Ok(Some(piece)) => return Some(piece),
                Ok(None) => {}
                Err(raw) => self.give_up(raw),
            }
        }
    }

    /// Reads no more frames; what was kept back passes first, then `raw`.
    fn give_up(&mut self, raw: Vec<u8>) {
        self.is_opaque = true;
        let mut back = self
            .partial
            .take()
            .map_or_else(Vec::new, |partial| partial.raw);
        back.extend(raw);
        back.append(&mut self.buffer);
        self.buffer = back;
    }

    /// A whole frame: a message or a part of one; its bytes come back when it is neither.
    fn take(&mut self, head: &Head, raw: Vec<u8>) -> Result<Option<Piece>, Vec<u8>> {
        let payload = unmasked(head, &raw);
        match head.opcode {
            CLOSE | PING | PONG if head.is_last && payload.len() <= 125 => {
                match control(head.opcode, payload) {
                    Some(message) => Ok(Some(Piece::Message { message, raw })),
                    None => Err(raw),
                }
            }
            TEXT | BINARY if self.partial.is_none() => {
                let begun = Partial {
                    opcode: head.opcode,
                    payload,
                    raw,
                };
                self.gather(begun, head.is_last)
            }
            CONTINUATION => match self.partial.take() {
                Some(mut begun) => {
                    begun.payload.extend_from_slice(&payload);
                    begun.raw.extend_from_slice(&raw);
                    self.gather(begun, head.is_last)
                }
                None => Err(raw),
            },
            _unknown => Err(raw),
        }
    }

    /// A message, if this was its last fragment; else it waits for the next one.
    fn gather(&mut self, begun: Partial, is_last: bool) -> Result<Option<Piece>, Vec<u8>> {
        if is_last {
            return match data(begun.opcode, begun.payload) {
                Some(message) => Ok(Some(Piece::Message {
                    message,
                    raw: begun.raw,
                })),
                None => Err(begun.raw),
            };
        }
        if begun.payload.len() as u64 > LARGEST {
            return Err(begun.raw);
        }
        self.partial = Some(begun);
        Ok(None)
    }
}

fn head(bytes: &[u8]) -> Result<Option<Head>, Unsound> {
    let &[first, second, ref rest @ ..] = bytes else {
        return Ok(None);
    };
    if first & 0x70 != 0 {
        return Err(Unsound);
    }
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _short => 0,
    };
    let masks = if second & 0x80 == 0 { 0 } else { 4 };
    let Some(tail) = rest.get(..extended + masks) else {
        return Ok(None);
    };
    let (extension, mask) = tail.split_at(extended);
    let length = if extended == 0 {
        u64::from(second & 0x7f)
    } else {
        extension
            .iter()
            .fold(0, |length, byte| (length << 8) | u64::from(*byte))
    };
    Ok(Some(Head {
        is_last: first & FIN != 0,
        opcode: first & 0x0f,
        mask: mask.try_into().ok(),
        length,
        size: 2 + extended + masks,
    }))
}

fn unmasked(head: &Head, raw: &[u8]) -> Vec<u8> {
    let mut payload = raw.get(head.size..).unwrap_or_default().to_vec();
    if let Some(mask) = head.mask {
        apply(mask, &mut payload);
    }
    payload
}

fn apply(mask: [u8; 4], payload: &mut [u8]) {
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

fn data(opcode: u8, payload: Vec<u8>) -> Option<WireMessage> {
    if opcode == BINARY {
        return Some(WireMessage::Binary(payload));
    }
    String::from_utf8(payload).ok().map(WireMessage::Text)
}

fn control(opcode: u8, payload: Vec<u8>) -> Option<WireMessage> {
    match (opcode, payload.as_slice()) {
        (PING, _) => Some(WireMessage::Ping(payload)),
        (PONG, _) => Some(WireMessage::Pong(payload)),
        (_close, []) => Some(WireMessage::Close(None)),
        (_close, [high, low, reason @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            let reason = std::str::from_utf8(reason).ok()?;
            Some(WireMessage::Close(Some(CloseFrame::new(code, reason))))
        }
        (_close, [_half]) => None,
    }
}

/// Writes a message as one frame; a client's is masked.
pub(crate) fn encode(message: &WireMessage, is_masked: bool) -> Vec<u8> {
    let (opcode, mut payload) = match message {
        WireMessage::Text(text) => (TEXT, text.as_bytes().to_vec()),
        WireMessage::Binary(bytes) => (BINARY, bytes.clone()),
        WireMessage::Ping(bytes) => (PING, bytes.clone()),
        WireMessage::Pong(bytes) => (PONG, bytes.clone()),
        WireMessage::Close(frame) => (CLOSE, frame.as_ref().map_or_else(Vec::new, close_body)),
    };
    let mask_bit = if is_masked { 0x80 } else { 0 };
    let mut bytes = vec![FIN | opcode];
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short), _) if short < 126 => bytes.push(mask_bit | short),
        (_, Ok(medium)) => {
            bytes.push(mask_bit | 0x7e);
            bytes.extend_from_slice(&medium.to_be_bytes());
        }
        (_, Err(_)) => {
            bytes.push(mask_bit | 0x7f);
            bytes.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    if is_masked {
        bytes.extend_from_slice(&MASK);
        apply(MASK, &mut payload);
    }
    bytes.append(&mut payload);
    bytes
}

fn close_body(frame: &CloseFrame) -> Vec<u8> {
    let mut body = frame.code.to_be_bytes().to_vec();
    body.extend_from_slice(frame.reason.as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn cut(bytes: &[u8], step: usize) -> Vec<Piece> {
        let mut cutter = FrameCutter::default();
        let mut pieces = Vec::new();
        for part in bytes.chunks(step) {
            cutter.push(part);
            while let Some(piece) = cutter.next() {
                pieces.push(piece);
            }
        }
        pieces
    }

    fn message() -> impl Strategy<Value = WireMessage> {
        let small = proptest::collection::vec(any::<u8>(), 0..120);
        prop_oneof![
            "\\PC{0,300}".prop_map(WireMessage::Text),
            proptest::collection::vec(any::<u8>(), 0..400).prop_map(WireMessage::Binary),
            small.clone().prop_map(WireMessage::Ping),
            small.prop_map(WireMessage::Pong),
            Just(WireMessage::Close(None)),
            (1000..5000_u16, "[a-z]{0,20}")
                .prop_map(|(code, reason)| WireMessage::Close(Some(CloseFrame::new(code, reason)))),
        ]
    }

    proptest! {
        /// What was written comes back as the same messages and the same bytes, however the stream was cut.
        #[test]
        fn messages_and_bytes_survive(
            messages in proptest::collection::vec(message(), 0..6),
            is_masked: bool,
            step in 1..50_usize,
        ) {
            let wire: Vec<Vec<u8>> = messages.iter().map(|message| encode(message, is_masked)).collect();
            let pieces = cut(&wire.concat(), step);
            let expected: Vec<Piece> = messages
                .into_iter()
                .zip(wire)
                .map(|(message, raw)| Piece::Message { message, raw })
                .collect();
            prop_assert_eq!(pieces, expected);
        }

        /// Whatever comes, every byte is handed on, in order.
        #[test]
        fn no_byte_is_lost(bytes in proptest::collection::vec(any::<u8>(), 0..300), step in 1..50_usize) {
            let mut cutter = FrameCutter::default();
            let mut out = Vec::new();
            for part in bytes.chunks(step) {
                cutter.push(part);
                while let Some(piece) = cutter.next() {
                    match piece {
                        Piece::Message { raw, .. } | Piece::Opaque(raw) => out.extend(raw),
                    }
                }
            }
            cutter.give_up(Vec::new());
            if let Some(Piece::Opaque(rest)) = cutter.next() {
                out.extend(rest);
            }
            // A fragment that waits for its end may stand behind a ping that came in the middle.
            out.sort_unstable();
            let mut bytes = bytes;
            bytes.sort_unstable();
            prop_assert_eq!(out, bytes);
        }
    }

    #[test]
    fn fragments_are_one_message_and_stay_as_they_were() {
        let bytes = [0x01, 2, b'h', b'e', 0x89, 1, b'p', 0x80, 2, b'l', b'o'];
        let pieces = cut(&bytes, 1);
        let ping = Piece::Message {
            message: WireMessage::Ping(b"p".to_vec()),
            raw: bytes[4..7].to_vec(),
        };
        let raw = [&bytes[..4], &bytes[7..]].concat();
        let text = Piece::Message {
            message: WireMessage::Text("helo".to_owned()),
            raw,
        };
        assert_eq!(pieces, [ping, text]);
    }

    #[rstest]
    #[case::reserved_bit(&[0xc1, 1, b'x'])]
    #[case::reserved_opcode(&[0x83, 1, b'x'])]
    #[case::no_text(&[0x81, 1, 0xff])]
    #[case::a_continuation_of_nothing(&[0x80, 1, b'x'])]
    #[case::a_fragmented_ping(&[0x09, 1, b'x'])]
    #[case::half_a_close_code(&[0x88, 1, 3])]
    #[case::too_large(&[0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0])]
    fn what_is_not_sound_passes_as_it_is(#[case] bytes: &[u8]) {
        let after = [bytes, &[0x81, 1, b'y']].concat();
        let pieces = cut(&after, after.len());
        assert_eq!(pieces, [Piece::Opaque(after)]);
    }
}
