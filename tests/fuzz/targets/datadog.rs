//! Bodies for the driver `datadog`.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| fuzz::driver::<driver_datadog::Datadog>(body));
