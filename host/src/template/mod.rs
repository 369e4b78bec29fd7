//! Templates: how a notification reads to the person it wakes.
//!
//! The outbox keeps what there is to say; how it is said is decided at each attempt, so that a template that
//! was mended helps the next one. For each [`Kind`] the channel's own template comes first, then a file
//! `<notifier>_<kind>.j2` of the templates' folder, then what is built in, then the words of the notify stage:
//! a template that cannot be used never keeps anybody from being told.

mod context;
mod engine;
mod filters;
mod folder;
mod own;
mod samples;
mod trouble;

use std::borrow::Cow;
use std::path::PathBuf;

use domain::plugin::{Notification, PluginName};
use serde::Serialize;

use crate::telemetry::metrics;

use context::Sheet;
use engine::{Engine, Output};
pub use own::{ChannelTemplates, TemplateError};
pub use samples::{Sample, samples};
pub use trouble::Trouble;

/// The built-in text of every notifier.
const TEXT: &str = include_str!("defaults/text.j2");
/// The built-in document of notifier `email`.
const EMAIL_HTML: &str = include_str!("defaults/email_html.j2");

/// How long the text of a notification may be, with what is said about templates.
const MAX_MESSAGE_CHARS: usize = 16_000;

/// What a template makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// One line.
    Title,
    /// Several lines of plain text.
    Text,
    /// A whole body for the remote, as JSON.
    Payload,
    /// One HTML document.
    Html,
}

impl Kind {
    /// Each, in the order in which they are made: later ones see what earlier ones gave, and the last can say
    /// which of the others failed.
    pub const ALL: [Self; 4] = [Self::Title, Self::Text, Self::Payload, Self::Html];

    /// The word for it in settings and file names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Title => "title",
            Self::Text => "text",
            Self::Payload => "payload",
            Self::Html => "html",
        }
    }

    /// The kind of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The kind that a file of the folder is for by its name, `<notifier>_<kind>.j2`, and the notifier.
    pub fn of_file(name: &str) -> Option<(PluginName, Self)> {
        let (notifier, kind) = name.strip_suffix(".j2")?.rsplit_once('_')?;
        Some((notifier.parse().ok()?, Self::of_word(kind)?))
    }
}

/// Whom a notification is for.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The channel's name.
    pub channel: String,
    /// The plugin that delivers.
    pub notifier: PluginName,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Which: `templates.text`, or a file's name.
    pub template: String,
    /// Where in it, from 1.
    pub line: Option<usize>,
    /// The sample that showed it.
    pub sample: Option<String>,
    /// What is wrong and what to do.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`", self.template)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(sample) = &self.sample {
            write!(f, ", with sample `{sample}`")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// One template of a chain.
struct Source<'a> {
    kind: Kind,
    name: Cow<'a, str>,
    text: Result<Cow<'a, str>, Trouble>,
}

/// A template that was not used.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What it should have made.
    pub kind: Kind,
    /// Which it is.
    pub template: String,
    /// Why.
    pub trouble: Trouble,
}

/// All templates but those that channels bring themselves.
#[derive(Debug)]
pub struct Templates {
    folder: Option<PathBuf>,
    engine: Engine,
}

impl Templates {
    /// With the operator's files in this folder, where there is one.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, engine: Engine::new() }
    }

    /// What is wrong with the templates that a channel would use: each is rendered with every sample, and
    /// what is not there is an error. Empty: nothing is wrong.
    pub fn check(&self, to: &Recipient, own: &ChannelTemplates) -> Vec<Problem> {
        let first =
            Kind::ALL.into_iter().filter_map(|kind| self.chain(&to.notifier, own, kind).into_iter().next());
        first.filter_map(|source| self.check_one(to, &source)).collect()
    }

    /// [`Templates::check`] for one text that is not saved yet.
    pub fn check_text(&self, to: &Recipient, kind: Kind, name: &str, text: &str) -> Option<Problem> {
        self.check_one(to, &Source { kind, name: name.into(), text: Ok(text.into()) })
    }

    /// [`Templates::check_text`] for a file of the folder.
    pub fn check_file(&self, to: &Recipient, kind: Kind, name: &str) -> Option<Problem> {
        let text = folder::read(self.folder.as_deref(), name).map(Cow::Owned);
        self.check_one(to, &Source { kind, name: name.into(), text })
    }

    /// The first problem of a template: the others may come of it.
    fn check_one(&self, to: &Recipient, source: &Source<'_>) -> Option<Problem> {
        let found = |trouble: &Trouble, sample: Option<&str>| Problem {
            template: source.name.to_string(),
            line: trouble.line,
            sample: sample.map(str::to_owned),
            message: trouble.message.clone(),
        };
        let text = match &source.text {
            Ok(text) => text,
            Err(trouble) => return Some(found(trouble, None)),
        };
        if let Err(trouble) = self.engine.read(source.kind, text) {
            return Some(found(&trouble, None));
        }
        samples().iter().find_map(|sample| {
            let sheet = Sheet::new(to, &sample.notification);
            let trouble = self.engine.check(source.kind, text, &sheet).err()?;
            Some(found(&trouble, Some(&sample.name)))
        })
    }

    /// The notification in the words of the templates; says in it, in the log and in a metric which of them
    /// failed. Reads files and takes up to tens of milliseconds: not for a thread that others wait for.
    pub fn apply(&self, to: &Recipient, own: &ChannelTemplates, notification: Notification) -> Notification {
        let (notification, failures) = self.render(to, own, notification);
        for Failure { kind, template, trouble } in &failures {
            metrics::template_failed(kind.as_str(), &to.notifier);
            tracing::warn!(
                channel.name = %to.channel, plugin.name = %to.notifier, error.r#type = trouble.word,
                "template `{template}` of channel `{}` was not used: {}", to.channel, trouble.without_data()
            );
        }
        notification
    }

    /// [`Templates::apply`] that tells nobody else.
    pub fn render(
        &self,
        to: &Recipient,
        own: &ChannelTemplates,
        mut notification: Notification,
    ) -> (Notification, Vec<Failure>) {
        let mut sheet = Sheet::new(to, &notification);
        let mut failures = Vec::new();
        for kind in Kind::ALL {
            for Source { name, text, .. } in self.chain(&to.notifier, own, kind) {
                match text.and_then(|text| self.engine.render(kind, &text, &sheet)) {
                    Ok(output) => {
                        sheet.note(&output);
                        put(&mut notification, output);
                        break;
                    }
                    Err(trouble) => {
                        let failure = Failure { kind, template: name.into_owned(), trouble };
                        sheet.add_note(&note(&failure));
                        failures.push(failure);
                    }
                }
            }
        }
        if !failures.is_empty() {
            let notes = failures.iter().map(note).collect::<Vec<_>>().join("\n");
            let room = MAX_MESSAGE_CHARS.saturating_sub(notes.chars().count()).saturating_sub(2);
            let message: String = notification.message.chars().take(room).collect();
            notification.message = format!("{message}\n\n{notes}");
        }
        (notification, failures)
    }

    /// The templates for one kind, the one to be used first.
    fn chain<'a>(&self, notifier: &PluginName, own: &'a ChannelTemplates, kind: Kind) -> Vec<Source<'a>> {
        let mut chain = Vec::new();
        if let Some(given) = own.get(kind) {
            chain.push(given.source(kind, self.folder.as_deref()));
        }
        if let Some(folder) = &self.folder {
            let name = format!("{notifier}_{}.j2", kind.as_str());
            if let Some(text) = folder::read_if_there(folder, &name) {
                chain.push(Source { kind, name: name.into(), text: text.map(Cow::Owned) });
            }
        }
        let built_in = match kind {
            Kind::Text => Some(("built-in text.j2", TEXT)),
            Kind::Html if notifier.as_str() == "email" => Some(("built-in email_html.j2", EMAIL_HTML)),
            _ => None,
        };
        chain.extend(built_in.map(|(name, text)| Source { kind, name: name.into(), text: Ok(text.into()) }));
        chain
    }

    /// The names of the files of the folder, sorted; none where there is no folder.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn files(&self) -> std::io::Result<Vec<String>> {
        self.folder.as_deref().map_or_else(|| Ok(Vec::new()), folder::names)
    }
}

fn put(notification: &mut Notification, output: Output) {
    match output {
        Output::Title(title) => notification.title = title,
        Output::Text(text) => notification.message = text,
        Output::Payload(payload) => notification.payload = Some(payload),
        Output::Html(html) => notification.html = Some(html),
    }
}

/// What the reader is told of a template that failed.
fn note(failure: &Failure) -> String {
    let Failure { template, trouble, .. } = failure;
    format!("Note: template `{template}` was not used: {}.", trouble.without_data())
}

#[cfg(test)]
mod tests;
