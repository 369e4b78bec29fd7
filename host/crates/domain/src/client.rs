//! Which address a request came from, with proxies between.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;

/// How much of an IPv6 address tells one client from another: whoever has one address of a network has all of
/// its 2^64 (RFC 6177 gives no site less than that).
const IPV6_NETWORK_BITS: u32 = 64;

/// Who sends requests, as far as its address says: one IPv4 address or one IPv6 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Client(IpAddr);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let host_bits = u128::BITS.saturating_sub(IPV6_NETWORK_BITS);
                Self(Ipv6Addr::from_bits(address.to_bits() >> host_bits << host_bits).into())
            }
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(network) => write!(f, "{network}/{IPV6_NETWORK_BITS}"),
        }
    }
}

/// The proxies whose word on where a request came from is taken.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// From networks (`10.0.0.0/8`) and single addresses.
    ///
    /// # Errors
    /// What is wrong with the first entry that is neither.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, String> {
        let parse = |entry: &S| {
            let text = entry.as_ref();
            let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
            net.map(canonical).ok_or_else(|| {
                format!("must list networks such as 10.0.0.0/8 or single addresses, found `{text}`")
            })
        };
        entries.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Where a request came from.
    ///
    /// `forwarded` are the values of all `X-Forwarded-For` headers, in the order in which they stand; they count
    /// only if `peer` is trusted. Each proxy adds the address that it saw at the right end, so the walk goes
    /// from there to the left, over trusted proxies, to the first address that is none. What stands further
    /// left was written by that client and is never looked at. A hop that is no address ends the walk at
    /// the proxy that told it.
    pub fn client<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a [u8]>) -> Client {
        let mut found = peer.to_canonical();
        let hops = forwarded.rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
        for hop in hops {
            if !self.trusts(found) {
                break;
            }
            let Some(address) = address(hop) else { break };
            found = address;
        }
        Client::from(found)
    }

    /// Whether it is everybody, so that any sender can say where it is.
    pub fn is_everybody(&self) -> bool {
        self.0.iter().any(|net| net.prefix_len() == 0)
    }

    /// Whether the word of this address is taken.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }
}

/// A network of IPv4-mapped addresses is one of IPv4: addresses are compared in that form.
fn canonical(net: IpNet) -> IpNet {
    let address = net.addr().to_canonical();
    let bits = if address.is_ipv4() && net.addr().is_ipv6() { 96 } else { 0 };
    let length = net.prefix_len().checked_sub(bits);
    length.and_then(|length| IpNet::new(address, length).ok()).unwrap_or(net)
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|found| found.ip()))?;
    Some(IpAddr::to_canonical(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let trusted = TrustedProxies::parse(trusted).unwrap();
        let headers = forwarded.iter().map(|value| value.as_bytes());
        trusted.client(peer.parse().unwrap(), headers).to_string()
    }

    #[test]
    fn what_an_untrusted_peer_says_changes_nothing() {
        for forwarded in [&["1.1.1.1"][..], &["10.0.0.1"], &["1.1.1.1, 10.0.0.1", "10.0.0.2"], &[""]] {
            assert_eq!(client(&["10.0.0.0/8"], "192.0.2.7", forwarded), "192.0.2.7");
            assert_eq!(client(&[], "192.0.2.7", forwarded), "192.0.2.7");
        }
    }

    #[test]
    fn right_most_hop_that_is_no_trusted_proxy_is_the_client() {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48", "198.51.100.9"];
        let check = |forwarded: &[&str], expected: &str| {
            assert_eq!(client(&trusted, "10.0.0.1", forwarded), expected, "{forwarded:?}");
        };
        check(&["203.0.113.5"], "203.0.113.5");
        check(&["6.6.6.6, 203.0.113.5"], "203.0.113.5");
        check(&["6.6.6.6, 203.0.113.5, 10.9.9.9,198.51.100.9"], "203.0.113.5");
        check(&["6.6.6.6", "203.0.113.5", "10.2.0.1"], "203.0.113.5");
        check(&["203.0.113.5:4711"], "203.0.113.5");
        check(&["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check(&[], "10.0.0.1");
        check(&["[2001:db8:2::5]:443, 2001:db8:1::1"], "2001:db8:2::/64");
    }

    #[test]
    fn a_hop_that_is_no_address_ends_the_walk_at_the_proxy_that_told_it() {
        for garbage in ["unknown", "", "203.0.113.5 evil", "203.0.113.256", "_hidden", "1.2.3.4:99999"] {
            let forwarded = format!("203.0.113.5, {garbage}, 10.0.0.2");
            assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[&forwarded]), "10.0.0.2", "{garbage:?}");
        }
        let trusted = TrustedProxies::parse(&["10.0.0.0/8"]).unwrap();
        let odd: &[u8] = b"203.0.113.5, \xff\xfe";
        assert_eq!(trusted.client("10.0.0.1".parse().unwrap(), [odd].into_iter()).to_string(), "10.0.0.1");
    }

    #[test]
    fn mapped_addresses_are_those_they_stand_for_and_ipv6_counts_by_network() {
        assert_eq!(client(&["10.0.0.0/8"], "::ffff:10.0.0.1", &["::ffff:203.0.113.5"]), "203.0.113.5");
        assert_eq!(client(&["::ffff:10.0.0.0/104"], "10.0.0.1", &["203.0.113.5"]), "203.0.113.5");
        assert_eq!(client(&[], "2001:db8::1:2:3:4", &[]), client(&[], "2001:db8::9", &[]));
        assert_ne!(client(&[], "2001:db8:0:1::1", &[]), client(&[], "2001:db8:0:2::1", &[]));
    }

    #[test]
    fn a_network_of_all_addresses_is_everybody() {
        let everybody = |net: &str| TrustedProxies::parse(&[net]).unwrap().is_everybody();
        assert!(everybody("0.0.0.0/0") && everybody("::/0") && everybody("::ffff:0.0.0.0/96"));
        assert!(
            !everybody("10.0.0.0/8") && !everybody("fd00::/8") && !TrustedProxies::default().is_everybody()
        );
    }

    #[test]
    fn proxies_that_are_no_networks_are_named() {
        let error = TrustedProxies::parse(&["10.0.0.0/8", "proxy.example"]).unwrap_err();
        assert!(error.contains("`proxy.example`"), "{error}");
        assert!(TrustedProxies::parse(&["10.0.0.0/33"]).is_err());
    }
}
