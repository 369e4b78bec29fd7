//! `host-log`: lines for the operator.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bindings::driver::watchbell::plugin::host_log;
use crate::bound::one_line;
use crate::host::{HostServices, LogLevel, PluginLog};
use crate::state::State;

/// The longest line, in bytes (`wit/host.wit`).
const MAX_LINE: usize = 8 * 1024;

/// The two streams of a program that writes lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standard {
    /// What it says.
    Output,
    /// What it complains about.
    Error,
}

/// The lines of one call. Cheap to clone: streams of the same call write into the same book.
///
/// A driver's lines are kept until the call has ended, because a call that overruns is run again
/// and would log twice; those of other plugins go out as they come.
#[derive(Clone)]
pub(crate) struct LogBook(Arc<Mutex<Book>>);

struct Book {
    sink: Option<Arc<dyn HostServices>>,
    kept: Vec<(LogLevel, String)>,
    left: u32,
    taken: u32,
    dropped: u32,
    /// What was written of lines that have not ended, at most [`MAX_LINE`] bytes of each.
    output: Vec<u8>,
    error: Vec<u8>,
}

impl LogBook {
    /// A book of at most `lines` lines, for `sink` or to be handed over at the end.
    pub(crate) fn new(lines: u32, sink: Option<Arc<dyn HostServices>>) -> Self {
        let (output, error) = (Vec::new(), Vec::new());
        let book = Book { sink, kept: Vec::new(), left: lines, taken: 0, dropped: 0, output, error };
        Self(Arc::new(Mutex::new(book)))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Between two lines the book is always whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, level: LogLevel, message: String) {
        self.book().add(level, message);
    }

    /// Takes bytes of a stream: every line that ends in them is one of the log.
    pub(crate) fn write(&self, stream: Standard, bytes: &[u8]) {
        let mut book = self.book();
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        let rest = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            book.gather(stream, piece);
            book.end_line(stream);
        }
        book.gather(stream, rest);
    }

    /// Ends the call's last lines; how many were taken, and how many were dropped.
    pub(crate) fn end(&self) -> (u32, u32) {
        let mut book = self.book();
        book.end_line(Standard::Output);
        book.end_line(Standard::Error);
        (book.taken, book.dropped)
    }

    /// Writes what was kept, and how much was dropped.
    pub(crate) fn close(self, log: &dyn PluginLog) {
        self.end();
        let book = self.book();
        for (level, line) in &book.kept {
            log.log(*level, line);
        }
        if book.dropped > 0 {
            log.log(LogLevel::Warn, &format!("{} further lines of this call were dropped", book.dropped));
        }
    }
}

impl Book {
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

    const fn unfinished(&mut self, stream: Standard) -> &mut Vec<u8> {
        match stream {
            Standard::Output => &mut self.output,
            Standard::Error => &mut self.error,
        }
    }

    fn gather(&mut self, stream: Standard, piece: &[u8]) {
        let line = self.unfinished(stream);
        let room = MAX_LINE.saturating_sub(line.len()).min(piece.len());
        line.extend_from_slice(piece.get(..room).unwrap_or_default());
    }

    /// Empty lines are for the eye.
    fn end_line(&mut self, stream: Standard) {
        let line = std::mem::take(self.unfinished(stream));
        let text = line.strip_suffix(b"\r").unwrap_or(&line);
        if text.is_empty() {
            return;
        }
        let level = match stream {
            Standard::Output => LogLevel::Info,
            Standard::Error => LogLevel::Warn,
        };
        self.add(level, String::from_utf8_lossy(text).into_owned());
    }
}

/// The last lines of a call that nobody else reads: what a runtime says before it gives up is in them.
#[derive(Default)]
pub(crate) struct LastWords(Mutex<VecDeque<String>>);

impl LastWords {
    /// How many are kept, and how much of each.
    const LINES: usize = 4;
    const CHARACTERS: usize = 200;

    fn lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PluginLog for LastWords {
    fn log(&self, _level: LogLevel, message: &str) {
        let mut lines = self.lines();
        if lines.len() == Self::LINES {
            lines.pop_front();
        }
        lines.push_back(message.chars().take(Self::CHARACTERS).collect());
    }
}

impl fmt::Display for LastWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|line| write!(f, "\nit wrote: {line}"))
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
        let book = LogBook::new(2, None);
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
        let book = LogBook::new(1, None);
        book.add(LogLevel::Info, format!("a{}", "é".repeat(MAX_LINE)));
        assert_eq!(book.book().kept[0].1.len(), MAX_LINE - 1);
    }

    fn written(lines: u32, pieces: &[(Standard, &[u8])]) -> Vec<String> {
        let book = LogBook::new(lines, None);
        for (stream, bytes) in pieces {
            book.write(*stream, bytes);
        }
        let lines = Lines::default();
        book.close(&lines);
        lines.0.into_inner().unwrap()
    }

    #[test]
    fn streams_are_cut_into_whole_lines() {
        use Standard::{Error, Output};
        let pieces: [(Standard, &[u8]); 5] = [
            (Output, b"one\ntw"),
            (Error, b"bad"),
            (Output, b"o\r\n\n"),
            (Output, b"\xff three"),
            (Error, b"ly"),
        ];
        assert_eq!(written(9, &pieces), ["one", "two", "\u{fffd} three", "badly"]);
    }

    #[test]
    fn streams_hold_no_more_than_a_line_and_no_more_lines_than_the_log() {
        let long = vec![b'x'; 3 * MAX_LINE];
        let lines = written(2, &[(Standard::Output, &long), (Standard::Output, b"\nb\nc\nd")]);
        assert_eq!((lines[0].len(), lines[1].as_str()), (MAX_LINE, "b"));
        assert_eq!(lines[2], "2 further lines of this call were dropped");
    }
}
