//! A reader that wants the secret: undoes encodings by itself, without the tables that redaction searches by.

use std::fmt::Write as _;

/// As many characters in a row of a secret are a leak.
const PART: usize = 8;

/// Decoded texts are decoded again this often.
const ROUNDS: usize = 4;

/// Whether any part of `secret` can be read out of `text`.
pub(super) fn leaks(text: &str, secret: &str) -> bool {
    let parts: Vec<&[u8]> = secret.as_bytes().windows(PART).collect();
    let shows = |bytes: &[u8]| bytes.windows(PART).any(|window| parts.contains(&window));
    let mut layer = vec![text.as_bytes().to_vec()];
    for _ in 0..ROUNDS {
        if layer.iter().any(|bytes| shows(bytes)) {
            return true;
        }
        layer = layer.iter().flat_map(|bytes| decoded(bytes)).collect();
    }
    false
}

/// Everything that the runs of a text may stand for.
fn decoded(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found = vec![
        unpercent(bytes),
        bytes.iter().copied().filter(|byte| *byte != 0).collect(),
    ];
    let of_code = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    for run in bytes
        .split(|byte| !of_code(byte))
        .filter(|run| run.len() >= PART)
    {
        found.push(unhex(run));
        // What stands before a secret shifts it: every alignment is tried.
        found.extend((0..4).filter_map(|skip| Some(unbase64(run.get(skip..)?))));
    }
    found.retain(|decoded| decoded.len() >= PART && decoded != bytes);
    found
}

fn unpercent(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some((first, more)) = rest.split_first() {
        let code = more.get(..2).filter(|_| *first == b'%');
        let byte =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        out.push(byte.unwrap_or(*first));
        rest = if byte.is_some() {
            more.get(2..).unwrap_or_default()
        } else {
            more
        };
    }
    out
}

fn unhex(run: &[u8]) -> Vec<u8> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    run.chunks(2).map_while(pair).collect()
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn unbase64(run: &[u8]) -> Vec<u8> {
    let value = |byte: &u8| {
        let byte = match byte {
            b'-' => b'+',
            b'_' => b'/',
            byte => *byte,
        };
        ALPHABET.iter().position(|known| *known == byte)
    };
    let (mut bits, mut count, mut out) = (0_usize, 0, Vec::new());
    for six in run.iter().filter_map(value) {
        bits = bits << 6 | six;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).unwrap_or_default());
            bits &= (1 << count) - 1;
        }
    }
    out
}

pub(super) fn base64(bytes: &[u8], url: bool) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk
            .iter()
            .fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let six = number >> (18 - 6 * at) & 63;
            if at <= chunk.len() {
                out.push(char::from(ALPHABET.get(six).copied().unwrap_or(b'=')));
            } else if !url {
                out.push('=');
            }
        }
    }
    if url {
        out.replace('+', "-").replace('/', "_")
    } else {
        out
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        // Writing to a string does not fail.
        let _fine = write!(out, "{byte:02x}");
    }
    out
}
