//! Bodies for the driver `grafana`.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| fuzz::driver::<driver_grafana::Grafana>(body));
