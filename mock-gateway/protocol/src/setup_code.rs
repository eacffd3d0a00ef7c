//! Setup codes: base64url of a small JSON object with the gateway's address and a bootstrap token.
//!
//! [`SetupCode::encode`] writes what the gateway writes; [`SetupCode::decode`] reads with every limit and error of the
//! companion. ref: gateway-behaviour.md §5, client-behaviour.md §3

use serde_json::{Map, Value};

use crate::device::base64url;
use crate::limits;
use crate::secret::BootstrapToken;

/// The content of a setup code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupCode {
    /// Gateway address; `None` when absent or empty.
    pub url: Option<String>,
    /// Bootstrap token; `None` when absent or empty.
    pub bootstrap_token: Option<BootstrapToken>,
    /// When the gateway will refuse it; written by 2026.9.6, never checked by the companion.
    pub expires_at_ms: Option<i64>,
}

/// Why a text is not a setup code; texts begin as the companion's do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupCodeError {
    /// Blank input.
    #[error("Setup code is empty")]
    Empty,
    /// Longer than 2048 characters before trimming.
    #[error("Setup code exceeds 2048 character limit (got {0})")]
    TooLong(usize),
    /// Not base64, or not UTF-8 inside.
    #[error("Invalid base64: {0}")]
    Base64(String),
    /// More than 4096 characters of JSON.
    #[error("Decoded JSON exceeds 4KB (got {0} characters)")]
    DecodedTooLong(usize),
    /// Not JSON.
    #[error("Invalid JSON: {0}")]
    Json(String),
    /// JSON, but not an object.
    #[error("Setup code JSON must be an object")]
    NotAnObject,
    /// `url` is not text, or not an absolute ws, wss, http or https URL.
    #[error("Invalid gateway URL in setup code")]
    Url,
    /// `bootstrapToken` is not text.
    #[error("Invalid bootstrap token in setup code")]
    Token,
    /// More than 512 characters of token.
    #[error("Bootstrap token exceeds 512 character limit (got {0})")]
    TokenTooLong(usize),
    /// Neither url nor token.
    #[error("Setup code must include a gateway URL or bootstrap token")]
    Nothing,
}

impl SetupCode {
    /// Writes the code as the gateway does: compact JSON, unpadded base64url.
    pub fn encode(&self) -> String {
        let mut object = Map::new();
        if let Some(url) = &self.url {
            object.insert("url".to_owned(), Value::from(url.as_str()));
        }
        if let Some(token) = &self.bootstrap_token {
            object.insert("bootstrapToken".to_owned(), Value::from(token.expose()));
        }
        if let Some(expires) = self.expires_at_ms {
            object.insert("expiresAtMs".to_owned(), Value::from(expires));
        }
        base64url(Value::Object(object).to_string().as_bytes())
    }

    /// Reads a code; the first failing check wins.
    ///
    /// ```
    /// use gateway_protocol::{SetupCode, SetupCodeError};
    /// assert_eq!(SetupCode::decode("  "), Err(SetupCodeError::Empty));
    /// ```
    ///
    /// # Errors
    /// [`SetupCodeError`], in the order of its variants.
    pub fn decode(input: &str) -> Result<Self, SetupCodeError> {
        if input.trim().is_empty() {
            return Err(SetupCodeError::Empty);
        }
        let length = input.chars().count();
        if length > limits::SETUP_CODE_CHARS {
            return Err(SetupCodeError::TooLong(length));
        }
        let json = decode_text(input.trim())?;
        let decoded_length = json.chars().count();
        if decoded_length > limits::SETUP_CODE_DECODED_CHARS {
            return Err(SetupCodeError::DecodedTooLong(decoded_length));
        }
        let value: Value =
            serde_json::from_str(&json).map_err(|error| SetupCodeError::Json(error.to_string()))?;
        let object = value.as_object().ok_or(SetupCodeError::NotAnObject)?;
        let code = Self {
            url: read_url(object)?,
            bootstrap_token: read_token(object)?,
            expires_at_ms: object.get("expiresAtMs").and_then(Value::as_i64),
        };
        if code.url.is_none() && code.bootstrap_token.is_none() {
            return Err(SetupCodeError::Nothing);
        }
        Ok(code)
    }
}

fn decode_text(trimmed: &str) -> Result<String, SetupCodeError> {
    use base64::Engine as _;
    let mut standard: String = trimmed.replace('-', "+").replace('_', "/");
    // The companion pads to a multiple of four, so 4n+1 characters get three `=` and then fail.
    while !standard.len().is_multiple_of(4) {
        standard.push('=');
    }
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(standard)
        .map_err(|error| SetupCodeError::Base64(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| SetupCodeError::Base64(error.to_string()))
}

fn read_url(object: &Map<String, Value>) -> Result<Option<String>, SetupCodeError> {
    match object.get("url") {
        None => Ok(None),
        Some(Value::String(url)) if url.is_empty() => Ok(None),
        Some(Value::String(url)) if is_gateway_url(url) => Ok(Some(url.clone())),
        Some(_) => Err(SetupCodeError::Url),
    }
}

fn read_token(object: &Map<String, Value>) -> Result<Option<BootstrapToken>, SetupCodeError> {
    match object.get("bootstrapToken") {
        None => Ok(None),
        Some(Value::String(token)) if token.is_empty() => Ok(None),
        Some(Value::String(token)) => {
            let length = token.chars().count();
            if length > limits::BOOTSTRAP_TOKEN_CHARS {
                return Err(SetupCodeError::TokenTooLong(length));
            }
            Ok(Some(BootstrapToken::new(token.as_str())))
        }
        Some(_) => Err(SetupCodeError::Token),
    }
}

/// An absolute URL with one of the four schemes and a host.
pub fn is_gateway_url(url: &str) -> bool {
    let Some((scheme, rest)) = url.trim().split_once("://") else {
        return false;
    };
    let known = ["ws", "wss", "http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    known && !host.is_empty() && !host.starts_with(':') && !host.contains(char::is_whitespace)
}
