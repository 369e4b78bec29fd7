//! Where a request goes: scheme, host and port.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

/// The schemes there are, each with the port that is meant without one. Mail is submitted to 587 with
/// STARTTLS and to 465 under TLS from the first byte (RFC 6409, RFC 8314).
const SCHEMES: &[(&str, u16)] = &[("https", 443), ("http", 80), ("smtp", 587), ("smtps", 465)];

/// Why an address names no origin. The address itself is not shown: it may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// The parser does not read it.
    #[error("not an absolute address, expected `https://host` or `https://host:port`")]
    Unreadable,
    /// Another scheme.
    #[error("the scheme must be `https`, or `http` where that is granted; for mail `smtp` or `smtps`")]
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
/// Invariant: scheme `https`, `http`, `smtp` or `smtps`; host lower-case, in ASCII, addresses in their
/// usual form.
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

    /// The port, also where it is the scheme's own.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The scheme.
    pub const fn scheme(&self) -> &'static str {
        self.scheme
    }

    pub(super) fn of(url: &Url) -> Result<Self, OriginError> {
        let known = SCHEMES.iter().find(|(scheme, _)| *scheme == url.scheme());
        let (scheme, usual_port) = *known.ok_or(OriginError::Scheme)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OriginError::Credentials);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(OriginError::Unreadable)?;
        // The parser takes hosts of schemes that browsers do not know as they are written. Read again, any
        // form of an address is that address whatever the scheme.
        let host = Host::parse(host).map_err(|_| OriginError::Unreadable)?.to_string();
        if host.ends_with('.') {
            return Err(OriginError::TrailingDot);
        }
        Ok(Self { scheme, host, port: url.port().unwrap_or(usual_port) })
    }

    /// Whether this is for HTTP, and not for mail.
    pub(super) fn is_http(&self) -> bool {
        matches!(self.scheme, "https" | "http")
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

    /// Reads a grant: scheme and host such as `https://host`, with or without a port, nothing behind it.
    fn from_str(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text).map_err(|_| OriginError::Unreadable)?;
        let origin = Self::of(&url)?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(OriginError::Path);
        }
        Ok(origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match SCHEMES.contains(&(self.scheme, self.port)) {
            true => Ok(()),
            false => write!(f, ":{}", self.port),
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
    fn mail_has_ports_of_its_own_and_the_same_hosts() {
        for (text, shown, port) in [
            ("smtp://Mail.Example", "smtp://mail.example", 587),
            ("smtp://mail.example:587/", "smtp://mail.example", 587),
            ("smtp://mail.example:25", "smtp://mail.example:25", 25),
            ("smtp://mail.example:443", "smtp://mail.example:443", 443),
            ("smtps://mail.example", "smtps://mail.example", 465),
            ("smtps://ma%69l.example", "smtps://mail.example", 465),
            ("smtps://ｍａｉｌ.example", "smtps://mail.example", 465),
            ("smtp://127.1", "smtp://127.0.0.1", 587),
            ("smtp://0x7f000001", "smtp://127.0.0.1", 587),
            ("smtp://2130706433:25", "smtp://127.0.0.1:25", 25),
            ("smtps://[0:0::1]", "smtps://[::1]", 465),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!((origin.to_string().as_str(), origin.port()), (shown, port), "{text}");
            assert!(!origin.is_http(), "{text}");
            assert_eq!(origin.address().is_none(), shown.contains("mail."), "{text}");
        }
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
            ("smtp://me:word@a.example", OriginError::Credentials),
            ("smtp:a.example", OriginError::Unreadable),
            ("smtp:///x", OriginError::Unreadable),
            ("smtp://a\\@b.example", OriginError::Credentials),
            ("smtp://a.example.", OriginError::TrailingDot),
            ("smtps://a.example/x", OriginError::Path),
            ("https://a.example/x", OriginError::Path),
            ("https://a.example/?x", OriginError::Path),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<Origin>(), Err(error), "{text}");
        }
    }
}
