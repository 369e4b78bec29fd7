//! Where a request goes: scheme, host and port.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

/// Why an address names no origin. The address itself is not shown: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// The parser does not read it.
    #[error("not an absolute address, expected `https://host` or `https://host:port`")]
    Unreadable,
    /// Another scheme.
    #[error("the scheme must be `https`, or `http` where that is granted")]
    Scheme,
    /// Credentials before the host.
    #[error("credentials must not stand before the host; send them in a header")]
    Credentials,
    /// A dot after the last label makes it another name to some and the same to others.
    #[error("the host must not end in a dot")]
    TrailingDot,
    /// A grant with a path, query or fragment.
    #[error("a grant is scheme, host and port only, without a path")]
    Path,
}

/// Scheme, host and port, as the HTTP client's own parser reads them.
///
/// Invariant: scheme `http` or `https`; host lower-case, in ASCII, addresses in their usual form.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: &'static str,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an address with anything behind it, such as a channel's own URL.
    ///
    /// # Errors
    /// [`OriginError`].
    pub fn of_url(url: &str) -> Result<Self, OriginError> {
        let url = Url::parse(url).map_err(|_| OriginError::Unreadable)?;
        Self::of(&url)
    }

    /// The host: a name, an IPv4 address, or an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn of(url: &Url) -> Result<Self, OriginError> {
        let scheme = match url.scheme() {
            "https" => "https",
            "http" => "http",
            _ => return Err(OriginError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OriginError::Credentials);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(OriginError::Unreadable)?;
        if host.ends_with('.') {
            return Err(OriginError::TrailingDot);
        }
        let port = url.port_or_known_default().ok_or(OriginError::Unreadable)?;
        Ok(Self { scheme, host: host.to_owned(), port })
    }

    /// The address, where the host is one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match Host::parse(&self.host).ok()? {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
        }
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    /// Reads a grant: `https://host` or `https://host:port`, nothing behind it.
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text).map_err(|_| OriginError::Unreadable)?;
        let origin = Self::of(&url)?;
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(OriginError::Path);
        }
        Ok(origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match (self.scheme, self.port) {
            ("https", 443) | ("http", 80) => Ok(()),
            (_, port) => write!(f, ":{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_one_origin_are_equal_and_shown_shortest() {
        for text in ["https://Hooks.Example", "https://hooks.example:443/", "https://hooks.example"] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), "https://hooks.example");
        }
        assert_eq!("http://[::1]:8080".parse::<Origin>().unwrap().to_string(), "http://[::1]:8080");
        assert_eq!(Origin::of_url("https://h.example/T0/B1?x=y#z").unwrap().to_string(), "https://h.example");
    }

    #[test]
    fn scheme_host_and_port_all_count() {
        let origin: Origin = "https://a.example".parse().unwrap();
        for other in ["http://a.example", "https://a.example:444", "https://b.example", "https://x.a.example"]
        {
            assert_ne!(other.parse::<Origin>().unwrap(), origin, "{other}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_by_its_cause() {
        let cases = [
            ("hooks.example", OriginError::Unreadable),
            ("https://", OriginError::Unreadable),
            ("https://a b", OriginError::Unreadable),
            ("ftp://a.example", OriginError::Scheme),
            ("file:///etc/passwd", OriginError::Scheme),
            ("https://me@a.example", OriginError::Credentials),
            ("https://a.example.", OriginError::TrailingDot),
            ("https://a.example/x", OriginError::Path),
            ("https://a.example/?x", OriginError::Path),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Origin>(), Err(error), "{text}");
        }
    }
}
