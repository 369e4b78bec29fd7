//! Templates, times and bodies for what a signature is made over.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::signature::check(input));
