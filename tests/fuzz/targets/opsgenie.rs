//! Bodies for the driver `opsgenie`.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| fuzz::driver::<driver_opsgenie::OpsGenie>(body));
