//! Gateway URLs: normal form, equivalence, origin, and what may be shown. ref: client-behaviour.md §4.1, §6
//!
//! A tiny reader of absolute `ws`, `wss`, `http` and `https` URLs: it keeps every part as it was written, because two
//! spellings of one gateway must stay distinguishable on disk and equal in memory.

/// An absolute gateway URL in parts. Scheme is `ws` or `wss`; everything else is as written.
///
/// ```
/// use client_core::url::GatewayUrl;
/// let url = GatewayUrl::parse("https://user:pw@Host:8443/x?y=1").unwrap();
/// assert_eq!(url.socket_url(), "wss://Host:8443/x?y=1");
/// assert_eq!(url.origin(), "https://Host:8443");
/// assert_eq!(url.display(), "wss://Host:8443/x");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayUrl {
    /// `true` for wss.
    pub tls: bool,
    /// `user:password` as written; never leaves as part of a URL.
    pub userinfo: Option<String>,
    /// Host as written, IPv6 without brackets.
    pub host: String,
    /// Port, the scheme's default when absent.
    pub port: u16,
    explicit_port: bool,
    /// From the first `/`; empty when absent.
    pub path: String,
    /// After `?`, without it.
    pub query: Option<String>,
    /// After `#`, without it.
    pub fragment: Option<String>,
}

impl GatewayUrl {
    /// Reads an absolute URL with one of the four schemes and a host; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once("://")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return None,
        };
        let (rest, fragment) = split_off(rest, '#');
        let (rest, query) = split_off(rest, '?');
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (userinfo, host_port) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(a, b)| (Some(a), b));
        let (host, port) = split_host_port(host_port)?;
        if host.is_empty() || host.chars().any(char::is_whitespace) {
            return None;
        }
        let default = if tls { 443 } else { 80 };
        Some(Self {
            tls,
            userinfo: userinfo.filter(|text| !text.is_empty()).map(str::to_owned),
            host: host.to_owned(),
            port: port.unwrap_or(default),
            explicit_port: port.is_some(),
            path: path.to_owned(),
            query: query.map(str::to_owned),
            fragment: fragment.map(str::to_owned),
        })
    }

    /// Whether the port was written.
    pub fn has_port(&self) -> bool {
        self.explicit_port
    }

    /// The URL of the upgrade: ws or wss, without userinfo.
    pub fn socket_url(&self) -> String {
        let mut url = self.display();
        if let Some(query) = &self.query {
            url.push('?');
            url.push_str(query);
        }
        url
    }

    /// The normal form of equivalence: as [`Self::socket_url`], with the fragment.
    pub fn normalized(&self) -> String {
        let mut url = self.socket_url();
        if let Some(fragment) = &self.fragment {
            url.push('#');
            url.push_str(fragment);
        }
        url
    }

    /// For people and logs: no userinfo, query or fragment.
    pub fn display(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        format!(
            "{scheme}://{}{}",
            self.host_port(self.explicit_port),
            self.path
        )
    }

    /// The `Origin` header of the upgrade, always with its port.
    pub fn origin(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.host_port(true))
    }

    /// One of the four names that mean this computer.
    pub fn is_loopback(&self) -> bool {
        ["localhost", "127.0.0.1", "::1"]
            .iter()
            .any(|name| self.host.eq_ignore_ascii_case(name))
    }

    fn host_port(&self, with_port: bool) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if with_port {
            format!("{host}:{}", self.port)
        } else {
            host
        }
    }

    /// Whether both name the same endpoint by two loopback spellings. ref: §4.1 (3)
    fn is_loopback_alias_of(&self, other: &Self) -> bool {
        self.is_loopback()
            && other.is_loopback()
            && self.tls == other.tls
            && self.port == other.port
            && self.path_or_root() == other.path_or_root()
            && self.query == other.query
    }

    fn path_or_root(&self) -> &str {
        if self.path.is_empty() {
            "/"
        } else {
            &self.path
        }
    }
}

/// Whether two URLs name one gateway, and so share a record, an identity and a pairing. ref: §4.1
///
/// ```
/// use client_core::url::same_gateway;
/// assert!(same_gateway("ws://localhost:18789", "ws://127.0.0.1:18789"));
/// assert!(!same_gateway("ws://a:18789", "ws://b:18789"));
/// ```
pub fn same_gateway(a: &str, b: &str) -> bool {
    if a.eq_ignore_ascii_case(b) {
        return true;
    }
    let (Some(a), Some(b)) = (GatewayUrl::parse(a), GatewayUrl::parse(b)) else {
        return false;
    };
    a.normalized().eq_ignore_ascii_case(&b.normalized()) || a.is_loopback_alias_of(&b)
}

fn split_off(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at)
        .map_or((text, None), |(head, tail)| (head, Some(tail)))
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`.
fn split_host_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, tail) = rest.split_once(']')?;
        (host, tail.strip_prefix(':'))
    } else {
        text.rsplit_once(':')
            .map_or((text, None), |(host, port)| (host, Some(port)))
    };
    match port {
        None | Some("") => Some((host, None)),
        Some(port) => port.parse().ok().map(|port| (host, Some(port))),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("ws://localhost:1", "ws://127.0.0.1:1", true)]
    #[case("ws://localhost:1", "ws://[::1]:1", true)]
    #[case("ws://localhost:1/", "ws://127.0.0.1:1", true)]
    #[case("ws://localhost:1", "http://localhost:1", true)]
    #[case("http://h:1", "ws://h:1", true)]
    #[case("WS://H:1", "ws://h:1", true)]
    #[case("ws://u:p@h:1", "ws://h:1", true)]
    #[case("ws://localhost:1", "ws://127.0.0.1:2", false)]
    #[case("ws://localhost:1", "wss://127.0.0.1:1", false)]
    #[case("ws://localhost:1?a", "ws://127.0.0.1:1?b", false)]
    #[case("ws://localhost:1", "ws://127.0.0.2:1", false)]
    #[case("ws://a:1", "ws://b:1", false)]
    #[case("ws://h:1?a=1", "ws://h:1", false)]
    fn urls_of_one_gateway_are_equal(#[case] a: &str, #[case] b: &str, #[case] expected: bool) {
        assert_eq!(same_gateway(a, b), expected);
        assert_eq!(same_gateway(b, a), expected);
    }

    #[rstest]
    #[case("ftp://h")]
    #[case("ws://")]
    #[case("h:1")]
    #[case("ws://h:99999")]
    #[case("")]
    fn what_is_no_gateway_url_is_refused(#[case] text: &str) {
        assert_eq!(GatewayUrl::parse(text), None);
    }

    #[test]
    fn an_ipv6_host_keeps_its_brackets() {
        let url = GatewayUrl::parse("ws://[::1]:18789/ws").unwrap();
        assert_eq!(url.socket_url(), "ws://[::1]:18789/ws");
        assert_eq!(url.origin(), "http://[::1]:18789");
    }
}
