//! A sandbox, what goes into it and what comes out of it.

use std::sync::Mutex;

use domain::plugin::{Incoming, PluginName};
use domain::time::Timestamp;
use sandbox::{Ended, LogLevel, PluginLog, Sandbox, Settings, Spent};

/// The name under which every hostile plugin is loaded.
pub(crate) fn subject() -> PluginName {
    "subject".parse().unwrap()
}

pub(crate) fn new_sandbox() -> Sandbox {
    Sandbox::new(&Settings { slots: 16, reserved_for_drivers: 8, ..Settings::default() }).unwrap()
}

pub(crate) fn webhook(body: Vec<u8>) -> Incoming {
    Incoming {
        method: "POST".into(),
        query: String::new(),
        content_type: "application/json".into(),
        headers: vec![("user-agent".into(), "test".into())],
        body,
        received_at: Timestamp::from_millis(1_700_000_000_000),
    }
}

/// Keeps log lines, and what the last call is said to have used.
#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<(LogLevel, String)>>, pub(crate) Mutex<Spent>);

impl PluginLog for Lines {
    fn log(&self, level: LogLevel, message: &str) {
        self.0.lock().unwrap().push((level, message.to_owned()));
    }

    fn ended(&self, call: &Ended<'_>) {
        *self.1.lock().unwrap() = call.spent;
    }
}

impl Lines {
    /// Says what is wrong where the log is not bounded, or a line can pass for several or steer a
    /// terminal.
    pub(crate) fn check(&self, most: u32) -> Result<(), String> {
        let lines = self.0.lock().unwrap();
        // One more says how many were dropped.
        if lines.len() > usize::try_from(most).unwrap() + 1 {
            return Err(format!("{} log lines", lines.len()));
        }
        let is_bad = |line: &str| line.len() > 8192 || line.contains('\n') || !is_clean(line);
        match lines.iter().find(|(_, line)| is_bad(line)) {
            Some((_, line)) => Err(format!("log line {:?}", line.chars().take(100).collect::<String>())),
            None => Ok(()),
        }
    }
}

/// Whether nothing in a text but its line breaks steers what shows it.
pub(crate) fn is_clean(text: &str) -> bool {
    let steers = |c: char| {
        c != '\n' && c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    !text.contains(steers)
}

/// Runs a future on this thread, whose clocks then tell what it cost.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Runs a test in a process of its own, so that what the process holds is the test's.
///
/// A runner that gives each test a process says so with `--exact`; under another one, this starts
/// the process.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    if std::env::args().any(|argument| argument == "--exact") {
        return body();
    }
    let program = std::env::current_exe().unwrap();
    let status = std::process::Command::new(program).args(["--exact", test, "--nocapture"]).status().unwrap();
    assert!(status.success(), "`{test}` failed in its own process, see above");
}
