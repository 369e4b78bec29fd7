//! The operator's exceptions from the rule that special addresses are refused.

use std::collections::HashSet;
use std::net::IpAddr;

use url::Host;

use super::address::Cidr;

/// An entry that is neither a host, an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`SSRF_ALLOWED_HOSTS` has an entry that is no host name, address or network: `{0}`\n\
     hint: `hooks.internal`, `10.1.2.3` or `10.1.0.0/16`; no scheme, port, wildcard or prefix of 0"
)]
pub struct AllowListError(String);

/// Hosts, addresses and networks that may be dialled although they are special.
#[derive(Debug, Clone, Default)]
pub struct AllowList {
    hosts: HashSet<String>,
    networks: Vec<Cidr>,
}

impl AllowList {
    /// Reads a comma-separated list. A host name stands for whatever it resolves to.
    ///
    /// # Errors
    /// [`AllowListError`] with the entry.
    pub fn parse(text: &str) -> Result<Self, AllowListError> {
        let mut list = Self::default();
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            list.add(entry).ok_or_else(|| AllowListError(entry.escape_debug().to_string()))?;
        }
        Ok(list)
    }

    /// Whether this host may be dialled at this address, as far as the exceptions go.
    pub(super) fn permits(&self, host: &str, address: IpAddr) -> bool {
        self.hosts.contains(host) || self.networks.iter().any(|network| network.contains(address))
    }

    fn add(&mut self, entry: &str) -> Option<()> {
        if entry.contains('/') {
            self.networks.push(Cidr::parse(entry)?);
            return Some(());
        }
        if let Ok(address) = entry.trim_start_matches('[').trim_end_matches(']').parse() {
            self.networks.push(Cidr::single(address));
            return Some(());
        }
        // The parser of addresses reads the entry, so that both mean the same host. Of addresses it
        // reads odd forms too (`0x7f.1`), which nobody means in a list.
        match Host::parse(entry) {
            Ok(Host::Domain(name)) if !name.contains('*') && !name.ends_with('.') => {
                self.hosts.insert(name);
                Some(())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_addresses_and_networks_are_permitted_exactly() {
        let list =
            AllowList::parse(" Hooks.Internal, 10.1.0.0/16,192.168.7.7 , [fd00::1],fd12::/16,").unwrap();
        let permits = |host, address: &str| list.permits(host, address.parse().unwrap());
        assert!(permits("hooks.internal", "127.0.0.1"));
        assert!(!permits("sub.hooks.internal", "127.0.0.1"));
        assert!(permits("any", "10.1.255.1") && !permits("any", "10.2.0.1"));
        assert!(permits("any", "192.168.7.7") && !permits("any", "192.168.7.8"));
        assert!(permits("any", "fd00::1") && permits("any", "fd12:0:1::1") && !permits("any", "fd00::2"));
        assert!(!permits("any", "::ffff:10.1.0.1"));
    }

    #[test]
    fn entries_that_say_too_much_are_refused_by_name() {
        let entries =
            ["https://a.b", "a.b:80", "*.internal", "*", "0.0.0.0/0", "10.0.0.1/8", "a b", "a.b.", "0x7f.1"];
        for entry in entries {
            let message = AllowList::parse(&format!("ok.internal,{entry}")).unwrap_err().to_string();
            assert!(message.contains(&format!("`{entry}`")), "{message}");
        }
    }
}
