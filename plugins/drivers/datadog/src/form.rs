//! Bodies that Datadog sends with "encode as form".

use std::collections::BTreeMap;

use plugin_sdk::PluginError;

/// The content type of a form, as the host gives it.
pub(crate) const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// Far above the number of Datadog's variables, far below what fills the memory.
const MAX_FIELDS: usize = 256;

/// The form as the JSON object that it was made from; of a field that is there twice the last counts.
///
/// # Errors
/// [`PluginError::InvalidInput`] for a form without fields and for one with too many.
pub(crate) fn to_json(form: &str) -> Result<String, PluginError> {
    let form = form.trim();
    if form.is_empty() {
        return Err(PluginError::InvalidInput("body is a form without a field".to_owned()));
    }
    if form.split('&').count() > MAX_FIELDS {
        return Err(PluginError::InvalidInput(format!("body is a form of more than {MAX_FIELDS} fields")));
    }
    let fields: BTreeMap<_, _> = form_urlencoded::parse(form.as_bytes()).collect();
    serde_json::to_string(&fields).map_err(|error| PluginError::Internal(format!("form to JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_an_object_of_texts() {
        assert_eq!(to_json("a=1+2&b=%22%0a&a=%C3%A9\n").unwrap(), r#"{"a":"é","b":"\"\n"}"#);
    }

    #[test]
    fn an_empty_or_endless_form_is_refused() {
        for (form, expected) in
            [(" ".to_owned(), "without a field"), ("a&".repeat(300), "more than 256 fields")]
        {
            let Err(PluginError::InvalidInput(message)) = to_json(&form) else { panic!("taken") };
            assert!(message.contains(expected), "{message}");
        }
    }
}
