//! The value of a macro, which may have stayed a macro.

use plugin_sdk::json::Text;
use serde::Deserialize;

/// A field that a script fills from a macro.
#[derive(Deserialize, Default)]
#[serde(transparent)]
pub(crate) struct Macro<'a>(#[serde(borrow)] Text<'a>);

impl Macro<'_> {
    /// The value; empty where the field was missing or null, or Zabbix did not resolve the macro.
    pub(crate) fn as_str(&self) -> &str {
        if self.is_unresolved() { "" } else { self.0.as_str().trim() }
    }

    /// Whether the macro itself stands here, or what Zabbix writes for one that it cannot resolve.
    pub(crate) fn is_unresolved(&self) -> bool {
        let text = self.0.as_str().trim();
        let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
        text == "*UNKNOWN*" || inner.starts_with(|first: char| first.is_ascii_uppercase() || first == '$')
    }
}
