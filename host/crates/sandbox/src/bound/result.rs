//! Results of calls.

use domain::plugin::{
    Analysis, Outcome, Parsed, PluginError, Priority, Problem, Receipt, Recommendation, Usage,
};

use crate::bindings::driver::exports::watchbell::plugin::driver as guest;
use crate::bindings::driver::watchbell::plugin::types;
use crate::bindings::notifier::exports::watchbell::plugin::notifier;
use crate::bindings::provider::exports::watchbell::plugin::intelligence;
use crate::bound::{Breach, Reader, count};

// Bounds of `wit/`; where it names none, generous ones.
const MAX_WARNINGS: usize = 20;
const MAX_SENTENCE: usize = 4 * 1024;
const MAX_KEY: usize = 16 * 1024;
const MAX_WORD: usize = 64;
const MAX_TEXT: usize = 16 * 1024;
const MAX_PROBLEMS: usize = 100;
const MAX_REF: usize = 512;
const MAX_DETAIL: usize = 16 * 1024;
const MAX_RECOMMENDATIONS: usize = 20;
const MAX_ACTIONS: usize = 10;

/// What a driver read from one webhook.
pub(crate) fn parsed(reader: &mut Reader, parsed: guest::Parsed, alerts: usize) -> Result<Parsed, Breach> {
    let outcome = match parsed.outcome {
        guest::Outcome::Nothing(why) => {
            Outcome::Nothing(reader.line("outcome.nothing", why, MAX_SENTENCE)?)
        }
        guest::Outcome::Alerts(list) if list.is_empty() => {
            return Err(Breach::new(
                "outcome.alerts",
                "is empty; a payload that rightly means nothing says so with `nothing`",
            ));
        }
        guest::Outcome::Alerts(list) => {
            count("outcome.alerts", list.len(), alerts)?;
            let read = list.into_iter().enumerate().map(|(index, alert)| {
                reader.alert(alert).map_err(|breach| breach.inside("outcome.alerts", index))
            });
            Outcome::Alerts(read.collect::<Result<_, _>>()?)
        }
    };
    Ok(Parsed {
        outcome,
        group_key: reader.line("group-key", parsed.group_key, MAX_KEY)?,
        receiver: reader.line("receiver", parsed.receiver, MAX_SENTENCE)?,
        external_url: reader.line("external-url", parsed.external_url, MAX_SENTENCE)?,
        version: reader.line("version", parsed.version, MAX_WORD)?,
        warnings: parsed
            .warnings
            .into_iter()
            // What is only said beside the alerts must not cost them.
            .take(MAX_WARNINGS)
            .map(|warning| reader.line("warnings", warning, MAX_SENTENCE))
            .collect::<Result<_, _>>()?,
    })
}

/// A plugin's own error.
pub(crate) fn plugin_error(reader: &mut Reader, error: types::PluginError) -> Result<PluginError, Breach> {
    let mut text = |text: String| reader.lines("error", text, MAX_TEXT);
    Ok(match error {
        types::PluginError::InvalidInput(why) => PluginError::InvalidInput(text(why)?),
        types::PluginError::Unsupported(why) => PluginError::Unsupported(text(why)?),
        types::PluginError::Config(why) => PluginError::Config(text(why)?),
        types::PluginError::Auth(why) => PluginError::Auth(text(why)?),
        types::PluginError::RateLimited(seconds) => PluginError::RateLimited(seconds),
        types::PluginError::Unavailable(why) => PluginError::Unavailable(text(why)?),
        types::PluginError::Rejected(why) => PluginError::Rejected(text(why)?),
        types::PluginError::Internal(why) => PluginError::Internal(text(why)?),
        types::PluginError::Other((code, why)) => PluginError::Other(text(code)?, text(why)?),
    })
}

/// What is wrong with settings, as pairs of path and message.
pub(crate) fn problems(reader: &mut Reader, list: Vec<(String, String)>) -> Result<Vec<Problem>, Breach> {
    count("problems", list.len(), MAX_PROBLEMS)?;
    list.into_iter()
        .map(|(path, message)| {
            Ok(Problem {
                path: reader.line("problems.path", path, MAX_REF)?,
                message: reader.lines("problems.message", message, MAX_SENTENCE)?,
            })
        })
        .collect()
}

/// What the remote answered.
pub(crate) fn receipt(reader: &mut Reader, receipt: notifier::Receipt) -> Result<Receipt, Breach> {
    Ok(Receipt {
        remote_ref: reader.optional_name("remote-ref", receipt.remote_ref, MAX_REF)?,
        detail: reader.json("detail", &receipt.detail, MAX_DETAIL)?,
    })
}

/// What a provider thinks.
pub(crate) fn analysis(reader: &mut Reader, analysis: intelligence::Analysis) -> Result<Analysis, Breach> {
    count("recommendations", analysis.recommendations.len(), MAX_RECOMMENDATIONS)?;
    let recommendations = analysis
        .recommendations
        .into_iter()
        .enumerate()
        .map(|(index, entry)| {
            recommendation(reader, entry).map_err(|breach| breach.inside("recommendations", index))
        })
        .collect::<Result<_, _>>()?;
    Ok(Analysis {
        summary: reader.lines("summary", analysis.summary, MAX_TEXT)?,
        probable_cause: reader.lines("probable-cause", analysis.probable_cause, MAX_TEXT)?,
        recommendations,
        model: reader.line("model", analysis.model, MAX_REF)?,
        prompt_version: reader.optional_name("prompt-version", analysis.prompt_version, MAX_WORD)?,
        usage: analysis
            .usage
            .map(|usage| Usage { input_tokens: usage.input_tokens, output_tokens: usage.output_tokens }),
    })
}

fn recommendation(
    reader: &mut Reader,
    entry: intelligence::Recommendation,
) -> Result<Recommendation, Breach> {
    count("actions", entry.actions.len(), MAX_ACTIONS)?;
    Ok(Recommendation {
        kind: reader.name("kind", entry.kind, MAX_WORD)?,
        priority: match entry.priority {
            intelligence::Priority::Low => Priority::Low,
            intelligence::Priority::Medium => Priority::Medium,
            intelligence::Priority::High => Priority::High,
            intelligence::Priority::Critical => Priority::Critical,
        },
        title: reader.name("title", entry.title, MAX_REF)?,
        description: reader.lines("description", entry.description, MAX_TEXT)?,
        actions: entry
            .actions
            .into_iter()
            .map(|action| reader.lines("actions", action, MAX_SENTENCE))
            .collect::<Result<_, _>>()?,
        details: reader.json("details", &entry.details, MAX_DETAIL)?,
    })
}
