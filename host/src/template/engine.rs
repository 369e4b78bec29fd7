//! Rendering within bounds: nothing outside of the template and its values is reached.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::Value;

use super::context::{self, Sheet};
use super::{Kind, MAX_MESSAGE_CHARS, Trouble, filters};

/// How much work one template may be: each step of it and each 64 bytes that it makes count one. All of it takes
/// some tens of milliseconds and at most 13 MB. A guess, far above what built-in templates need.
const FUEL: u64 = 200_000;
/// How deep templates may nest.
const MAX_DEPTH: usize = 50;
/// How long a title may be.
const MAX_TITLE_CHARS: usize = 300;
/// How large a document may be; mail clients cut longer ones off at about 100 KB.
const MAX_HTML_BYTES: usize = 128 * 1024;
/// How large a payload may be: with everything else it stays under what a notifier takes, 1 MiB.
const MAX_PAYLOAD_BYTES: usize = 128 * 1024;
/// What a sample says that must not come out of a document as it went in.
pub(super) const MARKUP: &str = "<script>wb()</script>";

/// What a template made.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Output {
    Title(String),
    Text(String),
    Payload(Value),
    Html(String),
}

/// The two ways to render.
#[derive(Debug)]
pub(super) struct Engine {
    /// To check a template: what is not there is an error.
    strict: Environment<'static>,
    /// To tell somebody: what is not there is left out.
    lenient: Environment<'static>,
}

impl Engine {
    pub(super) fn new() -> Self {
        // In a condition it may be missing: that is how templates ask for it. Names that nothing has are found
        // by `read`.
        Self {
            strict: environment(UndefinedBehavior::SemiStrict),
            lenient: environment(UndefinedBehavior::Chainable),
        }
    }

    /// Whether it is a template, and names nothing that no notification has.
    pub(super) fn read(&self, kind: Kind, text: &str) -> Result<(), Trouble> {
        let template = self.strict.clone();
        let template = template
            .template_from_named_str(kind.as_str(), text)
            .map_err(|error| Trouble::from((&error, text)))?;
        let mut unknown: Vec<String> =
            template.undeclared_variables(true).into_iter().filter(|name| !context::has(name)).collect();
        unknown.sort_unstable();
        let Some(name) = unknown.into_iter().next() else { return Ok(()) };
        let known = context::known_beside(&name).join("`, `");
        let line = text.lines().position(|line| line.contains(&name)).map(|line| line.saturating_add(1));
        let message = format!("`{name}` is not there\nhint: there is `{known}`");
        Err(Trouble::new("template.undefined", message).at(line))
    }

    /// Renders a template that is to be saved.
    pub(super) fn check(&self, kind: Kind, text: &str, sheet: &Sheet) -> Result<(), Trouble> {
        let output = finish(kind, run(&self.strict, kind, text, sheet)?)?;
        match output {
            Output::Html(html) if html.contains(MARKUP) => Err(Trouble::new(
                "template.markup",
                "what a sender writes becomes a part of the document, scripts included\n\
                 hint: leave out `| safe` and `{% autoescape false %}`",
            )),
            _ => Ok(()),
        }
    }

    /// Renders a template for somebody.
    pub(super) fn render(&self, kind: Kind, text: &str, sheet: &Sheet) -> Result<Output, Trouble> {
        finish(kind, run(&self.lenient, kind, text, sheet)?)
    }
}

fn environment(undefined: UndefinedBehavior) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(undefined);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MAX_DEPTH);
    // Errors know the place of the expression that they are about.
    environment.set_debug(true);
    environment.set_auto_escape_callback(|name| match Kind::of_word(name) {
        Some(Kind::Html) => AutoEscape::Html,
        Some(Kind::Payload) => AutoEscape::Json,
        _ => AutoEscape::None,
    });
    // A line with nothing but `{% … %}` leaves no empty line behind.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        environment.set_syntax(syntax);
    }
    // It shows how the engine is made, and nothing that a template is for.
    environment.remove_global("debug");
    filters::add(&mut environment);
    environment
}

fn run(environment: &Environment<'_>, kind: Kind, text: &str, sheet: &Sheet) -> Result<String, Trouble> {
    environment
        .render_named_str(kind.as_str(), text, sheet.values())
        .map_err(|error| Trouble::from((&error, text)))
}

/// What was rendered, in the form of its kind and within its bounds.
fn finish(kind: Kind, text: String) -> Result<Output, Trouble> {
    let bad = |message: String| Err(Trouble::new("template.output", message));
    if text.trim().is_empty() {
        return bad("it renders to nothing".to_owned());
    }
    Ok(match kind {
        Kind::Title => Output::Title(filters::cut(&filters::line(&text), MAX_TITLE_CHARS)),
        Kind::Text => Output::Text(filters::cut(text.trim_end(), MAX_MESSAGE_CHARS)),
        Kind::Html if text.len() > MAX_HTML_BYTES => {
            return bad(format!("a document may have {MAX_HTML_BYTES} bytes, found {}", text.len()));
        }
        Kind::Html => Output::Html(text),
        Kind::Payload if text.len() > MAX_PAYLOAD_BYTES => {
            return bad(format!("a payload may have {MAX_PAYLOAD_BYTES} bytes, found {}", text.len()));
        }
        Kind::Payload => Output::Payload(payload(&text)?),
    })
}

fn payload(text: &str) -> Result<Value, Trouble> {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => Ok(value),
        Ok(_) => Err(Trouble::new("template.output", "a payload must be a JSON object or list")),
        // Of the rendered text, not of the template.
        Err(error) => Err(Trouble::new(
            "template.output",
            format!(
                "what it renders to is not JSON from line {}, column {} of the result on\n\
                 hint: values bring their own quotes: write {{\"text\": {{{{ title }}}}}}, and \
                 {{{{ severity ~ \": \" ~ title }}}} to put texts together",
                error.line(),
                error.column()
            ),
        )),
    }
}
