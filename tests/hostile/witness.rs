//! An honest driver that is called all the time, and what its callers notice.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use domain::plugin::Outcome;
use sandbox::Sandbox;

use crate::case::driver_limits;
use crate::driver::Driver;
use crate::gauge::ThreadClock;
use crate::harness::{Lines, block_on, webhook};

/// What runs beside the honest driver.
const HOSTILE: u8 = 0;
const HONEST: u8 = 1;
const DONE: u8 = 2;

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

/// A thread that calls the honest driver without a pause.
///
/// Its calls are timed by [`ThreadClock::own_time`]: what the hub's own locks, page faults and
/// shared memory cost it counts, that others use the machine does not. They are compared with calls
/// of the same run beside a thread that is just as busy with honest calls, since any busy neighbour
/// takes a share of caches and memory.
pub(crate) struct Witness<'a> {
    honest: &'a sandbox::Driver,
    beside: AtomicU8,
}

/// Lets the witness go, even where a check failed beside it.
struct End<'a>(&'a AtomicU8);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(DONE, SeqCst);
    }
}

/// How long its calls took, beside hostile and beside honest work.
pub(crate) struct Testimony {
    times: [Vec<Duration>; 2],
}

impl<'a> Witness<'a> {
    /// Runs something hostile beside the witness; it gets pauses by [`Witness::pause`].
    pub(crate) fn beside(honest: &'a sandbox::Driver, hostile: impl FnOnce(&Self)) -> Testimony {
        let witness = Self { honest, beside: AtomicU8::new(HOSTILE) };
        thread::scope(|scope| {
            let times = scope.spawn(|| witness.testify());
            let end = End(&witness.beside);
            hostile(&witness);
            drop(end);
            Testimony { times: times.join().expect("the honest driver answered every time") }
        })
    }

    fn testify(&self) -> [Vec<Duration>; 2] {
        let mut times = [vec![], vec![]];
        block_on(async {
            loop {
                let beside = self.beside.load(SeqCst);
                let Some(times) = times.get_mut(usize::from(beside)) else { break };
                let clock = ThreadClock::start();
                answer(self.honest).await;
                times.push(clock.own_time());
            }
        });
        times
    }

    /// Honest work in the place of hostile work, for a moment.
    pub(crate) fn pause(&self) {
        const MOMENT: Duration = Duration::from_millis(25);
        self.beside.store(HONEST, SeqCst);
        let begin = Instant::now();
        block_on(async {
            while begin.elapsed() < MOMENT {
                answer(self.honest).await;
            }
        });
        self.beside.store(HOSTILE, SeqCst);
    }
}

impl Testimony {
    /// Checks that the slowest hundredth of the calls took at most half as long again as beside
    /// honest work.
    pub(crate) fn check(self) {
        let [hostile, honest] = self.times.map(|mut times| {
            assert!(times.len() > 1000, "{} calls are no measure", times.len());
            let rank = times.len() * 99 / 100;
            (*times.select_nth_unstable(rank).1, times.len())
        });
        assert!(hostile.0 * 2 <= honest.0 * 3, "{hostile:?} beside hostile, {honest:?} beside honest work");
    }
}
