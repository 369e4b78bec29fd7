//! Standard output and standard error: lines of the plugin's log, within its limits.

use tokio::io::AsyncWrite;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi_io::bytes::Bytes;

use crate::host::{LogBook, Standard};

/// The most bytes of one write.
const MAX_WRITE: usize = 64 * 1024;

/// One of the two, or a stream to it. It takes everything at once, so nobody waits for it.
pub(super) struct Output {
    log: LogBook,
    stream: Standard,
}

impl Output {
    pub(super) fn standard(log: &LogBook) -> Self {
        Self { log: log.clone(), stream: Standard::Output }
    }

    pub(super) fn error(log: &LogBook) -> Self {
        Self { log: log.clone(), stream: Standard::Error }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(Self { log: self.log.clone(), stream: self.stream })
    }

    /// For WASI 0.3, which is not linked.
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > MAX_WRITE {
            return Err(StreamError::trap("a write is longer than `check-write` allows"));
        }
        self.log.write(self.stream, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_WRITE)
    }
}
