//! Components that import what their kind is not granted: files, environment, clocks, numbers, network.

use super::files::{File, importing};
use crate::driver::Driver;
use crate::notifier::Notifier;

/// What a driver does not get: everything but its log.
const OF_A_DRIVER: [(&str, &str); 13] = [
    ("driver_that_wants_files", "wasi:filesystem/preopens@0.2.0"),
    ("driver_that_wants_the_environment", "wasi:cli/environment@0.2.0"),
    ("driver_that_wants_to_exit", "wasi:cli/exit@0.2.0"),
    ("driver_that_wants_standard_output", "wasi:cli/stdout@0.2.0"),
    ("driver_that_wants_the_wall_clock", "wasi:clocks/wall-clock@0.2.0"),
    ("driver_that_wants_a_timer", "wasi:clocks/monotonic-clock@0.2.0"),
    ("driver_that_wants_random_numbers", "wasi:random/random@0.2.0"),
    ("driver_that_wants_sockets", "wasi:sockets/tcp@0.2.0"),
    ("driver_that_wants_http", "wasi:http/outgoing-handler@0.2.0"),
    ("driver_that_wants_the_hosts_http", "watchbell:plugin/host-http@0.1.0"),
    ("driver_that_wants_the_hosts_mail", "watchbell:plugin/host-mail@0.1.0"),
    ("driver_that_wants_the_hosts_numbers", "watchbell:plugin/host-random@0.1.0"),
    ("driver_that_wants_the_hosts_machine", "watchbell:plugin/host-system@0.1.0"),
];

/// What a notifier does not get either. Files and sockets are there, with nothing behind them, and are what WASI
/// says they are.
const OF_A_NOTIFIER: [(&str, &str, &str); 4] = [
    ("notifier_that_wants_other_files", "load.interface", "wasi:filesystem/preopens@0.2.0"),
    ("notifier_that_wants_other_sockets", "load.interface", "wasi:sockets/tcp@0.2.0"),
    ("notifier_that_wants_http_of_its_own", "load.import", "wasi:http/outgoing-handler@0.2.0"),
    ("notifier_that_wants_the_hosts_machine", "load.import", "watchbell:plugin/host-system@0.1.0"),
];

pub(super) fn cases() -> Vec<File> {
    // The message names the interface; each is the text to look for, too.
    let drivers = OF_A_DRIVER.into_iter().map(|(name, interface)| {
        File::new(name, importing(&Driver::default().build(), [interface]), ("load.import", interface))
    });
    let notifiers = OF_A_NOTIFIER.into_iter().map(|(name, error, interface)| File {
        is_notifier: true,
        taken: Some(Notifier::default().build()),
        ..File::new(name, importing(&Notifier::default().build(), [interface]), (error, interface))
    });
    drivers.chain(notifiers).collect()
}
