//! `host-log`: lines for the operator.

use std::sync::Arc;

use crate::bindings::driver::watchbell::plugin::host_log;
use crate::bound::one_line;
use crate::host::{HostServices, LogLevel, PluginLog};
use crate::state::State;

/// The longest line, in bytes (`wit/host.wit`).
const MAX_LINE: usize = 8 * 1024;

/// The lines of one call.
///
/// A driver's lines are kept until the call has ended, because a call that overruns is run again
/// and would log twice; those of other plugins go out as they come.
pub(crate) struct LogBook {
    sink: Option<Arc<dyn HostServices>>,
    kept: Vec<(LogLevel, String)>,
    left: u32,
    taken: u32,
    dropped: u32,
}

impl LogBook {
    /// A book of at most `lines` lines, for `sink` or to be handed over at the end.
    pub(crate) fn new(lines: u32, sink: Option<Arc<dyn HostServices>>) -> Self {
        Self { sink, kept: Vec::new(), left: lines, taken: 0, dropped: 0 }
    }

    fn add(&mut self, level: LogLevel, message: String) {
        let Some(left) = self.left.checked_sub(1) else {
            self.dropped = self.dropped.saturating_add(1);
            return;
        };
        self.left = left;
        self.taken = self.taken.saturating_add(1);
        // Cut first, so that a huge line costs little, and again, since what stands for a control
        // character is longer than it.
        let line = cut(one_line(cut(message)));
        match &self.sink {
            Some(sink) => sink.log(level, &line),
            None => self.kept.push((level, line)),
        }
    }

    /// How many lines were taken, and how many were dropped.
    pub(crate) const fn lines(&self) -> (u32, u32) {
        (self.taken, self.dropped)
    }

    /// Writes what was kept, and how much was dropped.
    pub(crate) fn close(self, log: &dyn PluginLog) {
        for (level, line) in &self.kept {
            log.log(*level, line);
        }
        if self.dropped > 0 {
            log.log(LogLevel::Warn, &format!("{} further lines of this call were dropped", self.dropped));
        }
    }
}

fn cut(mut message: String) -> String {
    if message.len() > MAX_LINE {
        let end = (0..=MAX_LINE).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
        message.truncate(end);
    }
    message
}

impl host_log::Host for State {
    fn log(&mut self, level: host_log::Level, message: String) {
        let level = match level {
            host_log::Level::Trace => LogLevel::Trace,
            host_log::Level::Debug => LogLevel::Debug,
            host_log::Level::Info => LogLevel::Info,
            host_log::Level::Warn => LogLevel::Warn,
            host_log::Level::Error => LogLevel::Error,
        };
        self.log.add(level, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Lines(Mutex<Vec<String>>);

    impl PluginLog for Lines {
        fn log(&self, _level: LogLevel, message: &str) {
            self.0.lock().unwrap().push(message.to_owned());
        }
    }

    #[test]
    fn lines_over_the_limit_are_dropped_and_counted() {
        let mut book = LogBook::new(2, None);
        for line in ["a", "b\x1b[31m\r\nfake", "c", "d"] {
            book.add(LogLevel::Info, line.to_owned());
        }
        let lines = Lines::default();
        book.close(&lines);
        assert_eq!(
            *lines.0.lock().unwrap(),
            ["a", "b\u{fffd}[31m\u{fffd}\u{fffd}fake", "2 further lines of this call were dropped"]
        );
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let mut book = LogBook::new(1, None);
        book.add(LogLevel::Info, format!("a{}", "é".repeat(MAX_LINE)));
        assert_eq!(book.kept[0].1.len(), MAX_LINE - 1);
    }
}
