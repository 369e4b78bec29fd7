//! What is decided about plugins, by hand.

use anyhow::Result;
use clap::Args;
use domain::approval::Grants;
use domain::plugin::{PluginKind, PluginName};
use serde_json::{Value, json};

use super::Kind;
use crate::app;
use crate::cli::{output, person};
use crate::config::Config;
use crate::plugins::{Approvals, By, Origin, PluginList, ShownPlugin, Status};

/// Which plugin, and why.
#[derive(Args)]
pub(in crate::cli) struct Which {
    /// Its name
    name: PluginName,
    /// What it is, where several have the name
    #[arg(long)]
    kind: Option<Kind>,
    /// Why; it is kept with who did it
    #[arg(long)]
    reason: Option<String>,
    /// Print {"plugin"}
    #[arg(long)]
    json: bool,
}

impl Which {
    fn kind(&self, approvals: &Approvals) -> Result<PluginKind> {
        let said = self.kind.map(Kind::of_contract);
        said.map_or_else(|| Ok(approvals.kind_of(&self.name)?), Ok)
    }

    fn by(&self) -> Result<By> {
        By::new(person::actor(), self.reason.clone()).map_err(|text| output::Usage(text).into())
    }
}

/// What is decided.
pub(super) enum Step {
    Approve { sha256: Option<String> },
    Switch { enabled: bool },
    RollBack { to: Option<String> },
}

pub(super) async fn list(config: &Config, json: bool) -> Result<()> {
    let list = app::approvals(config).await?.list().await?;
    if json {
        return output::json(&list);
    }
    let PluginList { plugins, files, manifest } = list;
    let rows: Vec<_> = plugins.iter().map(row).collect();
    output::table(["KIND", "NAME", "VERSION", "STATUS", "SHA-256", "WHAT FOR"], &rows)?;
    for plugin in &plugins {
        for line in remarks(plugin) {
            output::note(&format!("{} `{}`: {line}", plugin.state.kind, plugin.state.name));
        }
    }
    for file in files {
        output::note(&format!("{}: {}", file.what, file.error));
    }
    if let Some(refusal) = manifest {
        output::note(&format!("plugins.toml: {refusal}"));
    }
    Ok(())
}

/// What was decided about a plugin that the hub would load, for `inspect`.
pub(super) async fn about(config: &Config, kind: Option<PluginKind>, name: &PluginName) -> Result<Value> {
    let approvals = app::approvals(config).await?;
    let kind = kind.map_or_else(|| approvals.kind_of(name), Ok)?;
    Ok(json!(approvals.one(kind, name).await?))
}

pub(super) async fn decide(config: &Config, which: &Which, step: Step) -> Result<()> {
    let approvals = app::approvals(config).await?;
    let (kind, name, by) = (which.kind(&approvals)?, &which.name, which.by()?);
    let (shown, what) = match step {
        Step::Approve { sha256 } => {
            (approvals.approve(kind, name, sha256.as_deref(), by).await?, "is approved")
        }
        Step::Switch { enabled: true } => (approvals.switch(kind, name, true, by).await?, "is switched on"),
        Step::Switch { enabled: false } => {
            (approvals.switch(kind, name, false, by).await?, "is switched off")
        }
        Step::RollBack { to } => (approvals.roll_back(kind, name, to.as_deref(), by).await?, "is put back"),
    };
    if which.json {
        return output::json(&json!({ "plugin": shown }));
    }
    output::line(&format!("{kind} `{name}` {what}; running hubs take it over within 2 s"))?;
    remarks(&shown).iter().try_for_each(|line| output::line(line))
}

fn row(plugin: &ShownPlugin) -> [String; 6] {
    let ShownPlugin { state, summary, .. } = plugin;
    let running = state.running.as_ref();
    let digest = running.map(|running| &running.sha256).or(state.found.as_ref());
    let short = digest.map(|digest| digest.chars().take(12).collect()).unwrap_or_default();
    let from = match state.origin {
        Origin::BuiltIn => " (built in)",
        Origin::Configured(_) | Origin::Dropped(_) => "",
    };
    [
        state.kind.to_string(),
        state.name.to_string(),
        running.map(|running| running.version.clone()).unwrap_or_default(),
        format!("{}{}", word(plugin), from),
        short,
        summary.clone().unwrap_or_default(),
    ]
}

fn word(plugin: &ShownPlugin) -> &'static str {
    match &plugin.state.status {
        _ if plugin.rollback.is_some() => "rolled back",
        _ if plugin.trouble.is_some() => "left alone",
        status => status.as_str(),
    }
}

/// What a person should know about it beside its status.
fn remarks(plugin: &ShownPlugin) -> Vec<String> {
    let ShownPlugin { state, approved, more, rollback, trouble, .. } = plugin;
    let mut lines = Vec::new();
    match &state.status {
        Status::Running => {
            let granted =
                approved.as_ref().map(|approval| approval.grants.clone()).filter(|_| rollback.is_none());
            if let Some(granted) = granted.filter(|granted| *granted != Grants::default()) {
                lines.push(format!("it may {granted}"));
            }
        }
        Status::Waiting { reason } => lines.push(reason.clone()),
        Status::Refused { error } => lines.push(error.message.clone()),
        Status::Disabled { by } => lines.push(format!("it is switched off by {by}")),
    }
    if let (Some(more), Some(_)) = (more, approved) {
        lines.push(format!("it asks for more than was approved: {more}"));
    }
    if let (Some(running), Some(found)) = (&state.running, &state.found)
        && running.sha256 != *found
    {
        lines.push(format!("{} runs, {found} is there", running.sha256));
    }
    lines.extend(trouble.clone());
    lines
}
