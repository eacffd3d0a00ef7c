//! A WebSocket client that can misbehave: own upgrade request, own frames, nothing checked.
//!
//! A codec of a library refuses to send what several flows are about: reserved bits, unmasked frames, half a message.

use std::io;

use gateway_protocol::device::base64url;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// A stream to a gateway.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// A stream to a gateway, of whichever kind.
pub(crate) type Stream = Box<dyn Duplex>;

/// Larger than anything a gateway sends.
const MAX_HEAD: usize = 64 * 1024;

/// One frame of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Incoming {
    pub(crate) opcode: u8,
    pub(crate) is_final: bool,
    pub(crate) payload: Vec<u8>,
}

/// The head of an HTTP answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// The bytes of a client's frame.
pub(crate) fn frame(head: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mask_bit = if masked { 0x80 } else { 0 };
    let mut bytes = vec![head];
    match u16::try_from(payload.len()) {
        Ok(short) if short < 0x7e => bytes.push(mask_bit | short.to_be_bytes()[1]),
        Ok(medium) => {
            bytes.push(mask_bit | 0x7e);
            bytes.extend(medium.to_be_bytes());
        }
        Err(_) => {
            bytes.push(mask_bit | 0x7f);
            bytes.extend((payload.len() as u64).to_be_bytes());
        }
    }
    if masked {
        bytes.extend(MASK);
        bytes.extend(
            payload
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
    } else {
        bytes.extend(payload);
    }
    bytes
}

/// The payload of a close frame.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend(reason.as_bytes());
    payload
}

/// Headers of an upgrade that a well-behaved client sends, before a flow changes them.
pub(crate) fn upgrade_headers(authority: &str) -> Vec<(String, String)> {
    [
        ("Host", authority),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}

/// The text of a request head.
pub(crate) fn request_head(method: &str, path: &str, headers: &[(String, String)]) -> String {
    let lines: Vec<String> = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!("{method} {path} HTTP/1.1\r\n{}\r\n", lines.concat())
}

/// Reads the head of an answer; bytes behind it stay in `rest`.
pub(crate) async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
    rest: &mut Vec<u8>,
) -> io::Result<Head> {
    loop {
        if let Some(end) = rest.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = rest.drain(..end + 4).collect();
            return parse_head(&String::from_utf8_lossy(&head))
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"));
        }
        if rest.len() > MAX_HEAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "endless head"));
        }
        if stream.read_buf(rest).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn parse_head(text: &str) -> Option<Head> {
    let mut lines = text.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Head { status, headers })
}

/// Reads a body to its end: by length, by chunks, or until the peer hangs up.
pub(crate) async fn read_body(
    stream: &mut (impl AsyncRead + Unpin),
    head: &Head,
    mut rest: Vec<u8>,
) -> io::Result<Vec<u8>> {
    let length = head
        .header("content-length")
        .and_then(|length| length.parse::<usize>().ok());
    let chunked = head.header("transfer-encoding") == Some("chunked");
    loop {
        if let Some(length) = length
            && rest.len() >= length
        {
            rest.truncate(length);
            return Ok(rest);
        }
        if chunked && let Some(body) = join_chunks(&rest) {
            return Ok(body);
        }
        if stream.read_buf(&mut rest).await? == 0 {
            return Ok(rest);
        }
    }
}

/// The body of a chunked answer, once the last chunk is there.
fn join_chunks(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(bytes.get(..end)?).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend(bytes.get(end + 2..end + 2 + size)?);
        bytes = bytes.get(end + 2 + size + 2..)?;
    }
}

/// Reads one frame; `rest` holds bytes that came earlier. `None` at an orderly end of the stream.
pub(crate) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    rest: &mut Vec<u8>,
) -> io::Result<Option<Incoming>> {
    loop {
        if let Some((frame, used)) = parse_frame(rest) {
            rest.drain(..used);
            return Ok(Some(frame));
        }
        if stream.read_buf(rest).await? == 0 {
            return Ok(None);
        }
    }
}

/// A frame at the beginning of `bytes` and its length, once all of it is there.
fn parse_frame(bytes: &[u8]) -> Option<(Incoming, usize)> {
    let (head, second) = (*bytes.first()?, *bytes.get(1)?);
    let (length, at) = match second & 0x7f {
        126 => (
            u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
            4,
        ),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        short => (u64::from(short), 2),
    };
    let end = at + usize::try_from(length).ok()?;
    let payload = bytes.get(at..end)?.to_vec();
    let frame = Incoming {
        opcode: head & 0x0f,
        is_final: head & 0x80 != 0,
        payload,
    };
    Some((frame, end))
}

/// Writes all of it.
pub(crate) async fn send(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Base64 in the forms that a flow can ask for.
pub(crate) fn encoded(bytes: &[u8], form: Option<&str>) -> String {
    let plain = base64url(bytes);
    let padding = "=".repeat((4 - plain.len() % 4) % 4);
    match form {
        Some("padded") => plain + &padding,
        Some("base64") => plain.replace('-', "+").replace('_', "/") + &padding,
        Some("hex") => gateway_protocol::device::hex(bytes),
        _ => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_only_when_all_of_it_is_there() {
        let bytes = frame(0x81, false, b"hello");
        for cut in 0..bytes.len() {
            assert_eq!(parse_frame(&bytes[..cut]), None);
        }
        let (read, used) = parse_frame(&bytes).unwrap();
        assert_eq!((read.payload.as_slice(), used), (&b"hello"[..], 7));
    }

    #[test]
    fn a_long_payload_gets_a_long_length() {
        for length in [125, 126, 65_535, 65_536] {
            let bytes = frame(0x82, false, &vec![7; length]);
            assert_eq!(parse_frame(&bytes).unwrap().0.payload.len(), length);
        }
    }

    #[test]
    fn chunks_are_joined_once_the_last_is_there() {
        assert_eq!(join_chunks(b"3\r\nabc\r\n"), None);
        assert_eq!(join_chunks(b"3\r\nabc\r\n0\r\n\r\n").unwrap(), b"abc");
    }
}
