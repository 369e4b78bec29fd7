//! Which addresses are never dialled unless an operator lists them.
//!
//! # Source
//! IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and the RFCs named in the tables),
//! the IANA multicast registries, and RFC 4291 for what lies outside global unicast. Ranges that the
//! registries call globally reachable are left out, but for forms that carry an IPv4 address inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4: the first range that matches names the address.
const V4: &[([u8; 4], u8, &str)] = &[
    ([0, 0, 0, 0], 8, "this network (RFC 791)"),
    ([10, 0, 0, 0], 8, "private (RFC 1918)"),
    ([100, 64, 0, 0], 10, "shared by carriers (RFC 6598)"),
    ([127, 0, 0, 0], 8, "loopback (RFC 1122)"),
    // An address of the public range, but always the machine's own platform: Microsoft, "What is IP
    // address 168.63.129.16?".
    ([168, 63, 129, 16], 32, "the metadata service of Azure"),
    ([169, 254, 0, 0], 16, "link-local, with the metadata services of clouds (RFC 3927)"),
    ([172, 16, 0, 0], 12, "private (RFC 1918)"),
    ([192, 0, 0, 0], 24, "protocol assignments (RFC 6890)"),
    ([192, 0, 2, 0], 24, "documentation (RFC 5737)"),
    ([192, 88, 99, 0], 24, "6to4 relays (RFC 7526)"),
    ([192, 168, 0, 0], 16, "private (RFC 1918)"),
    ([198, 18, 0, 0], 15, "benchmarks (RFC 2544)"),
    ([198, 51, 100, 0], 24, "documentation (RFC 5737)"),
    ([203, 0, 113, 0], 24, "documentation (RFC 5737)"),
    ([224, 0, 0, 0], 4, "multicast (RFC 5771)"),
    ([255, 255, 255, 255], 32, "broadcast (RFC 919)"),
    ([240, 0, 0, 0], 4, "reserved (RFC 1112)"),
];

/// IPv6: the first range that matches names the address.
const V6: &[([u16; 8], u8, &str)] = &[
    ([0; 8], 128, "unspecified (RFC 4291)"),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, "loopback (RFC 4291)"),
    ([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, "IPv4-mapped (RFC 4291)"),
    ([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, "IPv4-translated (RFC 2765)"),
    ([0; 8], 96, "IPv4-compatible (RFC 4291)"),
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, "NAT64 (RFC 6052)"),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, "local NAT64 (RFC 8215)"),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, "discard (RFC 6666)"),
    ([0x100, 0, 0, 1, 0, 0, 0, 0], 64, "dummy (RFC 9780)"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, "Teredo (RFC 4380)"),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, "benchmarks (RFC 5180)"),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23, "protocol assignments (RFC 2928)"),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, "documentation (RFC 3849)"),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, "6to4 (RFC 3056)"),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, "documentation (RFC 9637)"),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, "segment identifiers (RFC 9602)"),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, "unique local (RFC 4193)"),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, "link-local (RFC 4291)"),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, "site-local (RFC 3879)"),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, "multicast (RFC 4291)"),
];

/// What IANA has given out as global unicast; everything else is refused, known by name or not.
const GLOBAL_UNICAST: Cidr = Cidr { base: IpAddr::V6(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0)), prefix: 3 };

/// The name of the special range that an address lies in; nothing for an ordinary public address.
pub(super) fn special_range(address: IpAddr) -> Option<&'static str> {
    let named = match address {
        IpAddr::V4(_) => V4.iter().find_map(|(octets, prefix, name)| {
            let range = Cidr { base: IpAddr::V4(Ipv4Addr::from(*octets)), prefix: *prefix };
            range.contains(address).then_some(*name)
        }),
        IpAddr::V6(_) => V6.iter().find_map(|(segments, prefix, name)| {
            let range = Cidr { base: IpAddr::V6(Ipv6Addr::from(*segments)), prefix: *prefix };
            range.contains(address).then_some(*name)
        }),
    };
    let outside = address.is_ipv6() && !GLOBAL_UNICAST.contains(address);
    named.or_else(|| outside.then_some("outside global unicast (RFC 4291)"))
}

/// A network: the addresses that share their first `prefix` bits with `base`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cidr {
    base: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The network that is one address.
    pub(super) fn single(address: IpAddr) -> Self {
        Self { base: address, prefix: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// Reads `address/prefix`. Nothing if it is not that, if bits beyond the prefix are set, or if
    /// the prefix is 0, which would be no check at all.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (base, prefix) = text.split_once('/')?;
        let base: IpAddr = base.parse().ok()?;
        let prefix: u8 = prefix.parse().ok()?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let network = Self { base, prefix };
        (1..=width).contains(&prefix).then_some(network).filter(|network| network.has_no_host_bits())
    }

    /// Whether the address is of this network. The two families never match, mapped or not.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let differing = base.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(self.prefix)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let differing = base.to_bits() ^ address.to_bits();
                differing.leading_zeros() >= u32::from(self.prefix)
            }
            _ => false,
        }
    }

    fn has_no_host_bits(&self) -> bool {
        match self.base {
            IpAddr::V4(base) => base.to_bits().trailing_zeros() + u32::from(self.prefix) >= 32,
            IpAddr::V6(base) => base.to_bits().trailing_zeros() + u32::from(self.prefix) >= 128,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_and_last_address_of_every_range_are_special_and_the_next_is_not_by_accident() {
        for (octets, prefix, name) in V4 {
            let first = u32::from_be_bytes(*octets);
            let last = first | u32::MAX.checked_shr(u32::from(*prefix)).unwrap_or(0);
            for bits in [first, last] {
                assert!(special_range(IpAddr::V4(Ipv4Addr::from(bits))).is_some(), "{name}");
            }
        }
        for (segments, prefix, name) in V6 {
            let first = Ipv6Addr::from(*segments).to_bits();
            let last = first | u128::MAX.checked_shr(u32::from(*prefix)).unwrap_or(0);
            for bits in [first, last] {
                assert!(special_range(IpAddr::V6(Ipv6Addr::from(bits))).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn ordinary_addresses_and_the_neighbours_of_special_ranges_pass() {
        let ordinary = [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:db7:ffff::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700::1111",
            "2a00:1450::1",
            "3ffe:ffff::1",
            "3fff:1000::1",
        ];
        for text in ordinary {
            assert_eq!(special_range(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn what_is_outside_global_unicast_is_refused_without_a_row_of_its_own() {
        for text in ["4000::1", "8000::1", "200::1", "f000::1", "1fff:ffff::1"] {
            assert_eq!(special_range(text.parse().unwrap()), Some("outside global unicast (RFC 4291)"));
        }
    }

    #[test]
    fn networks_are_read_strictly() {
        for text in ["10.0.0.0/8", "10.1.2.3/32", "fd00::/8", "::1/128"] {
            assert!(Cidr::parse(text).is_some(), "{text}");
        }
        for text in
            ["0.0.0.0/0", "::/0", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0", "10/8", "fd00::/129", "a/8"]
        {
            assert!(Cidr::parse(text).is_none(), "{text}");
        }
        assert!(!Cidr::parse("127.0.0.0/8").unwrap().contains("::ffff:127.0.0.1".parse().unwrap()));
    }
}
