//! The mock gateway's control endpoint, from inside the distro.
//!
//! The gateway prints where it is as its first line, which stands in the unit's journal. Of one that runs outside a file
//! of the distro says it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::Failed;
use super::unit::Place;

/// Where the endpoint of a gateway is that runs outside of the distro.
const OUTSIDE: &str = "/etc/clawproof/control.json";

/// The endpoint of the gateway that runs.
pub(super) struct Control {
    authority: String,
    token: String,
}

impl Control {
    /// Finds the endpoint of the gateway that was started last.
    pub(super) fn find() -> Result<Self, Failed> {
        let place = Place::of("openclaw-gateway")?;
        let outside = || {
            let pid = super::units::main_pid(&place).ok()?;
            let text = std::fs::read_to_string(OUTSIDE).ok()?;
            (pid != 0).then(|| serde_json::from_str::<Value>(&text).ok())?
        };
        let journal = std::fs::read_to_string(place.journal()).unwrap_or_default();
        let hello = journal
            .lines()
            .rev()
            .filter(|line| line.starts_with('{'))
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|line| line.pointer("/control/token").is_some())
            .or_else(outside);
        let text = |path| hello.as_ref()?.pointer(path)?.as_str();
        let (Some(url), Some(token)) = (text("/control/url"), text("/control/token")) else {
            return Err(Failed(
                1,
                "gateway connect failed: the gateway is not running\nhint: openclaw gateway start"
                    .to_owned(),
            ));
        };
        Ok(Self {
            authority: url.trim_start_matches("http://").to_owned(),
            token: token.to_owned(),
        })
    }

    /// Part of the gateway's state.
    pub(super) fn state(&self, part: &str) -> Result<Value, Failed> {
        self.ask("GET", &format!("/v1/state/{part}"), "")
    }

    /// One order.
    pub(super) fn order(&self, order: &Value) -> Result<Value, Failed> {
        self.ask("POST", "/v1/control", &order.to_string())
    }

    /// Approves, removes and so on: an order with a verb and one more member.
    pub(super) fn verb(&self, verb: &str, key: &str, value: &str) -> Result<Value, Failed> {
        self.order(&json!({"verb": verb, key: value}))
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value, Failed> {
        let down = |error: std::io::Error| Failed(1, format!("gateway connect failed: {error}"));
        let mut stream = TcpStream::connect(&self.authority).map_err(down)?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .map_err(down)?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.authority,
            self.token,
            body.len()
        );
        stream.write_all(request.as_bytes()).map_err(down)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(down)?;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let value: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        match value.pointer("/error/message").and_then(Value::as_str) {
            Some(message) => Err(Failed(1, message.to_owned())),
            None => Ok(value),
        }
    }
}
