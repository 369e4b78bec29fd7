//! The notifier as a component.

plugin_sdk::export_mail_notifier!(crate::Email);
