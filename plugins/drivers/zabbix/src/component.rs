//! The driver as a component.

plugin_sdk::export_driver!(crate::Zabbix);
