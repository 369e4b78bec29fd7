//! Bodies for the driver `newrelic`.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| fuzz::driver::<driver_newrelic::NewRelic>(body));
