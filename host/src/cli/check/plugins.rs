//! Whether the plugins load as they would at start.

use std::sync::Arc;

use store::Store;

use super::Findings;
use super::codes::Code;
use super::files;
use crate::config::Config;
use crate::plugins::{self, Approvals, Catalogue, Decisions, LeftOut};

/// What operators decided, where there is a database that says so; what is wrong with that is found later.
async fn decisions(config: &Config) -> Decisions {
    // Looking must not make a database.
    if files::database_file(config).is_some_and(|file| files::is_missing(&file)) {
        return Decisions::default();
    }
    let Ok(store) = Store::open(&config.database.url, store::Options::default()).await else {
        return Decisions::default();
    };
    let decisions = Approvals::stored(&store).await.unwrap_or_default();
    store.close().await;
    decisions
}

/// Loads them all, as `serve` does.
pub(super) async fn load(config: &Config, findings: &mut Findings) -> Option<Arc<Catalogue>> {
    match plugins::survey(&config.plugins, decisions(config).await, |_, _| true).await {
        Ok(survey) => {
            for LeftOut { what, error } in survey.left_out {
                findings.error(Code::Plugin, &format!("{what} is left out: {error}"));
            }
            for plugin in survey.unpinned {
                let message =
                    format!("{plugin} is not pinned: whoever can change the file changes what runs");
                findings.add(
                    Code::Unpinned,
                    message,
                    "`sha256 = \"…\"` in `plugins.toml` (`sha256sum <file>`)",
                );
            }
            let provider = &config.intelligence.provider;
            let loaded = provider.parse().ok().and_then(|name| survey.catalogue.provider(&name));
            if loaded.is_none() {
                let message =
                    format!("`INTELLIGENCE_PROVIDER` is `{provider}`, and no such provider is loaded");
                findings.add(Code::NoProvider, message, "`watchbell plugin list` shows those that are");
            }
            if let Some(entry) = loaded
                && let Err(error) = entry.open_settings(&config.references)
            {
                findings.error(Code::Plugin, &format!("provider `{provider}`: {error}"));
            }
            Some(survey.catalogue)
        }
        Err(error) => {
            findings.error(Code::Plugin, &format!("{error:#}"));
            None
        }
    }
}
