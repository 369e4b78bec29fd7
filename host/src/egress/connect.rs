//! Connections of the HTTP client: to checked addresses, encrypted, and with an end to what is read.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tower::Service;

use super::dial::{CONNECT_TIMEOUT, DialError, Dialler};
use super::origin::Origin;

/// So much is read at a stretch before others get their turn. The HTTP client skips interim answers (1xx)
/// in a loop that comes to no end while more of them arrive.
const STRETCH_BYTES: usize = 64 * 1024;

/// More has come after a request than any answer is read of.
#[derive(Debug, thiserror::Error)]
#[error("the answer is longer than the limit")]
pub(super) struct TooMuch;

/// Makes connections for one pool.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) dialler: Dialler,
    pub(super) tls: TlsConnector,
    /// The most bytes that are read after a request, whatever they are: heads, interim answers, framing.
    pub(super) most_read: usize,
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<TokioIo<Wire>, DialError> {
        let unreadable = |_| DialError::NoConnection("the address cannot be read".to_owned());
        let origin = Origin::of_url(&uri.to_string()).map_err(unreadable)?;
        let stream = self.dialler.dial(&origin).await?;
        let wire = |stream, is_h2| TokioIo::new(Wire::new(stream, is_h2, self.most_read));
        if origin.scheme() == "http" {
            return Ok(wire(Box::new(stream), false));
        }
        let (stream, is_h2) = encrypt(&self.tls, &origin, stream).await?;
        Ok(wire(stream, is_h2))
    }
}

async fn encrypt(
    tls: &TlsConnector,
    origin: &Origin,
    stream: TcpStream,
) -> Result<(Box<dyn Stream>, bool), DialError> {
    let no_connection = |error: &dyn std::error::Error| DialError::NoConnection(error.to_string());
    let host = origin.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(|error| no_connection(&error))?;
    let shaken = timeout(CONNECT_TIMEOUT, tls.connect(name, stream)).await.map_err(|_| DialError::slow())?;
    let stream = shaken.map_err(|error| no_connection(&error))?;
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    Ok((Box::new(stream), is_h2))
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Wire>;
    type Error = DialError;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Wire>, DialError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), DialError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// What bytes go over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that counts what is read.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    is_h2: bool,
    most_read: usize,
    /// Bytes read since something was written.
    read: usize,
    /// Bytes read since others had their turn.
    at_a_stretch: usize,
}

impl Wire {
    fn new(stream: Box<dyn Stream>, is_h2: bool, most_read: usize) -> Self {
        Self { stream, is_h2, most_read, read: 0, at_a_stretch: 0 }
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        if self.is_h2 { Connected::new().negotiated_h2() } else { Connected::new() }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.at_a_stretch >= STRETCH_BYTES {
            self.at_a_stretch = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if polled.is_pending() {
            self.at_a_stretch = 0;
        }
        ready!(polled)?;
        let bytes = buffer.filled().len().saturating_sub(before);
        self.at_a_stretch = self.at_a_stretch.saturating_add(bytes);
        self.read = self.read.saturating_add(bytes);
        Poll::Ready(if self.read > self.most_read { Err(io::Error::other(TooMuch)) } else { Ok(()) })
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.read = 0;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.read = 0;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
