//! An honest driver that is called all the time, and how often it answered.
//!
//! How long its calls take is measured where nothing else runs: `cargo xtask bench hostile`.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;

use domain::plugin::Outcome;
use sandbox::Sandbox;

use crate::case::driver_limits;
use crate::driver::Driver;
use crate::harness::{Lines, block_on, webhook};

/// Loads an honest driver under a name of its own.
pub(crate) fn honest(sandbox: &Sandbox) -> sandbox::Driver {
    let driver = Driver { name: "honest", ..Driver::default() };
    sandbox.load_driver(&"honest".parse().unwrap(), &driver.build(), driver_limits()).unwrap()
}

/// One honest call; anything but its one alert is an effect.
pub(crate) async fn answer(honest: &sandbox::Driver) {
    let parsed = honest.parse(&webhook(b"{}".to_vec()), "{}", &Lines::default()).await;
    let parsed = parsed.expect("the honest driver answers whatever runs beside it");
    assert!(matches!(parsed.outcome, Outcome::Alerts(alerts) if alerts.len() == 1));
}

/// Lets the witness go, even where a check failed beside it.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// Runs something hostile beside a thread that calls the honest driver without a pause. Returns how often
/// it answered; it always did.
pub(crate) fn answers_beside(honest: &sandbox::Driver, hostile: impl FnOnce()) -> usize {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let answers = scope.spawn(|| {
            block_on(async {
                let mut answers = 0;
                while !is_over.load(SeqCst) {
                    answer(honest).await;
                    answers += 1;
                }
                answers
            })
        });
        let end = End(&is_over);
        hostile();
        drop(end);
        answers.join().expect("the honest driver answered every time")
    })
}
