//! The provider as a component.

plugin_sdk::export_provider!(crate::Local);
