//! The dashboard's URL: http or https, and the shared token only in the fragment, which no server ever sees.
//! ref: client-behaviour.md §2.3

use gateway_protocol::Role;
use serde::Serialize;

use crate::client::Client;
use crate::credential::CredentialSource;
use crate::url::GatewayUrl;

/// What `app.dashboard.url` answers.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    /// Address; may hold the shared token, so it is not printed by `Debug`.
    pub url: String,
    /// Where the credential comes from, if there is one.
    pub credential_source: Option<CredentialSource>,
    /// The shared token is in the fragment.
    pub uses_shared_gateway_token: bool,
    /// Always false: a query ends up in logs.
    pub has_token_query: bool,
}

impl std::fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dashboard")
            .field("credential_source", &self.credential_source)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// The dashboard of the active gateway; none without one. A managed gateway whose port is not proven gets a URL
    /// without a credential, never a weaker one.
    pub fn dashboard(&self) -> Option<Dashboard> {
        let record = self.state.registry.active()?;
        let target = record.socket_target()?;
        let fragment = record.usable_shared_token().map(str::to_owned);
        let source = if fragment.is_some() {
            Some(CredentialSource::SharedToken)
        } else {
            let found = self.resolve_credential(Role::Operator, record);
            found.credential.map(|it| it.source)
        };
        let allowed = source.is_some_and(|source| self.authorize(record, source).is_ok());
        let source = source.filter(|_| allowed);
        let fragment = fragment.filter(|_| allowed);
        let mut url = page_url(&target);
        if let Some(token) = &fragment {
            url.push_str("#token=");
            url.push_str(&escape(token));
        }
        Some(Dashboard {
            url,
            credential_source: source,
            uses_shared_gateway_token: fragment.is_some(),
            has_token_query: false,
        })
    }
}

fn page_url(target: &GatewayUrl) -> String {
    let path = if target.path.is_empty() {
        "/"
    } else {
        &target.path
    };
    format!("{}{path}", target.origin())
}

/// Everything but unreserved characters as `%XX`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or('0');
            escaped.push('%');
            escaped.extend([byte >> 4, byte & 15].map(|half| digit(half).to_ascii_uppercase()));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use gateway_protocol::{DeviceToken, Now, SharedToken, UnixMillis};
    use rstest::rstest;

    use super::*;
    use crate::{ClientOptions, DurableState, EndpointOwner, GatewayRecord, Identity, Input};

    fn client(shared: Option<&str>, device: Option<&str>) -> Client {
        let mut record = GatewayRecord::new("g", "ws://localhost:18789");
        record.setup_managed_distro_name = Some("d".into());
        record.shared_gateway_token = shared.map(SharedToken::new);
        let mut identity = Identity::from_seed([1; 32], UnixMillis(0));
        identity.set_token(Role::Operator, device.map(DeviceToken::new), None);
        let mut state = DurableState::default();
        state.registry.active_id = Some("g".into());
        state.registry.upsert(record);
        state.identities.insert("g".into(), identity);
        let now = Now::at(std::time::Duration::ZERO, UnixMillis(0));
        Client::new(ClientOptions::default(), state, now)
    }

    #[rstest]
    #[case(
        Some("a b/+"),
        Some("d"),
        "http://localhost:18789/#token=a%20b%2F%2B",
        true
    )]
    #[case(None, Some("d"), "http://localhost:18789/", false)]
    fn only_the_shared_token_is_in_the_fragment(
        #[case] shared: Option<&str>,
        #[case] device: Option<&str>,
        #[case] url: &str,
        #[case] uses: bool,
    ) {
        let dashboard = client(shared, device).dashboard().unwrap();
        assert_eq!(
            (dashboard.url.as_str(), dashboard.uses_shared_gateway_token),
            (url, uses)
        );
        let source = if uses {
            CredentialSource::SharedToken
        } else {
            CredentialSource::OperatorToken
        };
        assert_eq!(dashboard.credential_source, Some(source));
        assert!(!format!("{dashboard:?}").contains("token="));
    }

    #[test]
    fn a_stranger_on_the_port_gets_no_credential_at_all() {
        let mut client = client(Some("s"), Some("d"));
        let now = Now::at(std::time::Duration::ZERO, UnixMillis(0));
        let owner = EndpointOwner::Foreign;
        client.handle(
            now,
            Input::EndpointOwner {
                gateway_id: "g".into(),
                owner,
            },
        );
        let dashboard = client.dashboard().unwrap();
        assert_eq!(dashboard.url, "http://localhost:18789/");
        assert_eq!(dashboard.credential_source, None);
    }
}
