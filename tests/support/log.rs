//! What a program said, line by line.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use crate::wait::{PATIENCE, wait_for};

/// The lines that a program wrote so far, over all its starts.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// All lines so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The first line from number `from` on that has `text` in it.
    pub fn find(&self, from: usize, text: &str) -> Option<String> {
        self.0.lock().unwrap().iter().skip(from).find(|line| line.contains(text)).cloned()
    }

    /// Waits for the first line that has `text` in it.
    ///
    /// # Panics
    /// When there is none in time.
    pub async fn wait(&self, text: &str) -> String {
        wait_for(&format!("a line with `{text}`"), PATIENCE, async || self.find(0, text)).await
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Keeps what comes out of a pipe until it closes.
    pub(crate) fn collect(&self, pipe: impl AsyncRead + Send + Unpin + 'static) {
        let log = self.clone();
        tokio::spawn(async move {
            let mut reader = BufReader::new(pipe);
            let mut line = Vec::new();
            // Bytes and not text: a line that is no UTF-8 must not end the log.
            while matches!(reader.read_until(b'\n', &mut line).await, Ok(1..)) {
                log.0.lock().unwrap().push(String::from_utf8_lossy(&line).trim_end().to_owned());
                line.clear();
            }
        });
    }
}
