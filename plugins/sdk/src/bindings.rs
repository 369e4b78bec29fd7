//! What `wit/` says, as Rust: generated once, shared by every plugin.
//!
//! The three worlds share one set of types. A plugin uses them through [`crate::driver`],
//! [`crate::notifier`] and [`crate::intelligence`]. Which world a component has is settled by the
//! export macro that it calls, not by what is generated here.

#![allow(
    unsafe_code,
    unreachable_pub,
    missing_docs,
    clippy::all,
    clippy::indexing_slicing,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    clippy::cognitive_complexity,
    reason = "generated from wit/"
)]

pub mod driver {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "alert-driver",
        pub_export_macro: true,
        export_macro_name: "export_driver_world",
        runtime_path: "::plugin_sdk::wit_bindgen::rt",
        additional_derives: [PartialEq],
    });
}

pub mod notifier {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "alert-notifier",
        pub_export_macro: true,
        export_macro_name: "export_notifier_world",
        runtime_path: "::plugin_sdk::wit_bindgen::rt",
        additional_derives: [PartialEq],
        with: {
            "watchbell:plugin/types@0.1.0": crate::bindings::driver::watchbell::plugin::types,
            "watchbell:plugin/host-log@0.1.0": crate::bindings::driver::watchbell::plugin::host_log,
        },
    });
}

pub mod intelligence {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "intelligence-provider",
        pub_export_macro: true,
        export_macro_name: "export_intelligence_world",
        runtime_path: "::plugin_sdk::wit_bindgen::rt",
        additional_derives: [PartialEq],
        with: {
            "watchbell:plugin/types@0.1.0": crate::bindings::driver::watchbell::plugin::types,
            "watchbell:plugin/host-log@0.1.0": crate::bindings::driver::watchbell::plugin::host_log,
            "watchbell:plugin/host-clock@0.1.0": crate::bindings::notifier::watchbell::plugin::host_clock,
            "watchbell:plugin/host-random@0.1.0": crate::bindings::notifier::watchbell::plugin::host_random,
            "watchbell:plugin/host-http@0.1.0": crate::bindings::notifier::watchbell::plugin::host_http,
        },
    });
}
