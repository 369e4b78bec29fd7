//! One log line for each change, and none for what stays as it is.

use super::state::{LeftOut, Overview, PluginState, Refusal, Status};

/// Tells what is not in use of what there is at a start.
pub(super) fn troubles(overview: &Overview) {
    overview.files.iter().for_each(left_out);
    for state in overview.plugins.iter().filter(|state| !matches!(state.status, Status::Running)) {
        change(None, state);
    }
}

/// Tells what is different now.
pub(super) fn changes(before: &Overview, now: &Overview) {
    for state in &now.plugins {
        let old = before.of(state.kind, &state.name);
        if old.is_none_or(|old| old.status != state.status || old.running != state.running) {
            change(old, state);
        }
    }
    for state in before.plugins.iter().filter(|old| now.of(old.kind, &old.name).is_none()) {
        let PluginState { kind, name, .. } = state;
        tracing::warn!(plugin.name = %name, plugin.kind = %kind, "{kind} `{name}` went away with its file");
    }
    now.files.iter().filter(|file| !before.files.contains(file)).for_each(left_out);
    if let Some(refusal) = now.manifest.as_ref().filter(|refusal| before.manifest.as_ref() != Some(refusal)) {
        let Refusal { error_type, message } = refusal;
        tracing::error!(
            error.r#type = error_type,
            error = message,
            "plugins.toml stays as it was, because the file is refused: {message}"
        );
    }
    if before.manifest.is_some() && now.manifest.is_none() {
        tracing::info!("plugins.toml is understood again, and in force");
    }
}

/// Tells what is left out.
pub(super) fn left_out(LeftOut { what, error }: &LeftOut) {
    let Refusal { error_type, message } = error;
    tracing::error!(error.r#type = error_type, error = message, "left {what} out: {message}");
}

fn change(old: Option<&PluginState>, state: &PluginState) {
    let PluginState { kind, name, status, running, .. } = state;
    let goes_on = running.as_ref().map(|running| format!("; generation {} goes on", running.generation));
    let goes_on = goes_on.unwrap_or_default();
    match status {
        Status::Running => {
            if let Some(running) =
                running.as_ref().filter(|now| old.and_then(|old| old.running.as_ref()) != Some(now))
            {
                let (generation, version, sha256) = (running.generation, &running.version, &running.sha256);
                tracing::info!(
                    plugin.name = %name, plugin.kind = %kind,
                    "{kind} `{name}` runs as generation {generation}: version {version}, sha256 {sha256}"
                );
            }
        }
        Status::Waiting { reason } => {
            tracing::warn!(plugin.name = %name, plugin.kind = %kind, reason, "{kind} `{name}`{goes_on}: {reason}");
        }
        Status::Refused { error: Refusal { error_type, message } } => {
            tracing::error!(
                plugin.name = %name, plugin.kind = %kind, error.r#type = error_type, error = message,
                "left {kind} `{name}` out{goes_on}: {message}"
            );
        }
        Status::Disabled { by } => {
            tracing::info!(plugin.name = %name, plugin.kind = %kind, "{kind} `{name}` is switched off by {by}");
        }
    }
}
