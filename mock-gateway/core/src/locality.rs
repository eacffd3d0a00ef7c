//! Local or remote, and which address counts. ref: gateway-behaviour.md §6.1

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::Config;
use crate::io::Peer;

/// What the gateway makes of a peer's address and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locality {
    /// Loopback peer without forwarding headers.
    pub(crate) local: bool,
    /// Address that records carry; none for local and unattributable clients.
    pub(crate) remote_ip: Option<IpAddr>,
    /// Address that the rate limit counts; the unspecified one for whoever a trusted proxy does not name.
    pub(crate) limit_ip: IpAddr,
    /// Nobody trustworthy says whose connection it is: forwarding headers from a peer that is no trusted proxy, or a
    /// trusted proxy that names no client, or one on the gateway's own machine.
    pub(crate) unattributed: bool,
    /// A proxy on the gateway's own machine named the client. Anything on that machine could have.
    pub(crate) behind_loopback_proxy: bool,
}

impl Locality {
    pub(crate) fn of(peer: &Peer, config: &Config) -> Self {
        let ip = canonical(peer.remote_ip);
        if !has_forwarding_headers(peer) {
            let local = ip.is_loopback();
            return Self {
                local,
                remote_ip: (!local).then_some(ip),
                limit_ip: ip,
                unattributed: !local && in_ranges(ip, &config.trusted_proxies),
                behind_loopback_proxy: false,
            };
        }
        if !in_ranges(ip, &config.trusted_proxies) {
            return Self {
                local: false,
                remote_ip: None,
                limit_ip: ip,
                unattributed: true,
                behind_loopback_proxy: false,
            };
        }
        let client = forwarded_address(peer, config);
        Self {
            local: false,
            remote_ip: client,
            limit_ip: client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            unattributed: client.is_none_or(|client| client.is_loopback()),
            behind_loopback_proxy: ip.is_loopback(),
        }
    }
}

/// `::ffff:127.0.0.1` is 127.0.0.1.
fn canonical(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

fn has_forwarding_headers(peer: &Peer) -> bool {
    peer.headers.iter().any(|(name, _)| {
        let name = name.to_ascii_lowercase();
        name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded-")
    })
}

/// The last address in `X-Forwarded-For` that is neither loopback nor itself a trusted proxy; else `X-Real-IP`, where
/// the configuration lets it count.
fn forwarded_address(peer: &Peer, config: &Config) -> Option<IpAddr> {
    let header = |wanted: &str| {
        peer.headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.as_str())
    };
    let chain = header("x-forwarded-for").unwrap_or_default();
    let hop = chain
        .rsplit(',')
        .filter_map(address)
        .find(|hop| !hop.is_loopback() && !in_ranges(*hop, &config.trusted_proxies));
    hop.or_else(|| {
        let real_ip = header("x-real-ip").filter(|_| config.allow_real_ip_fallback)?;
        address(real_ip)
    })
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or(text, |(inside, _)| inside);
    bare.parse()
        .ok()
        .or_else(|| {
            bare.parse::<SocketAddr>()
                .ok()
                .map(|with_port| with_port.ip())
        })
        .map(canonical)
}

/// Whether an address is of a private network: a LAN, a link, or an overlay network in 100.64.0.0/10.
pub(crate) fn is_private_network(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let carrier_grade = ip.to_bits() >> 22 == Ipv4Addr::new(100, 64, 0, 0).to_bits() >> 22;
            ip.is_private() || ip.is_link_local() || carrier_grade
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Whether `ip` lies in one of the ranges; a range that does not parse matches nothing.
pub(crate) fn in_ranges(ip: IpAddr, ranges: &[String]) -> bool {
    ranges
        .iter()
        .any(|range| in_range(ip, range).unwrap_or(false))
}

fn in_range(ip: IpAddr, range: &str) -> Option<bool> {
    let (base, bits) = range.split_once('/').unwrap_or((range, "128"));
    let bits: u32 = bits.parse().ok()?;
    match (ip, base.parse().ok()?) {
        (IpAddr::V4(ip), IpAddr::V4(base)) => {
            let mask = u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
            Some(ip.to_bits() & mask == base.to_bits() & mask)
        }
        (IpAddr::V6(ip), IpAddr::V6(base)) => {
            let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
            Some(ip.to_bits() & mask == base.to_bits() & mask)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn peer(ip: &str, headers: &[(&str, &str)]) -> Peer {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Peer {
            headers,
            ..Peer::at(ip.parse().unwrap())
        }
    }

    #[rstest]
    #[case::loopback("127.0.0.1", &[], true, None)]
    #[case::mapped_loopback("::ffff:127.0.0.1", &[], true, None)]
    #[case::lan("10.99.0.2", &[], false, Some("10.99.0.2"))]
    #[case::untrusted_proxy("127.0.0.1", &[("X-Forwarded-For", "203.0.113.9")], false, None)]
    #[case::proto_alone("127.0.0.1", &[("x-forwarded-proto", "https")], false, None)]
    #[case::trusted_proxy("127.0.0.2", &[("X-Forwarded-For", "203.0.113.9")], false, Some("203.0.113.9"))]
    #[case::chain("127.0.0.2", &[("X-Forwarded-For", "198.51.100.1, 203.0.113.9, 127.0.0.2")], false, Some("203.0.113.9"))]
    #[case::with_port("127.0.0.2", &[("X-Forwarded-For", "203.0.113.9:4711")], false, Some("203.0.113.9"))]
    #[case::loopback_hop("127.0.0.2", &[("X-Forwarded-For", "203.0.113.9, 127.0.0.1")], false, Some("203.0.113.9"))]
    #[case::nobody_named("127.0.0.2", &[("X-Forwarded-Proto", "https")], false, None)]
    #[case::real_ip_alone("127.0.0.2", &[("X-Real-IP", "203.0.113.9")], false, None)]
    #[case::range("10.1.0.9", &[("X-Forwarded-For", "203.0.113.9")], false, Some("203.0.113.9"))]
    fn locality(
        #[case] ip: &str,
        #[case] headers: &[(&str, &str)],
        #[case] local: bool,
        #[case] remote_ip: Option<&str>,
    ) {
        let config = Config {
            trusted_proxies: vec!["127.0.0.2".into(), "10.1.0.0/16".into()],
            ..Config::default()
        };
        let locality = Locality::of(&peer(ip, headers), &config);
        assert_eq!(
            (locality.local, locality.remote_ip),
            (local, remote_ip.map(|ip| ip.parse().unwrap()))
        );
    }

    #[test]
    fn the_real_ip_header_counts_where_it_may() {
        let config = Config {
            trusted_proxies: vec!["127.0.0.2".into()],
            allow_real_ip_fallback: true,
            ..Config::default()
        };
        let peer = peer("127.0.0.2", &[("X-Real-IP", "203.0.113.9")]);
        let locality = Locality::of(&peer, &config);
        assert_eq!(locality.remote_ip, Some("203.0.113.9".parse().unwrap()));
    }

    #[rstest]
    #[case("10.1.2.3", "10.0.0.0/8", true)]
    #[case("11.1.2.3", "10.0.0.0/8", false)]
    #[case("10.1.2.3", "10.1.2.3", true)]
    #[case("10.1.2.3", "0.0.0.0/0", true)]
    #[case("fd00::1", "fd00::/8", true)]
    #[case("fd00::1", "10.0.0.0/8", false)]
    #[case("10.1.2.3", "nonsense", false)]
    fn ranges(#[case] ip: &str, #[case] range: &str, #[case] expected: bool) {
        assert_eq!(
            in_ranges(ip.parse().unwrap(), &[range.to_owned()]),
            expected
        );
    }
}
