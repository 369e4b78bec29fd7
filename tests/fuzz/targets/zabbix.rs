//! Bodies for the driver `zabbix`.
#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| fuzz::driver::<driver_zabbix::Zabbix>(body));
