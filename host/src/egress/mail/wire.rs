//! The bytes under an SMTP dialogue: in clear text first, under TLS from some point on.

use std::fmt;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

/// The most that a server may say about one message. Fifty recipients take about 5 KiB.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// How much is read at once.
const READ_BYTES: usize = 1024;

/// A connection that can change to TLS while a dialogue is held over it. A clone is the same connection.
///
/// Invariant: in clear text a byte is read at a time, so nothing that stands behind a line is read with it.
/// What somebody puts behind the answer to STARTTLS is then no answer to what is said under TLS: it is left
/// for the handshake, which ends at it.
///
/// Bytes outside of ASCII, which SMTP does not have in answers, are read as `?`.
#[derive(Clone)]
pub(super) struct Wire(Arc<Mutex<Line>>);

struct Line {
    stream: Stream,
    /// How much may still be read.
    left: usize,
}

enum Stream {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Taken for a handshake, which has not ended well.
    Gone,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Mutex::new(Line { stream: Stream::Clear(stream), left: MAX_ANSWER_BYTES })))
    }

    /// Changes to TLS, with a certificate for this name.
    pub(super) async fn secure(&self, tls: &TlsConnector, name: ServerName<'static>) -> io::Result<()> {
        let taken = mem::replace(&mut self.lock().stream, Stream::Gone);
        let Stream::Clear(stream) = taken else { return Err(io::ErrorKind::NotConnected.into()) };
        let secured = tls.connect(name, stream).await?;
        self.lock().stream = Stream::Tls(Box::new(secured));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Line { stream, left } = &mut *self.lock();
        if *left == 0 {
            let text = format!("it answered with more than {MAX_ANSWER_BYTES} bytes");
            return Poll::Ready(Err(io::Error::other(text)));
        }
        let at_once = if matches!(stream, Stream::Clear(_)) { 1 } else { READ_BYTES };
        let mut bytes = [0; READ_BYTES];
        let wanted = at_once.min(buffer.remaining()).min(*left);
        let mut part = ReadBuf::new(bytes.get_mut(..wanted).unwrap_or_default());
        ready!(match stream {
            Stream::Clear(stream) => Pin::new(stream).poll_read(context, &mut part),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, &mut part),
            Stream::Gone => Poll::Ready(Ok(())),
        })?;
        for byte in part.filled_mut() {
            if !byte.is_ascii() {
                *byte = b'?';
            }
        }
        *left = left.saturating_sub(part.filled().len());
        buffer.put_slice(part.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.lock().stream {
            Stream::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.lock().stream {
            Stream::Clear(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
            Stream::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.lock().stream {
            Stream::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.lock().stream {
            Stream::Clear(stream) => stream.peer_addr(),
            Stream::Tls(stream) => stream.get_ref().0.peer_addr(),
            Stream::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}
