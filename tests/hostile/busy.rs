//! A machine that is busy with other work.

use std::process::{Child, Command, Stdio};

use domain::limits::Limits;
use domain::plugin::PluginKind;

use crate::driver::Driver;
use crate::harness::{Lines, new_sandbox, subject, webhook};
use crate::witness::answer;

/// Processes that use all the time they get; they end with this value.
struct Spinning(Vec<Child>);

impl Spinning {
    fn start(count: usize) -> Self {
        let spin = || Command::new("sh").args(["-c", "while :; do :; done"]).stdin(Stdio::null()).spawn();
        Self((0..count).map(|_| spin().unwrap()).collect())
    }
}

impl Drop for Spinning {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().expect("it spins until then");
            child.wait().unwrap();
        }
    }
}

/// Adds up the bytes of the body, so often; the answer does not depend on it.
fn adding(times: u32) -> Driver {
    Driver::parsing(format!(
        "(loop $times
           (local.set $end (i32.add (local.get $body) (local.get $length)))
           (local.set $at (local.get $body))
           (loop $again
             (local.set $sum (i64.add (local.get $sum) (i64.load8_u (local.get $at))))
             (local.set $at (i32.add (local.get $at) (i32.const 1)))
             (br_if $again (i32.lt_u (local.get $at) (local.get $end))))
           (local.set $i (i32.add (local.get $i) (i32.const 1)))
           (br_if $times (i32.lt_u (local.get $i) (i32.const {times}))))
         (i64.store (i32.const 900000) (local.get $sum))
         (i32.const $PARSED)"
    ))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_machine_stops_no_honest_driver() {
    let cores = std::thread::available_parallelism().unwrap().get();
    let sandbox = new_sandbox();
    let limits = Limits::of(PluginKind::Driver);
    let small = Driver { name: "small", ..Driver::default() }.build();
    let small = sandbox.load_driver(&"small".parse().unwrap(), &small, limits).unwrap();
    // Some ten milliseconds of CPU for a large body, which take many times as long where others want the
    // processor too.
    let large = sandbox.load_driver(&subject(), &adding(2).build(), limits).unwrap();
    let body = webhook(vec![b'x'; limits.input_bytes]);
    let _spinning = Spinning::start(2 * cores);
    for _ in 0..20 {
        for _ in 0..50 {
            answer(&small).await;
        }
        let parsed = large.parse(&body, "{}", &Lines::default()).await;
        assert!(parsed.is_ok(), "a large body: {}", parsed.unwrap_err());
    }
}
