//! What the settings say, taken together.

use super::Findings;
use super::codes::Code;
use crate::config::{Config, Source, settings};

/// Senders that try again after a 5xx and not after a 429, by their documentation.
const DROP_429: [&str; 3] = ["Alertmanager", "Datadog", "Grafana"];

/// Names that look like settings and are none.
pub(super) fn unknown(source: &Source, findings: &mut Findings) {
    for setting in settings(source).into_iter().filter(|setting| !setting.known) {
        let message = format!("`{}` ({}) is not a setting, so it has no effect", setting.name, setting.from);
        findings.add(Code::UnknownSetting, message, "`watchbell config sample` lists every setting");
    }
}

/// Who is let in, and how much is told.
pub(super) fn access(config: &Config, findings: &mut Findings) {
    if !config.auth.api_key_auth_enabled {
        let message = "`API_KEY_AUTH_ENABLED` is 0: everybody who reaches the port may send and read alerts";
        findings.add(Code::NoKeysAsked, message, "unset it, and make a key with `watchbell key create`");
    }
    if let Some(text) = config.limits.split_counting(&config.database.url) {
        findings.error(Code::SplitCounting, text.trim_start_matches("W001: "));
    }
    if config.limits.trusted_proxies.is_everybody() {
        let message =
            "`TRUSTED_PROXIES` holds every address, so any sender can make up its `X-Forwarded-For`";
        findings.add(Code::EverybodyTrusted, message, "list the addresses that your proxy connects from");
    }
    if config.telemetry.debug {
        findings.add(Code::Debug, "`WATCHBELL_DEBUG` is on", "unset it in production");
    }
}

/// What production needs beyond that.
pub(super) fn deploy(config: &Config, findings: &mut Findings) {
    if config.limits.rules.is_some() && !config.limits.says_unavailable {
        let message = format!("{} drop for good what a rate limit answers 429", DROP_429.join(", "));
        findings.add(Code::DroppedByLimit, message, "`RATE_LIMIT_STATUS=503` has them try again");
    }
    for (is_off, name) in [
        (config.limits.rules.is_none(), "RATE_LIMIT_ENABLED"),
        (config.auth.api_key_auth_enabled && config.limits.auth_failures.is_none(), "AUTH_FAILURE_LIMIT"),
    ] {
        if is_off {
            findings.add(
                Code::NoLimits,
                format!("`{name}` is 0"),
                "unset it; `RATE_LIMITS` raises what is too low",
            );
        }
    }
    let https = &config.https;
    if !config.server.bind.ip().is_loopback() && https.tls.is_none() {
        let message = format!(
            "`WATCHBELL_BIND` is {}: keys and alerts cross the network unencrypted",
            config.server.bind
        );
        let hint = "set `TLS_CERT` and `TLS_KEY`, or listen on 127.0.0.1 behind a proxy that speaks HTTPS";
        findings.add(Code::PlainHttp, message, hint);
    }
    let unsafe_settings = [
        (!https.redirect && https.tls.is_none(), Code::NotEncryptedOnly, "SECURE_SSL_REDIRECT", "1"),
        (!https.session_cookie_secure, Code::SessionCookie, "SESSION_COOKIE_SECURE", "1"),
        (!https.csrf_cookie_secure, Code::CsrfCookie, "CSRF_COOKIE_SECURE", "1"),
        (https.strict_transport.is_none(), Code::NoHsts, "SECURE_HSTS_SECONDS", "31536000"),
    ];
    for (_, code, name, safe) in unsafe_settings.into_iter().filter(|(is_unsafe, ..)| *is_unsafe) {
        findings.add(code, format!("`{name}` is off"), format!("{name}={safe}"));
    }
}
