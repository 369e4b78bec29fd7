//! The templates that a channel brings in its own settings.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::folder::{self, MAX_TEMPLATE_BYTES};
use super::{Kind, Source};

/// The key of a channel's settings that is the host's and no business of the notifier.
const KEY: &str = "templates";

/// What is wrong with the shape of a channel's templates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not a JSON object.
    #[error("setting `templates` must be a JSON object, such as {{\"text\": \"{{{{ title }}}}\"}}")]
    NotAnObject,
    /// A kind that is not there.
    #[error("setting `templates` has no `{0}`\nhint: it has `title`, `text`, `html`, `payload`")]
    Unknown(String),
    /// Neither a text nor a file.
    #[error("setting `templates.{0}` must be a text or {{\"file\": \"name.j2\"}}")]
    NotATemplate(&'static str),
    /// A file's name that is more than that.
    #[error(
        "setting `templates.{0}.file` must be the name of a file in `WATCHBELL_TEMPLATES_DIR`, of letters, \
         digits, `_`, `-` and `.`, without a path"
    )]
    FileName(&'static str),
    /// Too long.
    #[error("setting `templates.{kind}` may have {MAX_TEMPLATE_BYTES} bytes, found {found}")]
    TooLarge {
        /// Of which kind.
        kind: &'static str,
        /// Its size.
        found: usize,
    },
}

/// Where a channel's own template is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Own {
    /// In the settings.
    Inline(String),
    /// In a file of the folder.
    File(String),
}

impl Own {
    pub(super) fn source(&self, kind: Kind, folder: Option<&Path>) -> Source<'_> {
        match self {
            Self::Inline(text) => Source {
                kind,
                name: format!("{KEY}.{}", kind.as_str()).into(),
                text: Ok(Cow::Borrowed(text.as_str())),
            },
            Self::File(name) => {
                Source { kind, name: name.as_str().into(), text: folder::read(folder, name).map(Cow::Owned) }
            }
        }
    }
}

/// The templates that a channel brings itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelTemplates(BTreeMap<Kind, Own>);

impl ChannelTemplates {
    /// Takes the key `templates` out of a channel's settings: what is left is the notifier's.
    ///
    /// # Errors
    /// [`TemplateError`], which names the part. Whether they can be rendered is another question, for
    /// [`super::Templates::check`].
    pub fn take(settings: &mut Value) -> Result<Self, TemplateError> {
        let given = settings.as_object_mut().and_then(|settings| settings.remove(KEY));
        let given = match given {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Object(given)) => given,
            Some(_) => return Err(TemplateError::NotAnObject),
        };
        let mut own = BTreeMap::new();
        for (word, value) in given {
            let Some(kind) = Kind::of_word(&word) else {
                return Err(TemplateError::Unknown(
                    word.chars().take(40).flat_map(char::escape_default).collect(),
                ));
            };
            own.extend(read(kind.as_str(), value)?.map(|template| (kind, template)));
        }
        Ok(Self(own))
    }

    /// Whether it brings none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, kind: Kind) -> Option<&Own> {
        self.0.get(&kind)
    }
}

fn read(kind: &'static str, value: Value) -> Result<Option<Own>, TemplateError> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) if text.len() > MAX_TEMPLATE_BYTES => {
            Err(TemplateError::TooLarge { kind, found: text.len() })
        }
        Value::String(text) => Ok(Some(Own::Inline(text))),
        Value::Object(object) if object.len() == 1 => match object.get("file") {
            Some(Value::String(name)) if folder::is_plain_name(name) => Ok(Some(Own::File(name.clone()))),
            Some(Value::String(_)) => Err(TemplateError::FileName(kind)),
            _ => Err(TemplateError::NotATemplate(kind)),
        },
        _ => Err(TemplateError::NotATemplate(kind)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_notifier_sees_nothing_of_the_templates() {
        let mut settings =
            json!({ "url": "https://a.example", "templates": { "text": "x", "html": { "file": "a.j2" } } });
        let own = ChannelTemplates::take(&mut settings).unwrap();
        assert_eq!(settings, json!({ "url": "https://a.example" }));
        assert_eq!(own.get(Kind::Text), Some(&Own::Inline("x".to_owned())));
        assert_eq!(own.get(Kind::Html), Some(&Own::File("a.j2".to_owned())));
        assert!(own.get(Kind::Title).is_none() && !own.is_empty());
        for none in
            [json!({}), json!({ "templates": null }), json!({ "templates": { "text": null } }), json!([])]
        {
            assert!(ChannelTemplates::take(&mut none.clone()).unwrap().is_empty(), "{none}");
        }
    }

    #[test]
    fn mistakes_name_the_part_and_what_is_allowed() {
        let error = |templates: Value| {
            ChannelTemplates::take(&mut json!({ "templates": templates })).unwrap_err().to_string()
        };
        assert!(error(json!("x")).contains("JSON object"));
        assert!(error(json!({ "body": "x" })).contains("no `body`\nhint: it has `title`"));
        assert!(error(json!({ "text": 1 })).contains("`templates.text` must be a text or {\"file\""));
        assert!(error(json!({ "text": { "file": "a", "b": 1 } })).contains("must be a text or"));
        for name in ["../a.j2", "a/b", "", ".hidden", "a\0b", "/etc/passwd", "a\\b", "é.j2", &"a".repeat(129)]
        {
            assert!(error(json!({ "text": { "file": name } })).contains("without a path"), "{name:?}");
        }
        assert!(error(json!({ "text": "x".repeat(MAX_TEMPLATE_BYTES + 1) })).contains("found 65537"));
    }
}
