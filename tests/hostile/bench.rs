//! What hostile plugins cost an honest one: how long its calls take alone, beside honest work, and beside
//! every hostile component of the tests, in turns within one run. Printed as lines of JSON for
//! `cargo xtask bench hostile`, which gives the hub's program as the argument.

#![forbid(unsafe_code)]
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "made of parts of tests, and no more than they in production"
)]

#[expect(dead_code, reason = "the tests use the rest")]
mod case;
#[expect(dead_code, reason = "the tests use the rest")]
mod catalogue;
mod driver;
#[expect(dead_code, reason = "the tests use the rest")]
mod gauge;
#[expect(dead_code, reason = "the tests use the rest")]
mod harness;
mod kit;
mod notifier;
mod remote;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use domain::limits::Limits;
use domain::plugin::PluginKind;
use sandbox::{Compiler, Sandbox, Settings};
use tokio::runtime::{Builder, Runtime};

use crate::case::{Loaded, driver_limits, notifier_limits};
use crate::catalogue::calls;
use crate::catalogue::files::{self, File};
use crate::driver::Driver;
use crate::gauge::ThreadClock;
use crate::harness::{Lines, block_on, subject, webhook};

/// How long each neighbour works at a time, and how often it is its turn.
const TURN: Duration = Duration::from_millis(500);
const TURNS: usize = 10;

/// What works beside the honest driver.
#[derive(Clone, Copy)]
enum Neighbour {
    Nobody,
    Honest,
    Calls,
    Files,
}

const NEIGHBOURS: [(Neighbour, &str); 4] = [
    (Neighbour::Nobody, "alone"),
    (Neighbour::Honest, "beside honest calls"),
    (Neighbour::Calls, "beside hostile calls"),
    (Neighbour::Files, "beside hostile files"),
];

/// Everything that is measured with.
struct Bench {
    sandbox: Sandbox,
    honest: sandbox::Driver,
    hostile: Vec<Loaded>,
    files: Vec<File>,
    /// Which hostile call or file is next: every turn goes on where the last one stopped.
    next: AtomicUsize,
}

fn main() {
    let Some(hub) = std::env::args().skip(1).find(|argument| !argument.starts_with("--")) else {
        println!("hint: `cargo xtask bench hostile` runs this");
        return;
    };
    let bench = Arc::new(Bench::new(PathBuf::from(hub)));
    let mut own = NEIGHBOURS.map(|_| vec![]);
    let mut served = NEIGHBOURS.map(|_| vec![]);
    let threads = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for _ in 0..TURNS {
        for (at, (neighbour, _)) in NEIGHBOURS.into_iter().enumerate() {
            own[at].extend(bench.on_threads_of_their_own(neighbour));
            served[at].extend(bench.on_shared_threads(&threads, neighbour));
        }
    }
    for (at, (_, name)) in NEIGHBOURS.into_iter().enumerate() {
        println!(
            r#"{{"row":"{name}","values":{{"p99 us":{},"p99 us of a request":{}}}}}"#,
            p99(&mut own[at]),
            p99(&mut served[at])
        );
    }
}

impl Bench {
    fn new(hub: PathBuf) -> Self {
        let compiler = Compiler::Child { program: hub, arguments: vec!["compile-component".to_owned()] };
        let settings = Settings { slots: 16, reserved_for_drivers: 8, compiler, ..Settings::default() };
        let sandbox = Sandbox::new(&settings).unwrap();
        let honest = Driver { name: "honest", ..Driver::default() }.build();
        let honest = sandbox.load_driver(&"honest".parse().unwrap(), &honest, Limits::of(PluginKind::Driver));
        let loaded = calls().into_iter().map(|case| case.plugin.load(&sandbox, case.limits).unwrap());
        let hostile = loaded.collect();
        Self { honest: honest.unwrap(), hostile, files: files::cases(), next: AtomicUsize::new(0), sandbox }
    }

    async fn answer(&self) {
        let parsed = self.honest.parse(&webhook(b"{}".to_vec()), "{}", &Lines::default()).await;
        parsed.expect("the honest driver answers whatever runs beside it");
    }

    /// One piece of work of a neighbour.
    async fn work(&self, neighbour: Neighbour) {
        let next = self.next.fetch_add(1, SeqCst);
        match neighbour {
            Neighbour::Nobody => tokio::time::sleep(TURN).await,
            Neighbour::Honest => self.answer().await,
            Neighbour::Calls => {
                let _ended = self.hostile[next % self.hostile.len()].call().await;
            }
            Neighbour::Files => {
                let File { is_notifier, bytes, .. } = &self.files[next % self.files.len()];
                let _refused = tokio::task::block_in_place(|| match is_notifier {
                    true => self.sandbox.load_notifier(&subject(), bytes, notifier_limits()).map(drop),
                    false => self.sandbox.load_driver(&subject(), bytes, driver_limits()).map(drop),
                });
            }
        }
    }

    /// Each has a thread. Without the time for which the honest one had no processor: what remains is
    /// what the sandbox itself makes one call wait for another.
    fn on_threads_of_their_own(&self, neighbour: Neighbour) -> Vec<Duration> {
        let until = Instant::now() + TURN;
        let mut times = vec![];
        thread::scope(|scope| {
            scope.spawn(|| {
                let threads = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
                threads.block_on(async {
                    while Instant::now() < until {
                        self.work(neighbour).await;
                    }
                });
            });
            block_on(async {
                while Instant::now() < until {
                    let clock = ThreadClock::start();
                    self.answer().await;
                    times.push(clock.own_time());
                }
            });
        });
        times
    }

    /// All share two threads, as in the hub. From the request of a thread outside to its answer.
    fn on_shared_threads(self: &Arc<Self>, threads: &Runtime, neighbour: Neighbour) -> Vec<Duration> {
        let until = Instant::now() + TURN;
        let working: Vec<_> = (0..2)
            .map(|_| {
                let bench = Arc::clone(self);
                threads.spawn(async move {
                    while Instant::now() < until {
                        bench.work(neighbour).await;
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        let mut times = vec![];
        while Instant::now() < until {
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let bench = Arc::clone(self);
            let begin = Instant::now();
            threads.spawn(async move {
                bench.answer().await;
                sender.send(()).expect("somebody waits for it");
            });
            receiver.blocking_recv().expect("it answers");
            times.push(begin.elapsed());
            thread::sleep(Duration::from_millis(1));
        }
        for working in working {
            block_on(working).expect("a neighbour ends");
        }
        times
    }
}

/// The slowest hundredth, in microseconds.
fn p99(times: &mut [Duration]) -> f64 {
    let rank = times.len() * 99 / 100;
    times.select_nth_unstable(rank).1.as_secs_f64() * 1e6
}
