//! Settings: read once from the environment, one file per section.
//!
//! Nothing else in the program reads an environment variable. All problems are reported at once, and
//! none shows the value of a secret.

mod auth;
mod checks;
mod crash;
mod crypto;
mod database;
mod egress;
mod https;
mod intelligence;
mod limits;
mod pipeline;
mod plugins;
mod reference;
mod retention;
mod server;
mod show;
mod source;
mod telemetry;
mod templates;

pub use auth::AuthSettings;
pub use checks::CheckSettings;
pub use crash::CrashSettings;
pub use database::DatabaseSettings;
pub use egress::EgressSettings;
pub use https::{HttpsSettings, TlsFiles};
pub use intelligence::IntelligenceSettings;
pub use limits::{CacheAddress, LimitSettings};
pub use pipeline::PipelineSettings;
pub use plugins::{CacheSettings, PluginSettings};
pub use reference::{ReferenceError, References, SecretText, is_open_to_others};
pub use retention::RetentionSettings;
pub use server::ServerSettings;
pub use show::{Setting, settings};
pub use source::{Problems, Source};
pub use telemetry::{ExportSettings, LogFormat, TelemetrySettings};
pub use templates::TemplateSettings;

use std::sync::Arc;

use crate::crypto::SecretKeys;

/// One environment variable, for `.env.sample`.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What holds without it; empty where there is no default.
    pub default: &'static str,
    /// What it is for, with units and bounds.
    pub meaning: &'static str,
}

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen, and how much of a request is read.
    pub server: ServerSettings,
    /// What is encrypted on the way.
    pub https: HttpsSettings,
    /// Where to store.
    pub database: DatabaseSettings,
    /// The keys that everything stored is sealed with.
    pub crypto: SecretKeys,
    /// What references to secrets lead to.
    pub references: Arc<References>,
    /// Who may call.
    pub auth: AuthSettings,
    /// How many requests of one caller are let in.
    pub limits: LimitSettings,
    /// Where plugins come from.
    pub plugins: PluginSettings,
    /// Where plugins may go.
    pub egress: EgressSettings,
    /// Where templates are.
    pub templates: TemplateSettings,
    /// What providers of intelligence are told, and what they may cost.
    pub intelligence: IntelligenceSettings,
    /// How runs and deliveries are worked off.
    pub pipeline: PipelineSettings,
    /// What is checked about this machine.
    pub checks: CheckSettings,
    /// How long things are kept.
    pub retention: RetentionSettings,
    /// What is logged, and how.
    pub telemetry: TelemetrySettings,
    /// Where a test has the process end; nowhere in a release.
    pub crash: CrashSettings,
}

impl Config {
    /// Reads all sections.
    ///
    /// # Errors
    /// [`Problems`] with every variable that is missing or out of bounds.
    pub fn read(source: &Source) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let server = ServerSettings::read(source, &mut problems);
        let https = HttpsSettings::read(source, &mut problems);
        let crypto = crypto::read(source, &mut problems);
        let auth = AuthSettings::read(source, &mut problems);
        let limits = LimitSettings::read(source, &mut problems);
        let intelligence = IntelligenceSettings::read(source, &mut problems);
        let pipeline = PipelineSettings::read(source, &mut problems);
        let checks = CheckSettings::read(source, &mut problems);
        let retention = RetentionSettings::read(source, &mut problems);
        let telemetry = TelemetrySettings::read(source, &mut problems);
        let crash = CrashSettings::read(source, &mut problems);
        let key = crypto.as_ref().map(|keys| &keys.current);
        let plugins = PluginSettings::read(source, server.body_limit_bytes, key, &mut problems);
        let database = DatabaseSettings::read(source, &mut problems);
        let Some(crypto) = crypto.filter(|_| problems.is_empty()) else { return Err(problems) };
        Ok(Self {
            server,
            https,
            database,
            crypto,
            references: Arc::new(References::new(source)),
            auth,
            limits,
            plugins,
            egress: EgressSettings::read(source),
            templates: TemplateSettings::read(source),
            intelligence,
            pipeline,
            checks,
            retention,
            telemetry,
            crash,
        })
    }
}

impl PluginSettings {
    /// Reads what concerns plugins alone: enough to look at one without a database or a secret key.
    ///
    /// # Errors
    /// [`Problems`] with what is out of bounds.
    pub fn without_secrets(source: &Source) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let body_limit_bytes = ServerSettings::read(source, &mut problems).body_limit_bytes;
        let settings = Self::read(source, body_limit_bytes, None, &mut problems);
        if problems.is_empty() { Ok(settings) } else { Err(problems) }
    }
}

/// The sections of `.env.sample`, in order.
const SECTIONS: &[(&str, &[Variable])] = &[
    ("Server", server::VARIABLES),
    ("HTTPS", https::VARIABLES),
    ("Database", database::VARIABLES),
    ("Keys at rest", crypto::VARIABLES),
    ("Access", auth::VARIABLES),
    ("Limits", limits::VARIABLES),
    ("Plugins", plugins::VARIABLES),
    ("Egress", egress::VARIABLES),
    ("Templates", templates::VARIABLES),
    ("Intelligence", intelligence::VARIABLES),
    ("Pipeline", pipeline::VARIABLES),
    ("Checks of this machine", checks::VARIABLES),
    ("Retention", retention::VARIABLES),
    ("Logs", telemetry::VARIABLES),
];

/// What the names of settings begin with that are not listed one by one.
const PREFIXES: [&str; 2] = ["WATCHBELL_", "WEBHOOK_SECRET_"];

/// Whether a variable is a setting of the hub, or meant to be one.
fn is_own_name(name: &str) -> bool {
    let listed = SECTIONS.iter().flat_map(|(_, variables)| *variables).any(|variable| variable.name == name);
    listed || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Every variable, as the text of `.env.sample`.
pub fn sample() -> String {
    let mut text = String::from(
        "# Every setting of Watchbell. Copy what you change to `.env` (never tracked); what the shell\n\
         # sets wins over it. Where a secret is wanted, `env:NAME` and `file:/path` say where it is kept.\n\
         # Generated: `watchbell config sample > .env.sample`.\n",
    );
    for (title, variables) in SECTIONS {
        text.push_str(&format!("\n# --- {title}\n"));
        for variable in *variables {
            text.push('\n');
            for line in variable.meaning.lines() {
                text.push_str(&format!("# {}\n", line.trim()));
            }
            text.push_str(&format!("# {}={}\n", variable.name, variable.default));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "3f0c6f7d9b1e4a5580c2d7e6f1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4";

    fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::read(&Source::from_pairs(pairs)).map_err(|problems| problems.to_string())
    }

    #[test]
    fn defaults_need_nothing_but_the_secret_key() {
        let config = read(&[("WATCHBELL_SECRET_KEY", KEY)]).unwrap();
        assert_eq!(config.server.bind.to_string(), "127.0.0.1:8080");
        assert_eq!(config.server.body_limit_bytes, 2_621_440);
        assert!(config.auth.api_key_auth_enabled);
    }

    #[test]
    fn all_problems_are_named_at_once_without_their_values() {
        let error = read(&[
            ("WATCHBELL_SECRET_KEY", "hunter2hunter2"),
            ("WATCHBELL_BIND", "nowhere"),
            ("WATCHBELL_BODY_LIMIT_BYTES", "12"),
            ("API_KEY_AUTH_ENABLED", "maybe"),
        ])
        .unwrap_err();
        for name in
            ["WATCHBELL_SECRET_KEY", "WATCHBELL_BIND", "WATCHBELL_BODY_LIMIT_BYTES", "API_KEY_AUTH_ENABLED"]
        {
            assert!(error.contains(name), "{name} is missing in: {error}");
        }
        assert!(!error.contains("hunter2"), "{error}");
        assert!(error.contains("between 1024 and"), "{error}");
    }

    #[test]
    fn secrets_are_read_from_where_they_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, format!("{KEY}\n")).unwrap();
        let reference = format!("file:{}", file.display());
        let plain = read(&[("WATCHBELL_SECRET_KEY", KEY)]).unwrap();
        let config = read(&[
            ("WATCHBELL_SECRET_KEY", &reference),
            ("WATCHBELL_SECRET_KEY_PREVIOUS", &format!("env:OLD, {reference}")),
            ("OLD", &KEY.to_uppercase()),
            ("DATABASE_URL", "env:DB"),
            ("DB", "sqlite:///srv/a.sqlite3"),
            ("OTEL_EXPORTER_OTLP_HEADERS", &format!("x-key={reference}")),
        ])
        .unwrap();
        assert_eq!(config.crypto.current.kek_id(), plain.crypto.current.kek_id());
        assert_eq!(config.crypto.previous.len(), 2);
        assert_eq!(config.database.url, "sqlite:///srv/a.sqlite3");
        assert_eq!(config.telemetry.export.headers[0].1.expose(), KEY);
        let error = read(&[
            ("WATCHBELL_SECRET_KEY", "file:/no/such/key"),
            ("WATCHBELL_SECRET_KEY_PREVIOUS", &format!("{KEY},nonsense")),
            ("CACHE_URL", "env:NOWHERE"),
            ("WEBHOOK_SECRET_X", "file:relative"),
        ])
        .unwrap_err();
        for told in [
            "`WATCHBELL_SECRET_KEY` refers to file `/no/such/key`",
            "`WATCHBELL_SECRET_KEY_PREVIOUS[1]` must be 64",
            "`CACHE_URL` refers to environment variable `NOWHERE`",
            "`WEBHOOK_SECRET_X` begins as a reference and is none",
        ] {
            assert!(error.contains(told), "{told} is missing in: {error}");
        }
    }

    #[test]
    fn missing_secret_key_names_the_command_that_makes_one() {
        let error = read(&[]).unwrap_err();
        assert!(error.contains("watchbell secrets generate"), "{error}");
    }

    #[test]
    fn sample_lists_every_variable_and_is_the_file_in_the_repository() {
        let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../.env.sample")).unwrap();
        assert_eq!(file, sample(), "run `watchbell config sample > .env.sample`");
    }
}
