//! Bodies for the driver `generic`.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| fuzz::driver::<driver_generic::Generic>(body));
