//! `watchbell template …`

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use domain::plugin::PluginName;
use serde_json::{Value, json};

use super::output;
use crate::app;
use crate::config::{Config, Source, TemplateSettings};
use crate::crypto::{Place, Purpose};
use crate::template::{ChannelTemplates, Failure, Kind, Recipient, Sample, Templates, samples};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Render templates with every sample, strictly: what is not there is an error
    Check {
        /// Files; without one, those of `WATCHBELL_TEMPLATES_DIR`
        files: Vec<PathBuf>,
        /// What the files make, where their names do not say it: title, text, html or payload
        #[arg(long, value_parser = kind)]
        kind: Option<Kind>,
        /// Print {"checked","problems":[…]}
        #[arg(long)]
        json: bool,
    },
    /// Show what would be sent of a sample
    Preview {
        /// A channel, with the templates it brings
        #[arg(long, conflicts_with = "notifier", required_unless_present = "notifier")]
        channel: Option<String>,
        /// A notifier, for a channel without templates of its own
        #[arg(long)]
        notifier: Option<PluginName>,
        /// What to show: firing, acknowledged, resolved, fired-and-resolved, no-alerts, many or hostile
        #[arg(long, default_value = "firing", value_parser = sample)]
        sample: &'static Sample,
        /// Print this part alone, as it is: title, text, html or payload
        #[arg(long, value_parser = kind, conflicts_with = "json")]
        only: Option<Kind>,
        /// Print {"title","text","html","payload","failures":[…]}
        #[arg(long)]
        json: bool,
    },
}

fn kind(word: &str) -> Result<Kind, String> {
    Kind::of_word(word).ok_or_else(|| "one of title, text, html, payload".to_owned())
}

fn sample(name: &str) -> Result<&'static Sample, String> {
    let known = || samples().iter().map(|sample| sample.name.as_str()).collect::<Vec<_>>().join(", ");
    samples().iter().find(|sample| sample.name == name).ok_or_else(|| format!("one of {}", known()))
}

impl Command {
    /// Whether neither a database nor a secret key is needed.
    pub(super) const fn needs_no_secrets(&self) -> bool {
        !matches!(self, Self::Preview { channel: Some(_), .. })
    }
}

/// Carries out a command that needs no secrets.
pub(super) fn look(command: Command) -> Result<()> {
    let templates = Templates::new(TemplateSettings::read(&Source::load()?).folder);
    match command {
        Command::Check { files, kind, json } => check(&templates, &files, kind, json),
        Command::Preview { notifier, sample, only, json, .. } => {
            let usage = || output::Usage("one of `--channel` and `--notifier` is needed".to_owned());
            let to = Recipient { channel: "sample".to_owned(), notifier: notifier.ok_or_else(usage)? };
            preview(&templates, &to, &ChannelTemplates::default(), sample, &Form { only, json })
        }
    }
}

pub(super) async fn run(command: Command, config: &Config) -> Result<()> {
    let Command::Preview { channel: Some(channel), sample, only, json, .. } = command else {
        return look(command);
    };
    let templates = Templates::new(config.templates.folder.clone());
    let (to, own) = stored(config, &channel).await?;
    preview(&templates, &to, &own, sample, &Form { only, json })
}

/// How a preview is printed.
struct Form {
    only: Option<Kind>,
    json: bool,
}

/// The folder's files, or these. Which kind a file is of its name says, or `--kind`; others are texts.
fn check(templates: &Templates, files: &[PathBuf], kind: Option<Kind>, json: bool) -> Result<()> {
    let (mut checked, mut problems) = (0_usize, Vec::new());
    let meant = |name: &str| {
        let by_name = Kind::of_file(name);
        let kind = kind.or(by_name.as_ref().map(|(_, kind)| *kind)).unwrap_or(Kind::Text);
        let notifier = by_name.map_or_else(PluginName::of_hub, |(notifier, _)| notifier);
        (Recipient { channel: "sample".to_owned(), notifier }, kind)
    };
    let names = match files {
        [] => templates.files().context("`WATCHBELL_TEMPLATES_DIR` cannot be read")?,
        _ => Vec::new(),
    };
    for name in &names {
        let (to, kind) = meant(name);
        problems.extend(templates.check_file(&to, kind, name));
        checked = checked.saturating_add(1);
    }
    for file in files {
        let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let (to, kind) = meant(&name);
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("`{}` cannot be read as text", file.display()))?;
        problems.extend(templates.check_text(&to, kind, &name, &text));
        checked = checked.saturating_add(1);
    }
    if json {
        output::json(&json!({ "checked": checked, "problems": problems }))?;
    } else {
        for problem in &problems {
            output::line(&problem.to_string())?;
        }
        output::line(&format!("templates: {checked}, with problems: {}", problems.len()))?;
    }
    if problems.is_empty() { Ok(()) } else { bail!("templates cannot be used as they are") }
}

/// A channel and the templates that it brings.
async fn stored(config: &Config, name: &str) -> Result<(Recipient, ChannelTemplates)> {
    let (store, keys) = app::open(config).await?;
    let channel =
        store.channels().await?.into_iter().find(|channel| channel.name == name).with_context(|| {
            format!("there is no channel `{name}`\nhint: `watchbell channel list` shows what there is")
        })?;
    let row = channel.id.to_string();
    let place = Place { table: "channel", column: "settings", row: &row };
    let sealed = store.channel_settings(channel.id).await?;
    let opened = keys.open_value(Purpose::Channel, place, &sealed)?;
    let mut settings: Value = serde_json::from_slice(&opened).context("its settings are not JSON")?;
    let own = ChannelTemplates::take(&mut settings)?;
    Ok((Recipient { channel: channel.name, notifier: channel.notifier }, own))
}

fn preview(
    templates: &Templates,
    to: &Recipient,
    own: &ChannelTemplates,
    sample: &Sample,
    form: &Form,
) -> Result<()> {
    let (told, failures) = templates.render(to, own, sample.notification.clone());
    let payload = told.payload.as_ref().map(|payload| format!("{payload:#}"));
    if let Some(kind) = form.only {
        let part = match kind {
            Kind::Title => Some(told.title),
            Kind::Text => Some(told.message),
            Kind::Html => told.html,
            Kind::Payload => payload,
        };
        let part = part.with_context(|| {
            format!("no template makes `{}` for notifier `{}`", kind.as_str(), to.notifier)
        })?;
        return output::text(&format!("{part}\n"));
    }
    if form.json {
        let failures: Vec<Value> = failures.iter().map(failure).collect();
        return output::json(&json!({
            "title": told.title, "text": told.message, "html": told.html, "payload": told.payload,
            "failures": failures,
        }));
    }
    output::line(&format!("{}\n\n{}", told.title, told.message))?;
    if let Some(html) = &told.html {
        output::line(&format!("\nhtml: {} bytes; `--only html` prints it", html.len()))?;
    }
    payload.map_or(Ok(()), |payload| output::line(&format!("\npayload:\n{payload}")))
}

fn failure(failure: &Failure) -> Value {
    json!({
        "kind": failure.kind,
        "template": failure.template,
        "line": failure.trouble.line,
        "message": failure.trouble.message,
    })
}
