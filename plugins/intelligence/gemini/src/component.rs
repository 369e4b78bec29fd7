//! The provider as a component.

plugin_sdk::export_model_provider!(crate::Gemini);
