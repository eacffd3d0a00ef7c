//! hello-ok as the companion reads it: leniently, member by member. ref: client-behaviour.md §10

use gateway_protocol::Role;
use serde_json::Value;

/// A device token issued by a hello-ok.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Issued {
    pub(crate) role: Role,
    pub(crate) token: String,
    pub(crate) scopes: Vec<String>,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issued({})", self.role)
    }
}

/// What a hello-ok said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) device_id: Option<String>,
    pub(crate) node_id: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) version: Option<String>,
    pub(crate) tick_interval_ms: Option<u64>,
    /// Tokens to be stored, in the order of the frame.
    pub(crate) tokens: Vec<Issued>,
    /// There was at least one.
    pub(crate) had_token: bool,
}

/// A token entry whose role differs from `operator` or `node` only in case: the store of the companion refuses it, and
/// the handshake never reports success. ref: §30 (1)
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MisspelledRole(pub(crate) String);

pub(crate) fn is_hello(payload: &Value) -> bool {
    payload.get("type").and_then(Value::as_str) == Some(gateway_protocol::hello::HELLO_OK)
}

impl Hello {
    /// Reads the payload for a connection of this role.
    pub(crate) fn read(payload: &Value, role: Role) -> Result<Self, MisspelledRole> {
        let text = |pointer: &str| {
            payload
                .pointer(pointer)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let scopes =
            strings(payload.pointer("/auth/scopes")).or_else(|| strings(payload.get("scopes")));
        let mut hello = Self {
            device_id: text("/deviceId")
                .or_else(|| text("/device/id"))
                .or_else(|| text("/device/deviceId")),
            node_id: text("/nodeId"),
            scopes: scopes.unwrap_or_default(),
            version: text("/server/version"),
            tick_interval_ms: payload
                .pointer("/policy/tickIntervalMs")
                .and_then(Value::as_u64)
                .filter(|ms| *ms > 0),
            tokens: Vec::new(),
            had_token: false,
        };
        // The node reads only its own token. ref: §10
        if role == Role::Operator {
            hello.tokens = listed(payload)?;
        }
        let own = primary_role(payload, role);
        let primary = text("/auth/deviceToken").filter(|token| !token.trim().is_empty());
        if let Some(token) =
            primary.filter(|_| !hello.tokens.iter().any(|issued| issued.role == own))
        {
            hello.tokens.push(Issued {
                role: own,
                token,
                scopes: hello.scopes.clone(),
            });
        }
        hello.had_token = !hello.tokens.is_empty();
        Ok(hello)
    }
}

/// Whose `auth.deviceToken` is: the role the gateway names, else the connection's. field-bugs.md 63
fn primary_role(payload: &Value, role: Role) -> Role {
    payload
        .pointer("/auth/role")
        .and_then(Value::as_str)
        .and_then(Role::parse)
        .unwrap_or(role)
}

fn listed(payload: &Value) -> Result<Vec<Issued>, MisspelledRole> {
    let mut tokens: Vec<Issued> = Vec::new();
    for entry in payload
        .pointer("/auth/deviceTokens")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let Some(name) = entry.get("role").and_then(Value::as_str) else {
            continue;
        };
        let token = entry
            .get("deviceToken")
            .and_then(Value::as_str)
            .filter(|token| !token.trim().is_empty());
        let Some(token) = token else { continue };
        let Some(role) = Role::parse(name) else {
            if Role::ALL
                .iter()
                .any(|role| role.as_str().eq_ignore_ascii_case(name))
            {
                return Err(MisspelledRole(name.to_owned()));
            }
            continue;
        };
        let scopes = strings(entry.get("scopes")).unwrap_or_default();
        tokens.retain(|issued| issued.role != role);
        tokens.push(Issued {
            role,
            token: token.to_owned(),
            scopes,
        });
    }
    Ok(tokens)
}

fn strings(value: Option<&Value>) -> Option<Vec<String>> {
    let items = value?.as_array()?;
    Some(
        items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn roles(payload: &Value, role: Role) -> Vec<(Role, String)> {
        let hello = Hello::read(payload, role).unwrap();
        hello
            .tokens
            .into_iter()
            .map(|issued| (issued.role, issued.token))
            .collect()
    }

    #[rstest]
    #[case::plain(json!({"auth":{"deviceToken":"d"}}), &[(Role::Operator, "d")])]
    #[case::both(json!({"auth":{"deviceTokens":[{"role":"operator","deviceToken":"o"},{"role":"node","deviceToken":"n"}]}}), &[(Role::Operator, "o"), (Role::Node, "n")])]
    #[case::node_only(json!({"auth":{"deviceTokens":[{"role":"node","deviceToken":"n"}]}}), &[(Role::Node, "n")])]
    #[case::listed_wins(json!({"auth":{"deviceToken":"d","deviceTokens":[{"role":"operator","deviceToken":"o"}]}}), &[(Role::Operator, "o")])]
    #[case::primary_is_the_nodes(json!({"auth":{"role":"node","deviceToken":"n","deviceTokens":[{"role":"operator","deviceToken":"o"}]}}), &[(Role::Operator, "o"), (Role::Node, "n")])]
    #[case::unknown_and_blank(json!({"auth":{"deviceTokens":[{"role":"viewer","deviceToken":"v"},{"role":"node","deviceToken":" "}]}}), &[])]
    fn an_operator_files_each_token_under_its_role(
        #[case] payload: Value,
        #[case] expected: &[(Role, &str)],
    ) {
        let expected: Vec<(Role, String)> = expected
            .iter()
            .map(|(role, token)| (*role, (*token).to_owned()))
            .collect();
        assert_eq!(roles(&payload, Role::Operator), expected);
    }

    #[test]
    fn a_node_reads_only_its_own_token() {
        let payload = json!({"auth":{"deviceToken":"n","deviceTokens":[{"role":"operator","deviceToken":"o"}]}});
        assert_eq!(roles(&payload, Role::Node), [(Role::Node, "n".to_owned())]);
    }

    #[test]
    fn a_role_in_capitals_breaks_the_handshake() {
        let payload = json!({"auth":{"deviceTokens":[{"role":"Node","deviceToken":"n"}]}});
        assert_eq!(
            Hello::read(&payload, Role::Operator),
            Err(MisspelledRole("Node".to_owned()))
        );
    }
}
