//! What is encrypted on the way, and what browsers are told about it.

use std::path::PathBuf;
use std::str::FromStr as _;

use http::{HeaderName, HeaderValue};

use super::{Problems, Source, Variable};

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "TLS_CERT",
        default: "",
        meaning: "File with the hub's certificate and those that issued it, as PEM. Set, the hub speaks TLS alone\n\
                  (HTTP/2 and HTTP/1.1). When the files change, new connections get the new certificate.",
    },
    Variable { name: "TLS_KEY", default: "", meaning: "File with the private key of TLS_CERT, as PEM." },
    Variable {
        name: "SECURE_SSL_REDIRECT",
        default: "0",
        meaning: "1 answers what comes unencrypted: pages of the console with a redirect to https, everything else\n\
                  with 403, for a sender that follows a redirect loses the alert. /healthz and /readyz stay open.",
    },
    Variable {
        name: "SECURE_PROXY_SSL_HEADER",
        default: "",
        meaning: "Name and value of the header with which a proxy says that a request came to it encrypted, as\n\
                  X-Forwarded-Proto,https. Believed from TRUSTED_PROXIES alone.",
    },
    Variable {
        name: "SECURE_HSTS_SECONDS",
        default: "0",
        meaning: "For how long browsers come back over https alone, in seconds, 0 to 63072000; 0 says nothing.\n\
                  Only said over https, and hard to take back: begin with 3600.",
    },
    Variable {
        name: "SECURE_HSTS_INCLUDE_SUBDOMAINS",
        default: "0",
        meaning: "1 says that for all names below the hub's, too.",
    },
    Variable {
        name: "SECURE_HSTS_PRELOAD",
        default: "0",
        meaning: "1 asks browsers to know it before the first visit.",
    },
    Variable {
        name: "SESSION_COOKIE_SECURE",
        default: "1",
        meaning: "Whether browsers keep sessions of the console to https. 0 is for a machine of one's own.",
    },
    Variable { name: "CSRF_COOKIE_SECURE", default: "1", meaning: "The same for what guards its forms." },
];

/// The files of a certificate.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate and those that issued it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// What is encrypted on the way.
#[derive(Debug, Clone)]
pub struct HttpsSettings {
    /// What the hub proves with who it is; without it the hub does not encrypt.
    pub tls: Option<TlsFiles>,
    /// Whether what comes unencrypted is turned away.
    pub redirect: bool,
    /// With what a proxy says that it took a request encrypted.
    pub proxy_header: Option<(HeaderName, String)>,
    /// What browsers are told over https.
    pub strict_transport: Option<HeaderValue>,
    /// Whether browsers keep sessions to https.
    pub session_cookie_secure: bool,
    /// Whether they keep what guards forms to https.
    pub csrf_cookie_secure: bool,
}

impl HttpsSettings {
    pub(super) fn read(source: &Source, problems: &mut Problems) -> Self {
        Self {
            tls: tls(source, problems),
            redirect: source.flag("SECURE_SSL_REDIRECT", false, problems),
            proxy_header: proxy_header(source, problems),
            strict_transport: strict_transport(source, problems),
            session_cookie_secure: source.flag("SESSION_COOKIE_SECURE", true, problems),
            csrf_cookie_secure: source.flag("CSRF_COOKIE_SECURE", true, problems),
        }
    }
}

fn tls(source: &Source, problems: &mut Problems) -> Option<TlsFiles> {
    match (source.text("TLS_CERT"), source.text("TLS_KEY")) {
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate: certificate.into(), key: key.into() }),
        (None, None) => None,
        (certificate, _) => {
            let (set, missing) =
                if certificate.is_some() { ("TLS_CERT", "TLS_KEY") } else { ("TLS_KEY", "TLS_CERT") };
            problems
                .add(format!("`{set}` is set without `{missing}`: a certificate and its key go together"));
            None
        }
    }
}

fn proxy_header(source: &Source, problems: &mut Problems) -> Option<(HeaderName, String)> {
    let text = source.text("SECURE_PROXY_SSL_HEADER")?;
    let parsed = text.split_once(',').and_then(|(name, value)| {
        let (name, value) = (HeaderName::from_str(name.trim()).ok()?, value.trim());
        (!value.is_empty()).then(|| (name, value.to_owned()))
    });
    if parsed.is_none() {
        problems.add(
            "`SECURE_PROXY_SSL_HEADER` must be the name of a header, a comma and its value, such as \
             X-Forwarded-Proto,https",
        );
    }
    if source.list("TRUSTED_PROXIES").is_empty() {
        problems.add(
            "`SECURE_PROXY_SSL_HEADER` is set without `TRUSTED_PROXIES`, so that nobody is believed\n\
             hint: `TRUSTED_PROXIES` lists the addresses that your proxy connects from",
        );
    }
    parsed
}

/// Two years, the longest that is of use.
const MAX_HSTS_S: u64 = 63_072_000;

fn strict_transport(source: &Source, problems: &mut Problems) -> Option<HeaderValue> {
    let seconds = source.number("SECURE_HSTS_SECONDS", 0, 0..=MAX_HSTS_S, problems);
    let mut text = format!("max-age={seconds}");
    if source.flag("SECURE_HSTS_INCLUDE_SUBDOMAINS", false, problems) {
        text.push_str("; includeSubDomains");
    }
    if source.flag("SECURE_HSTS_PRELOAD", false, problems) {
        text.push_str("; preload");
    }
    HeaderValue::from_str(&text).ok().filter(|_| seconds > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<HttpsSettings, String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut problems = Problems::default();
        let settings = HttpsSettings::read(&Source::from_pairs(pairs), &mut problems);
        if problems.is_empty() { Ok(settings) } else { Err(problems.to_string()) }
    }

    #[test]
    fn nothing_is_encrypted_or_said_unless_asked_for_and_cookies_are_safe() {
        let settings = read(&[]).unwrap();
        assert!(settings.tls.is_none() && !settings.redirect && settings.strict_transport.is_none());
        assert!(settings.session_cookie_secure && settings.csrf_cookie_secure);
    }

    #[test]
    fn halves_of_a_setting_are_refused_by_name() {
        for (name, other) in [("TLS_CERT", "TLS_KEY"), ("TLS_KEY", "TLS_CERT")] {
            let error = read(&[(name, "a.pem")]).unwrap_err();
            assert!(error.contains(&format!("`{name}` is set without `{other}`")), "{error}");
        }
        let header = ("SECURE_PROXY_SSL_HEADER", "X-Forwarded-Proto,https");
        assert!(read(&[header]).unwrap_err().contains("TRUSTED_PROXIES"));
        let error =
            read(&[("SECURE_PROXY_SSL_HEADER", "https"), ("TRUSTED_PROXIES", "192.0.2.7")]).unwrap_err();
        assert!(error.contains("X-Forwarded-Proto,https"), "{error}");
        assert!(read(&[header, ("TRUSTED_PROXIES", "192.0.2.7")]).unwrap().proxy_header.is_some());
    }

    #[test]
    fn what_browsers_are_told_has_the_parts_that_are_on() {
        let told = |pairs: &[(&str, &str)]| read(pairs).unwrap().strict_transport.unwrap();
        assert_eq!(told(&[("SECURE_HSTS_SECONDS", "3600")]), "max-age=3600");
        let all = [
            ("SECURE_HSTS_SECONDS", "3600"),
            ("SECURE_HSTS_INCLUDE_SUBDOMAINS", "1"),
            ("SECURE_HSTS_PRELOAD", "1"),
        ];
        assert_eq!(told(&all), "max-age=3600; includeSubDomains; preload");
    }
}
