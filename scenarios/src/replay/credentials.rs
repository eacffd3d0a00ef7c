//! What the live half is given in place of recorded credentials that it could not have.

use std::collections::BTreeSet;

use serde_json::Value;
use transcript::Direction;

use super::bind::{Bindings, Class};
use super::script::{Line, Script};

/// Credentials of the live gateway.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Stands for every shared token of the recording.
    pub token: Option<String>,
    /// Stands for every password.
    pub password: Option<String>,
    /// Stands for every bootstrap token that the recording does not show being minted: a setup code or a token.
    pub setup_code: Option<String>,
    /// Recorded text and live text.
    pub others: Vec<(String, String)>,
}

impl Credentials {
    /// Binds them for a script. Tokens that the gateway issues in it are left out: they are bound when it does.
    pub fn bind(&self, script: &Script) -> Bindings {
        let mut bound = Bindings::default();
        let issued = issued(script);
        let token = self.setup_code.as_deref().map(bootstrap_token);
        for auth in script.lines.iter().filter_map(auth) {
            for (name, live) in [
                ("token", self.token.as_deref()),
                ("password", self.password.as_deref()),
                ("bootstrapToken", token.as_deref()),
            ] {
                let recorded = auth.get(name).and_then(Value::as_str);
                if let Some((recorded, live)) = recorded.zip(live)
                    && !issued.contains(recorded)
                {
                    bound.set(recorded, live, Class::Secret);
                }
            }
        }
        for (recorded, live) in &self.others {
            bound.set(recorded, live, Class::Secret);
        }
        bound
    }
}

fn auth(line: &Line) -> Option<&Value> {
    let frame = line.said.frame()?;
    (line.dir == Some(Direction::ClientToGateway))
        .then(|| frame.pointer("/params/auth"))
        .flatten()
}

fn bootstrap_token(code: &str) -> String {
    let decoded = gateway_protocol::SetupCode::decode(code).ok();
    decoded
        .and_then(|code| code.bootstrap_token)
        .map_or_else(|| code.trim().to_owned(), |token| token.expose().to_owned())
}

/// Every token that the gateway names.
fn issued(script: &Script) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in &script.lines {
        if let (Some(Direction::GatewayToClient), Some(frame)) = (line.dir, line.said.frame()) {
            collect(frame, &mut found);
        }
    }
    found
}

fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, member) in object {
                let token = name.to_ascii_lowercase().ends_with("token");
                match member.as_str() {
                    Some(text) if name == "setupCode" => {
                        found.insert(bootstrap_token(text));
                    }
                    Some(text) if token => {
                        found.insert(text.to_owned());
                    }
                    Some(_) | None => collect(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
