//! Bodies for detection among all drivers.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::shape::check(input));
