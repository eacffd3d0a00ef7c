//! `device-key-ed25519.json`: read and validated as a whole, changed member by member.
//!
//! ref: client-behaviour.md §5

use client_core::{Identity, IdentityDamage};
use gateway_protocol::Role;
use serde_json::{Map, Value, json};

use super::TokenChange;
use super::text::pretty;

/// A file that was read, as it stands and as it is understood.
pub(super) struct IdentityFile {
    members: Map<String, Value>,
    pub(super) identity: Identity,
}

/// Reads and validates the text of an identity file.
pub(super) fn parse(bytes: &[u8]) -> Result<IdentityFile, IdentityDamage> {
    let members: Map<String, Value> =
        serde_json::from_slice(strip_bom(bytes)).map_err(|error| corrupt(&error))?;
    let identity: Identity =
        serde_json::from_value(Value::Object(members.clone())).map_err(|error| corrupt(&error))?;
    identity.validate()?;
    Ok(IdentityFile { members, identity })
}

/// Some editors begin a file with U+FEFF; the companion's reader skips it.
pub(super) fn strip_bom(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// serde's own text may quote the value it stumbled on, and that may be a key or a token.
fn corrupt(error: &serde_json::Error) -> IdentityDamage {
    let what = match error.classify() {
        serde_json::error::Category::Io | serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Eof => "cut off",
        serde_json::error::Category::Data => "a member is missing or has the wrong type",
    };
    let place = if error.line() == 0 {
        String::new()
    } else {
        format!(" at line {} column {}", error.line(), error.column())
    };
    IdentityDamage::Corrupt(format!("{what}{place}"))
}

/// The names of a role's token and of its scopes.
fn members_of(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::Operator => ("DeviceToken", "DeviceTokenScopes"),
        Role::Node => ("NodeDeviceToken", "NodeDeviceTokenScopes"),
    }
}

impl IdentityFile {
    /// The text with the change made and everything else as it was.
    pub(super) fn changed(mut self, change: &TokenChange<'_>) -> Vec<u8> {
        match change {
            TokenChange::Save {
                role,
                token,
                scopes,
                ..
            } => {
                self.set(
                    *role,
                    json!(token.expose()),
                    scopes.map_or(Value::Null, |scopes| json!(scopes)),
                );
            }
            TokenChange::Clear { role } => self.set(*role, Value::Null, Value::Null),
            TokenChange::ClearAll => {
                for (token, scopes) in Role::ALL.map(members_of) {
                    self.members.shift_remove(token);
                    self.members.shift_remove(scopes);
                }
            }
        }
        pretty(&Value::Object(self.members))
    }

    fn set(&mut self, role: Role, token: Value, scopes: Value) {
        let (token_name, scopes_name) = members_of(role);
        self.members.insert(token_name.to_owned(), token);
        self.members.insert(scopes_name.to_owned(), scopes);
    }
}

#[cfg(test)]
mod tests {
    use gateway_protocol::{DeviceToken, UnixMillis};
    use rstest::rstest;

    use super::*;

    fn text() -> Value {
        let mut value = serde_json::to_value(Identity::from_seed([7; 32], UnixMillis(5))).unwrap();
        value["Future"] = json!({"kept": true});
        value
    }

    fn changed(change: &TokenChange<'_>) -> Value {
        let file = parse(text().to_string().as_bytes()).unwrap();
        serde_json::from_slice(&file.changed(change)).unwrap()
    }

    #[test]
    fn a_change_touches_its_own_members_only() {
        let token = DeviceToken::new("t");
        let scopes = ["operator.read".to_owned()];
        let save = TokenChange::Save {
            device_id: "",
            role: Role::Operator,
            token: &token,
            scopes: Some(&scopes),
        };
        let mut expected = text();
        expected["DeviceToken"] = json!("t");
        expected["DeviceTokenScopes"] = json!(["operator.read"]);
        assert_eq!(changed(&save), expected);
        assert_eq!(changed(&TokenChange::Clear { role: Role::Node }), text());
    }

    #[test]
    fn clearing_all_removes_the_four_members_and_keeps_the_rest() {
        let cleared = changed(&TokenChange::ClearAll);
        let names: Vec<_> = cleared
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(
            names,
            [
                "PrivateKeyBase64",
                "PublicKeyBase64",
                "DeviceId",
                "Algorithm",
                "CreatedAt",
                "Future"
            ]
        );
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        let bytes = [b"\xef\xbb\xbf".as_slice(), text().to_string().as_bytes()].concat();
        assert!(parse(&bytes).is_ok());
    }

    #[rstest]
    #[case::empty("", "device identity is corrupt: cut off at line 1 column 0")]
    #[case::half(
        r#"{"PrivateKeyBase64": "AAAA"#,
        "device identity is corrupt: cut off at line 1 column 26"
    )]
    #[case::a_list(
        "[]",
        "device identity is corrupt: a member is missing or has the wrong type at line 1 column 0"
    )]
    #[case::nothing_in_it(
        "{}",
        "device identity is corrupt: a member is missing or has the wrong type"
    )]
    fn damage_is_named(#[case] text: &str, #[case] error: &str) {
        assert_eq!(
            parse(text.as_bytes()).map(|_| ()).unwrap_err().to_string(),
            error
        );
    }

    #[test]
    fn an_error_never_quotes_the_file() {
        let mut value = text();
        value["CreatedAt"] = json!("s3cret");
        let error = parse(value.to_string().as_bytes()).map(|_| ()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
}
