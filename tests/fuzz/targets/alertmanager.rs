//! Bodies for the driver `alertmanager`.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| fuzz::driver::<driver_alertmanager::Alertmanager>(body));
