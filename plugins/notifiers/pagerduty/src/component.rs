//! The notifier as a component.

plugin_sdk::export_notifier!(crate::PagerDuty);
