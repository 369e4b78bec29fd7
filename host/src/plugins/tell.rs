//! One log line for each change, and none for what stays as it is.

use super::state::{GenerationState, LeftOut, Overview, PluginState, Refusal, Status};

/// Tells what is not in use of what there is at a start.
pub(super) fn troubles(overview: &Overview) {
    overview.files.iter().for_each(left_out);
    for state in overview.plugins.iter().filter(|state| !matches!(state.status, Status::Running)) {
        change(state);
    }
}

/// Tells what is different now.
pub(super) fn changes(before: &Overview, now: &Overview) {
    for state in &now.plugins {
        let old = before.of(state.kind, &state.name);
        if old.is_none_or(|old| old.status != state.status || old.running != state.running) {
            change(state);
        }
    }
    before.plugins.iter().filter(|old| now.of(old.kind, &old.name).is_none()).for_each(gone);
    now.files.iter().filter(|file| !before.files.contains(file)).for_each(left_out);
    match &now.manifest {
        Some(refusal) if before.manifest.as_ref() != Some(refusal) => refused_manifest(refusal),
        None if before.manifest.is_some() => tracing::info!("plugins.toml is understood again, and in force"),
        _ => {}
    }
}

/// Tells what is left out.
pub(super) fn left_out(LeftOut { what, error }: &LeftOut) {
    let Refusal { error_type, message } = error;
    tracing::error!(error.r#type = error_type, error = message, "left {what} out: {message}");
}

fn refused_manifest(Refusal { error_type, message }: &Refusal) {
    tracing::error!(
        error.r#type = error_type,
        error = message,
        "plugins.toml stays as it was, because the file is refused: {message}"
    );
}

fn gone(PluginState { kind, name, .. }: &PluginState) {
    tracing::warn!(plugin.name = %name, plugin.kind = %kind, "{kind} `{name}` went away with its file");
}

fn change(state: &PluginState) {
    let PluginState { kind, name, status, running, .. } = state;
    let goes_on = running.as_ref().map(|running| format!("; generation {} goes on", running.generation));
    let goes_on = goes_on.unwrap_or_default();
    match status {
        Status::Running => running.iter().for_each(|running| runs(state, running)),
        Status::Waiting { reason } => {
            tracing::warn!(plugin.name = %name, plugin.kind = %kind, reason, "{kind} `{name}`{goes_on}: {reason}");
        }
        Status::Refused { error } => refused(state, error, &goes_on),
        Status::Disabled { by } => {
            tracing::info!(plugin.name = %name, plugin.kind = %kind, "{kind} `{name}` is switched off by {by}");
        }
    }
}

fn runs(PluginState { kind, name, .. }: &PluginState, running: &GenerationState) {
    let GenerationState { generation, version, sha256, .. } = running;
    tracing::info!(
        plugin.name = %name, plugin.kind = %kind,
        "{kind} `{name}` runs as generation {generation}: version {version}, sha256 {sha256}"
    );
}

fn refused(PluginState { kind, name, .. }: &PluginState, error: &Refusal, goes_on: &str) {
    let Refusal { error_type, message } = error;
    tracing::error!(
        plugin.name = %name, plugin.kind = %kind, error.r#type = error_type, error = message,
        "left {kind} `{name}` out{goes_on}: {message}"
    );
}
