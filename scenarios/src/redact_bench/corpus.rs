//! What is redacted: planted secrets, each in a dress and in a carrier, among facts that must stay.

use std::fmt::Write as _;

use serde_json::json;
use transcript::canary::Canary;

use super::reader::{base64, hex};

/// How a secret is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dress {
    /// As it is, within words.
    Plain,
    /// A JSON text inside a string.
    NestedJson,
    /// A JSON text inside a JSON text inside a string.
    TwiceNestedJson,
    /// Base64, standard alphabet, padded.
    Base64,
    /// Base64, URL alphabet, no padding.
    Base64Url,
    /// Base64 with a byte before it, as inside a larger buffer.
    Base64Shifted,
    /// Lower-case hex.
    HexLower,
    /// Upper-case hex.
    HexUpper,
    /// Every byte percent-encoded.
    PercentAll,
    /// The same in lower case.
    PercentLower,
    /// A parameter of a URL.
    UrlQuery,
    /// The password of a URL.
    UrlUserInfo,
    /// An Authorization header.
    Bearer,
    /// The password of basic authentication.
    Basic,
    /// A setup code: base64url of JSON with URL and token.
    SetupCode,
    /// An option of a command line.
    Option,
    /// A variable of an environment.
    Variable,
    /// Base64 of UTF-16, as PowerShell has it.
    PowerShell,
    /// Cut off after two thirds, as a truncated log has it.
    CutOff,
    /// Part of a Windows path.
    WindowsPath,
    /// Split over two messages, as a streamed answer has it.
    Split,
}

impl Dress {
    /// Every dress.
    pub const ALL: [Self; 21] = [
        Self::Plain,
        Self::NestedJson,
        Self::TwiceNestedJson,
        Self::Base64,
        Self::Base64Url,
        Self::Base64Shifted,
        Self::HexLower,
        Self::HexUpper,
        Self::PercentAll,
        Self::PercentLower,
        Self::UrlQuery,
        Self::UrlUserInfo,
        Self::Bearer,
        Self::Basic,
        Self::SetupCode,
        Self::Option,
        Self::Variable,
        Self::PowerShell,
        Self::CutOff,
        Self::WindowsPath,
        Self::Split,
    ];

    fn wear(self, secret: &str) -> String {
        let wide =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        match self {
            Self::Plain => format!("handed out {secret} to the device"),
            Self::NestedJson => json!({ "deviceToken": secret }).to_string(),
            Self::TwiceNestedJson => {
                json!({ "body": json!({ "deviceToken": secret }).to_string() }).to_string()
            }
            Self::Base64 => format!("blob {}", base64(secret.as_bytes(), false)),
            Self::Base64Url => format!("blob {}", base64(secret.as_bytes(), true)),
            Self::Base64Shifted => {
                format!("blob {}", base64(format!("x{secret}y").as_bytes(), false))
            }
            Self::HexLower => format!("bytes {}", hex(secret.as_bytes())),
            Self::HexUpper => format!("bytes {}", hex(secret.as_bytes()).to_uppercase()),
            Self::PercentAll => format!("form v={}", percent(secret)),
            Self::PercentLower => format!("form v={}", percent(secret).to_lowercase()),
            Self::UrlQuery => format!("GET ws://127.0.0.1:18789/?token={secret}"),
            Self::UrlUserInfo => format!("dial ws://operator:{secret}@127.0.0.1:18789/"),
            Self::Bearer => format!("Authorization: Bearer {secret}"),
            Self::Basic => format!(
                "Authorization: Basic {}",
                base64(format!("operator:{secret}").as_bytes(), false)
            ),
            Self::SetupCode => {
                let code = json!({ "url": "ws://127.0.0.1:18789", "bootstrapToken": secret });
                format!("code {}", base64(code.to_string().as_bytes(), true))
            }
            Self::Option => format!("openclaw node run --token {secret} --port 18789"),
            Self::Variable => format!("OPENCLAW_GATEWAY_TOKEN={secret}"),
            Self::PowerShell => format!(
                "powershell -EncodedCommand {}",
                base64(&wide(secret), false)
            ),
            Self::CutOff => format!(
                "gave up at {}",
                secret.get(..secret.len() * 2 / 3).unwrap_or(secret)
            ),
            Self::WindowsPath => format!("C:\\Users\\Public\\{secret}\\log.txt"),
            Self::Split => {
                let (first, _) = secret.split_at(secret.len() / 2);
                format!("its beginning is {first}")
            }
        }
    }
}

/// What a sample lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// A frame of the protocol.
    Frame,
    /// A message in a HAR file.
    Har,
    /// A line of diagnostics.
    JsonLines,
    /// A line of a text log.
    Log,
}

impl Carrier {
    /// Every carrier.
    pub const ALL: [Self; 4] = [Self::Frame, Self::Har, Self::JsonLines, Self::Log];
}

/// Something to redact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The text; a line that is a JSON object is one.
    pub text: String,
    /// What it lies in.
    pub carrier: Carrier,
    /// The secret and how it is written; none in a decoy.
    pub planted: Option<(String, Dress)>,
    /// Texts that must still be there.
    pub facts: Vec<String>,
}

/// `each` secrets in every dress and carrier, and as many decoys.
pub(super) fn samples(seed: u64, each: usize) -> Vec<Sample> {
    let mut canary = Canary::new(seed);
    let mut samples = Vec::new();
    for dress in Dress::ALL {
        for carrier in Carrier::ALL {
            for n in 0..each {
                let secret = canary.plant("device-token");
                let mut sample = carried(carrier, &dress.wear(&secret), n);
                if dress == Dress::Split {
                    let (_, second) = secret.split_at(secret.len() / 2);
                    sample.text.push('\n');
                    sample
                        .text
                        .push_str(&carried(carrier, &format!("{second} is its end"), n).text);
                }
                sample.planted = Some((secret, dress));
                samples.push(sample);
                samples.push(carried(carrier, "handed out nothing to the device", n));
            }
        }
    }
    samples
}

fn carried(carrier: Carrier, said: &str, n: usize) -> Sample {
    let id = format!("7f921a21-3b5b-4f4e-8b1d-{n:012}");
    let facts = |more: &[&str]| {
        more.iter()
            .map(|fact| (*fact).to_owned())
            .chain([id.clone()])
            .collect()
    };
    let (text, facts) = match carrier {
        Carrier::Frame => (
            json!({
                "type": "res", "id": id, "ok": false,
                "error": { "code": "INVALID_REQUEST", "message": said, "details": { "code": "PAIRING_REQUIRED", "canRetryWithDeviceToken": true } },
            })
            .to_string(),
            facts(&["INVALID_REQUEST", "PAIRING_REQUIRED", "\"canRetryWithDeviceToken\":true", "\"ok\":false"]),
        ),
        Carrier::Har => (
            json!({
                "_webSocketMessages": [{ "type": "send", "time": 1_795_600_000.25, "opcode": 1, "data": said }],
                "request": { "method": "GET", "url": "ws://127.0.0.1:18789/" }, "comment": id,
            })
            .to_string(),
            facts(&["\"type\":\"send\"", "\"opcode\":1", "18789"]),
        ),
        Carrier::JsonLines => (
            json!({ "level": "warn", "requestId": id, "closeCode": 1008, "state": "PairingRequired", "detail": said }).to_string(),
            facts(&["\"closeCode\":1008", "PairingRequired"]),
        ),
        Carrier::Log => (
            format!("2026-11-25T10:00:00Z WARN gateway/ws request {id} close 1008: {said}"),
            facts(&["close 1008", "2026-11-25T10:00:00Z"]),
        ),
    };
    Sample {
        text,
        carrier,
        planted: None,
        facts,
    }
}

fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        // Writing to a string does not fail.
        let _fine = write!(out, "%{byte:02X}");
    }
    out
}
