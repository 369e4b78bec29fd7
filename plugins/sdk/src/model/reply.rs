//! From what a model wrote to an analysis.

use serde_json::value::RawValue;

use super::find;
use super::prompt::{KINDS, PRIORITIES, VERSION};
use super::{Question, Service};
use crate::PluginError;
use crate::intelligence::{Analysis, Priority, Recommendation, Usage};
use crate::json::{Items, Pairs, Text};
use crate::text::{clip, cut, first, one_line};

/// `wit/intelligence.wit`.
const MAX_RECOMMENDATIONS: usize = 20;
/// `wit/intelligence.wit`.
const MAX_ACTIONS: usize = 10;
/// Well below what the host takes; people read it.
const MAX_TITLE_BYTES: usize = 200;
const MAX_TEXT_BYTES: usize = 4 << 10;
const MAX_ACTION_BYTES: usize = 1 << 10;
const MAX_MODEL_BYTES: usize = 128;
/// How many objects may stand around what is looked for.
const MAX_DEPTH: usize = 2;
/// How much is kept of an answer that is no JSON, in characters.
const MAX_PROSE_CHARACTERS: usize = 500;

/// An answer, whatever the remote's dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// What the model wrote.
    pub text: String,
    /// How it ended.
    pub end: End,
    /// The model that answered; empty where the remote does not say.
    pub model: String,
    /// What it cost, where the remote says.
    pub usage: Option<Usage>,
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By itself.
    Whole,
    /// At the limit of tokens.
    CutShort,
    /// The model or its remote would not; why, in its words, which may be empty.
    Refused(String),
}

impl End {
    /// What a remote's word means: cut short for the words given, refused for the others given, whole for
    /// any other.
    pub fn of(word: &str, cut_short: &[&str], refused: &[&str]) -> Self {
        if cut_short.contains(&word) {
            Self::CutShort
        } else if refused.contains(&word) {
            Self::Refused(word.to_owned())
        } else {
            Self::Whole
        }
    }
}

/// A count that a remote gave; 0 where it gave none.
pub fn count(text: &Text<'_>) -> u64 {
    text.as_str().parse().unwrap_or_default()
}

/// The cost of an answer; none where the remote counts nothing.
pub fn usage(input_tokens: u64, output_tokens: u64) -> Option<Usage> {
    (input_tokens > 0 || output_tokens > 0).then_some(Usage { input_tokens, output_tokens })
}

impl Reply {
    /// Reads the analysis out of the answer. Prose becomes one recommendation; what is cut off in the middle
    /// is kept as far as it goes, and the summary says so.
    pub(super) fn into_analysis(
        self,
        service: &Service,
        question: &Question<'_>,
    ) -> Result<Analysis, PluginError> {
        let name = service.name;
        if let End::Refused(why) = &self.end {
            let why = one_line(cut(why, 300)).into_owned();
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            return Err(PluginError::Rejected(format!("the model behind {name} would not answer{why}")));
        }
        let text = self.text.trim();
        if text.is_empty() {
            return Err(match self.end {
                End::CutShort => PluginError::Rejected(format!(
                    "the model behind {name} used up its {} tokens before it wrote anything\n\
                     hint: raise `max_tokens`, or choose a model that reasons less",
                    question.max_tokens
                )),
                _ => PluginError::Unavailable(format!("the answer of {name} is empty")),
            });
        }
        let (mut thoughts, is_cut) = Thoughts::of(text, self.end == End::CutShort);
        if is_cut {
            let note = format!(" [The answer was cut at {} tokens.]", question.max_tokens);
            thoughts.summary.push_str(&note);
        }
        let model = one_line(cut(&self.model, MAX_MODEL_BYTES)).into_owned();
        Ok(Analysis {
            summary: thoughts.summary,
            probable_cause: thoughts.probable_cause,
            recommendations: thoughts.recommendations,
            model: if model.is_empty() { question.model.to_owned() } else { model },
            prompt_version: Some(VERSION.to_owned()),
            usage: self.usage,
        })
    }
}

/// What a model thinks, within the bounds of the contract.
#[derive(Debug, Default, PartialEq)]
struct Thoughts {
    summary: String,
    probable_cause: String,
    recommendations: Vec<Recommendation>,
}

impl Thoughts {
    /// What a text says, and whether it ends too early.
    fn of(text: &str, is_cut: bool) -> (Self, bool) {
        // Some remotes do not say that they cut an answer short, so it is tried whatever they say.
        let found = find::values(text)
            .find_map(|found| Some((Self::of_value(&found.json, MAX_DEPTH)?, is_cut || found.is_mended)));
        if let Some((mut thoughts, is_cut)) = found {
            if thoughts.summary.is_empty()
                && let Some(first) = thoughts.recommendations.first()
            {
                thoughts.summary.clone_from(&first.title);
            }
            return (thoughts, is_cut);
        }
        (Self::of_prose(text), is_cut)
    }

    /// What a JSON value says; none where it is about something else. `depth` is how many objects may stand
    /// around it.
    fn of_value(value: &str, depth: usize) -> Option<Self> {
        if value.starts_with('[') {
            let recommendations = recommendations(value);
            return (!recommendations.is_empty()).then(|| Self { recommendations, ..Self::default() });
        }
        let pairs: Pairs<'_> = serde_json::from_str(value).ok()?;
        let summary = prose(pairs.get("summary"));
        let probable_cause = prose(pairs.first_of(&["probable_cause", "cause", "root_cause"]));
        let recommendations = recommendations(pairs.get("recommendations"));
        if !summary.is_empty() || !probable_cause.is_empty() || !recommendations.is_empty() {
            return Some(Self { summary, probable_cause, recommendations });
        }
        if let Some(only) = recommendation(&pairs) {
            return Some(Self { recommendations: vec![only], ..Self::default() });
        }
        let depth = depth.checked_sub(1)?;
        let inner = pairs.iter().map(|(_, value)| value).filter(|value| value.starts_with(['{', '[']));
        inner.take(8).find_map(|value| Self::of_value(value, depth))
    }

    fn of_prose(text: &str) -> Self {
        let end = text.char_indices().nth(MAX_PROSE_CHARACTERS).map_or(text.len(), |(place, _)| place);
        let description = prose(cut(text, end));
        let first_line = description.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let only = Recommendation {
            kind: GENERAL.to_owned(),
            priority: Priority::Medium,
            title: "Read what the model says".to_owned(),
            actions: Vec::new(),
            details: String::new(),
            description: description.clone(),
        };
        Self {
            summary: clip(&one_line(first_line), MAX_TITLE_BYTES).into_owned(),
            probable_cause: String::new(),
            recommendations: vec![only],
        }
    }
}

/// The kind of what is of no known kind.
const GENERAL: &str = KINDS[5];

/// A text for people, cut to its bound.
fn prose(text: &str) -> String {
    clip(text.trim(), MAX_TEXT_BYTES).into_owned()
}

/// The recommendations in a JSON list; a lone object is a list of one.
fn recommendations(list: &str) -> Vec<Recommendation> {
    if list.starts_with('{') {
        let only = serde_json::from_str::<Pairs<'_>>(list).ok();
        return only.as_ref().and_then(recommendation).into_iter().collect();
    }
    let items: Items<Pairs<'_>> = serde_json::from_str(list).unwrap_or_default();
    items.items.iter().filter_map(recommendation).take(MAX_RECOMMENDATIONS).collect()
}

/// None where it says nothing.
fn recommendation(pairs: &Pairs<'_>) -> Option<Recommendation> {
    let title = one_line(pairs.first_of(&["title", "name"])).into_owned();
    let description = prose(pairs.first_of(&["description", "detail", "message"]));
    let description = if description.is_empty() { prose(&title) } else { description };
    if description.is_empty() {
        return None;
    }
    let sentence = description.split_inclusive(['.', '\n']).next().unwrap_or_default();
    let sentence = one_line(sentence.trim_end_matches('.'));
    let title = first(&[&title, &sentence, GENERAL]).to_owned();
    let word = one_line(pairs.first_of(&["type", "kind"])).to_lowercase();
    Some(Recommendation {
        kind: KINDS.into_iter().find(|kind| *kind == word).unwrap_or(GENERAL).to_owned(),
        priority: priority(pairs.get("priority")),
        title: clip(&title, MAX_TITLE_BYTES).into_owned(),
        description,
        actions: actions(pairs.get("actions")),
        details: String::new(),
    })
}

fn priority(word: &str) -> Priority {
    let word = word.trim().to_lowercase();
    let all = [Priority::Low, Priority::Medium, Priority::High, Priority::Critical];
    let known = PRIORITIES.iter().zip(all).find(|(known, _)| **known == word);
    known.map_or(Priority::Medium, |(_, priority)| priority)
}

/// The steps: a list of texts, of objects that hold one, or one text alone.
fn actions(value: &str) -> Vec<String> {
    let step = |text: &str| clip(text.trim(), MAX_ACTION_BYTES).into_owned();
    let steps: Vec<String> = match serde_json::from_str::<Vec<&RawValue>>(value) {
        Ok(list) => list.into_iter().take(100).filter_map(|value| one_step(value.get())).collect(),
        Err(_) if value.starts_with(['{', '[']) => one_step(value).into_iter().collect(),
        Err(_) => vec![value.to_owned()],
    };
    steps.iter().map(|text| step(text)).filter(|step| !step.is_empty()).take(MAX_ACTIONS).collect()
}

fn one_step(value: &str) -> Option<String> {
    if !value.starts_with('{') {
        let text: Text<'_> = serde_json::from_str(value).ok()?;
        return Some(text.as_str().to_owned());
    }
    let pairs: Pairs<'_> = serde_json::from_str(value).ok()?;
    let said = pairs.first_of(&["action", "step", "title", "description", "command"]);
    Some(said.to_owned())
}
