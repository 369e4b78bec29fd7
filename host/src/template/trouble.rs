//! Why a template cannot be used.

use minijinja::{Error, ErrorKind};

/// How much of an expression is shown.
const MAX_SHOWN_CHARS: usize = 60;

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// A word of a small closed set for `error.type`.
    pub word: &'static str,
    /// Where in the template, from 1.
    pub line: Option<usize>,
    /// What is wrong and what to do; may quote what was to be rendered.
    pub message: String,
    /// The same without anything but the template's own words.
    short: String,
}

impl Trouble {
    /// What is wrong with a file or an output as a whole, in words without data.
    pub(super) fn new(word: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let short = message.lines().next().unwrap_or_default().to_owned();
        Self { word, line: None, message, short }
    }

    pub(super) fn at(mut self, line: Option<usize>) -> Self {
        self.line = line;
        self
    }

    /// For logs and messages: one line with the place, and nothing that a sender wrote.
    pub fn without_data(&self) -> String {
        match self.line {
            Some(line) => format!("line {line}: {}", self.short),
            None => self.short.clone(),
        }
    }
}

impl From<(&Error, &str)> for Trouble {
    /// What the engine says of a template with this text.
    fn from((error, text): (&Error, &str)) -> Self {
        let kind = error.kind();
        // The engine names the part that is missing: "`a.b` is undefined".
        let missing = error.detail().filter(|_| kind == ErrorKind::UndefinedError);
        let missing = missing.and_then(|detail| detail.split('`').nth(1));
        let expression = missing.or_else(|| text.get(error.range()?)).map(shown);
        let (word, short, hint) = match kind {
            ErrorKind::SyntaxError => ("template.syntax", "it is not a template".to_owned(), None),
            ErrorKind::UndefinedError => (
                "template.undefined",
                "it names a value that is not there".to_owned(),
                Some("for what may be missing, write `| default(\"-\")` after it or `{% if … %}` around it"),
            ),
            ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction => {
                ("template.unknown", kind.to_string(), Some("docs/TEMPLATES.md lists what there is"))
            }
            ErrorKind::OutOfFuel => (
                "template.limit",
                "it does not come to an end within its limit of work".to_owned(),
                Some("loop over fewer things, or put less together"),
            ),
            _ => ("template.render", kind.to_string(), None),
        };
        let mut message = match (&expression, kind) {
            (Some(expression), ErrorKind::UndefinedError) => format!("`{expression}` is not there"),
            _ => short.clone(),
        };
        let short = match (&expression, kind) {
            (Some(expression), ErrorKind::UndefinedError | ErrorKind::UnknownFilter) => {
                format!("{short}: `{expression}`")
            }
            _ => short,
        };
        if let Some(detail) = error.detail().filter(|_| kind != ErrorKind::UndefinedError) {
            message = format!("{message}: {detail}");
        }
        if let Some(hint) = hint {
            message = format!("{message}\nhint: {hint}");
        }
        Self { word, line: error.line(), message, short }
    }
}

fn shown(expression: &str) -> String {
    let line = expression.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(MAX_SHOWN_CHARS).collect()
}
