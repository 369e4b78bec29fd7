//! Whether the plugins load as they would at start.

use std::sync::Arc;

use super::Findings;
use super::codes::Code;
use crate::config::Config;
use crate::plugins::{self, Catalogue, LeftOut};

/// Loads them all, as `serve` does.
pub(super) async fn load(config: &Config, findings: &mut Findings) -> Option<Arc<Catalogue>> {
    match plugins::survey(&config.plugins, |_, _| true).await {
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
