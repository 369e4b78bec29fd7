//! How many requests of one caller are let in.

use std::fmt;
use std::time::Duration;

use domain::client::TrustedProxies;
use domain::rate::Rules;
use domain::secret::Secret;
use url::Url;

use super::{Problems, Source, Variable};

/// Ports where a `CACHE_URL` names none.
const MEMCACHED_PORT: u16 = 11_211;

pub(super) const VARIABLES: &[Variable] = &[
    Variable {
        name: "RATE_LIMIT_ENABLED",
        default: "1",
        meaning: "Whether requests are counted and refused over a limit. Counted by API key, without one by address\n\
                  (IPv6 by /64), in minutes of UTC.",
    },
    Variable {
        name: "RATE_LIMITS",
        default: "",
        meaning: "Requests a minute by path prefix, as /alerts/=600,/alerts/webhook/=1200,/notify/=off. The longest\n\
                  prefix of whole segments decides. These come over the defaults: /alerts/=120,\n\
                  /orchestration/=30, /notify/=30, /intelligence/=20; 1 to 10000000, or off.",
    },
    Variable {
        name: "RATE_LIMIT_STATUS",
        default: "429",
        meaning: "What a request over its limit is answered: 429, or 503 for senders that drop what gets a 429.",
    },
    Variable {
        name: "AUTH_FAILURE_LIMIT",
        default: "60",
        meaning: "How many requests a minute without a good key are answered 401 for one address; further ones get a\n\
                  429 before any key is looked up. Keys that were good here before go on. 0 to 1000000; 0: no limit.",
    },
    Variable {
        name: "TRUSTED_PROXIES",
        default: "",
        meaning: "Networks and addresses of proxies, as 10.0.0.0/8,192.0.2.7. Only their X-Forwarded-For counts: its\n\
                  right-most address that is none of them is the client. Not set: the peer is the client. Only they\n\
                  are believed about SECURE_PROXY_SSL_HEADER too.",
    },
    Variable {
        name: "CACHE_URL",
        default: "",
        meaning: "Where requests are counted when several processes share the limits: redis://host:6379/0 (rediss:// with\n\
                  TLS) or memcached://host:11211. Not set: in this process. While it does not answer, requests pass.\n\
                  An address with a password can be kept apart, as in `file:/run/secrets/cache_url`.",
    },
    Variable {
        name: "CACHE_TIMEOUT_MS",
        default: "100",
        meaning: "How long a request waits for that cache before it passes uncounted, in milliseconds, 10 to 10000.",
    },
];

/// How many requests of one caller are let in.
#[derive(Debug, Clone)]
pub struct LimitSettings {
    /// The limits; none where they are switched off.
    pub rules: Option<Rules>,
    /// Whether 503 is said instead of 429.
    pub says_unavailable: bool,
    /// How many failed authentications a minute one address has; none where they are not counted.
    pub auth_failures: Option<u32>,
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: TrustedProxies,
    /// Where requests are counted.
    pub cache: CacheAddress,
    /// How long a request waits for that.
    pub cache_timeout: Duration,
}

/// Where requests are counted.
#[derive(Clone)]
pub enum CacheAddress {
    /// In this process.
    Local,
    /// A Redis; the address may hold a password.
    Redis(Secret<String>),
    /// A Memcached.
    Memcached {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

impl fmt::Debug for CacheAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl CacheAddress {
    /// What it is, without where it is.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Redis(_) => "redis",
            Self::Memcached { .. } => "memcached",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let host = url.host_str().filter(|host| !host.is_empty())?;
        match url.scheme() {
            "redis" | "rediss" => Some(Self::Redis(Secret::new(text.to_owned()))),
            "memcached" if url.username().is_empty() && matches!(url.path(), "" | "/") => {
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                Some(Self::Memcached { host, port: url.port().unwrap_or(MEMCACHED_PORT) })
            }
            _ => None,
        }
    }
}

impl LimitSettings {
    pub(super) fn read(source: &Source, problems: &mut Problems) -> Self {
        let rules = Rules::parse(&source.list("RATE_LIMITS")).map_err(|wrong| {
            wrong.into_iter().for_each(|problem| problems.add(format!("`RATE_LIMITS` {problem}")));
        });
        let enabled = source.flag("RATE_LIMIT_ENABLED", true, problems);
        let status = source.text("RATE_LIMIT_STATUS").unwrap_or("429");
        if !matches!(status, "429" | "503") {
            problems.add("`RATE_LIMIT_STATUS` must be 429 or 503, found something else");
        }
        let failures = source.number("AUTH_FAILURE_LIMIT", 60, 0..=1_000_000, problems);
        let trusted_proxies =
            TrustedProxies::parse(&source.list("TRUSTED_PROXIES")).unwrap_or_else(|problem| {
                problems.add(format!("`TRUSTED_PROXIES` {problem}"));
                TrustedProxies::default()
            });
        let cache = match source.text("CACHE_URL") {
            None => Some(CacheAddress::Local),
            // What is wrong with a reference is said by it.
            Some(_) => match source.secret("CACHE_URL", problems) {
                Some(url) => CacheAddress::parse(url.expose()),
                None => Some(CacheAddress::Local),
            },
        };
        if cache.is_none() {
            problems.add(
                "`CACHE_URL` must be redis://host:port/db, rediss://… or memcached://host:port, found another address\n\
                 hint: Memcached takes no password here; leave it empty to count in this process",
            );
        }
        Self {
            rules: rules.ok().filter(|_| enabled),
            says_unavailable: status == "503",
            auth_failures: (failures > 0).then_some(failures),
            trusted_proxies,
            cache: cache.unwrap_or(CacheAddress::Local),
            cache_timeout: Duration::from_millis(source.number(
                "CACHE_TIMEOUT_MS",
                100,
                10..=10_000,
                problems,
            )),
        }
    }

    /// Warning W001: processes that share a database server count requests each for itself.
    pub fn split_counting(&self, database_url: &str) -> Option<&'static str> {
        let is_server = !database_url.starts_with("sqlite:");
        let is_split = self.rules.is_some() && is_server && matches!(self.cache, CacheAddress::Local);
        is_split.then_some(
            "W001: rate limits are on and the database is a server, but requests are counted in this process alone: \
             with several processes each lets in the whole limit\n\
             hint: set `CACHE_URL` to a Redis or Memcached that all processes share",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<LimitSettings, String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut problems = Problems::default();
        let settings = LimitSettings::read(&Source::from_pairs(pairs), &mut problems);
        if problems.is_empty() { Ok(settings) } else { Err(problems.to_string()) }
    }

    #[test]
    fn limits_are_on_and_local_unless_said_otherwise() {
        let settings = read(&[]).unwrap();
        assert!(settings.rules.is_some() && !settings.says_unavailable);
        assert_eq!((settings.auth_failures, settings.cache.name()), (Some(60), "local"));
        assert!(read(&[("RATE_LIMIT_ENABLED", "0")]).unwrap().rules.is_none());
    }

    #[test]
    fn caches_are_known_by_their_scheme() {
        let name = |url: &str| read(&[("CACHE_URL", url)]).map(|settings| settings.cache.name());
        assert_eq!(name("redis://:secret@cache:6379/3").unwrap(), "redis");
        assert_eq!(name("rediss://cache").unwrap(), "redis");
        assert_eq!(name("memcached://[::1]:11211").unwrap(), "memcached");
        for wrong in ["http://cache", "cache:6379", "memcached://user:pw@cache", "memcached://", "redis"] {
            let error = name(wrong).unwrap_err();
            assert!(error.contains("CACHE_URL") && !error.contains("pw"), "{wrong}: {error}");
        }
    }

    #[test]
    fn every_variable_that_is_not_understood_is_named() {
        let error = read(&[
            ("RATE_LIMITS", "/alerts/=many,x"),
            ("RATE_LIMIT_STATUS", "418"),
            ("TRUSTED_PROXIES", "10.0.0.0/8,nowhere"),
            ("AUTH_FAILURE_LIMIT", "-1"),
        ])
        .unwrap_err();
        for name in ["`RATE_LIMITS`", "`RATE_LIMIT_STATUS`", "`TRUSTED_PROXIES`", "`AUTH_FAILURE_LIMIT`"] {
            assert!(error.contains(name), "{name} is missing in: {error}");
        }
        assert!(error.contains("`many`") && error.contains("`x`"), "{error}");
    }

    #[test]
    fn counting_apart_on_a_shared_database_is_warned_of() {
        let warned = |pairs: &[(&str, &str)], url: &str| read(pairs).unwrap().split_counting(url).is_some();
        assert!(warned(&[], "postgres://db/watchbell"));
        assert!(!warned(&[], "sqlite://watchbell.sqlite3"));
        assert!(!warned(&[("CACHE_URL", "redis://cache")], "postgres://db/watchbell"));
        assert!(!warned(&[("RATE_LIMIT_ENABLED", "0")], "mysql://db/watchbell"));
    }
}
