//! Bodies for the driver `pagerduty`.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| fuzz::driver::<driver_pagerduty::PagerDuty>(body));
