//! Types and linkers generated from `wit/`; nothing else in the crate is generated.
//!
//! The three worlds share the types and the logging of the first, so that an alert is one Rust type
//! whoever handles it. Exported functions are called through `wasmtime`'s typed functions (see
//! `call`), because a driver needs both the synchronous and the asynchronous form.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::restriction,
    unsafe_code,
    reason = "generated code; the contract in `wit/` carries the documentation"
)]

/// World `alert-driver`.
pub(crate) mod driver {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "alert-driver",
    });

    /// `driver.incoming` with borrowed text: the one value that is made for every webhook.
    #[derive(wasmtime::component::ComponentType, wasmtime::component::Lower)]
    #[component(record)]
    pub(crate) struct IncomingRef<'a> {
        pub(crate) method: &'a str,
        pub(crate) query: &'a str,
        #[component(name = "content-type")]
        pub(crate) content_type: &'a str,
        pub(crate) headers: &'a [LabelRef<'a>],
        pub(crate) body: &'a [u8],
        #[component(name = "received-at")]
        pub(crate) received_at: i64,
    }

    /// `types.label` with borrowed text.
    #[derive(wasmtime::component::ComponentType, wasmtime::component::Lower)]
    #[component(record)]
    pub(crate) struct LabelRef<'a> {
        pub(crate) key: &'a str,
        pub(crate) value: &'a str,
    }
}

/// World `alert-notifier`.
pub(crate) mod notifier {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "alert-notifier",
        imports: {
            "watchbell:plugin/host-clock.now": trappable,
            "watchbell:plugin/host-random.bytes": trappable,
            "watchbell:plugin/host-http.send": async | trappable,
            "watchbell:plugin/host-http.send-signed": async | trappable,
            "watchbell:plugin/host-mail.send": async | trappable,
        },
        with: {
            "watchbell:plugin/types": crate::bindings::driver::watchbell::plugin::types,
            "watchbell:plugin/host-log": crate::bindings::driver::watchbell::plugin::host_log,
        },
    });
}

/// World `intelligence-provider`.
pub(crate) mod provider {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "intelligence-provider",
        require_store_data_send: true,
        imports: {
            "watchbell:plugin/host-system.snapshot": async | trappable,
        },
        with: {
            "watchbell:plugin/types": crate::bindings::driver::watchbell::plugin::types,
            "watchbell:plugin/host-log": crate::bindings::driver::watchbell::plugin::host_log,
            "watchbell:plugin/host-clock": crate::bindings::notifier::watchbell::plugin::host_clock,
            "watchbell:plugin/host-random": crate::bindings::notifier::watchbell::plugin::host_random,
            "watchbell:plugin/host-http": crate::bindings::notifier::watchbell::plugin::host_http,
        },
    });
}
