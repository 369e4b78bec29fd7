//! One connection, from the first byte to the last.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Version, header};
use axum::response::Response;
use hyper::body::{Body as _, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::meter::Late;
use super::wire::{Arriving, Leaving, Transport, Wire};
use super::{Place, Server};
use crate::http::{Peer, Routes};

/// How long a connection that should end may take to.
const ENDS_WITHIN: Duration = Duration::from_secs(1);
/// How much is kept of what came and is not worked off: a head of HTTP/1.1 has to fit.
const BUFFER_BYTES: usize = 32 * 1024;
/// The largest head over HTTP/2, in bytes as they are counted there.
const HEAD_BYTES: u32 = 32 * 1024;
/// How many requests may be under way on one connection over HTTP/2.
const STREAMS: u32 = 100;
/// How much of one body over HTTP/2 may have come and not been read, in bytes.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// How much of all bodies of one connection may, in bytes.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
/// How much of answers over HTTP/2 may wait to be sent, in bytes.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// How many requests may be taken back before they were looked at; beyond that it is an attack
/// (CVE-2023-44487).
const RESETS: usize = 20;
/// How many requests may be refused for breaking the protocol before the connection ends.
const REFUSALS: usize = 64;
/// How often the other side of a silent connection over HTTP/2 is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(20);

/// What is said to who takes too long for a head. The rest of what answers have is made further in.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
    connection: close\r\n\
    content-length: 0\r\n\
    cache-control: no-store\r\n\
    x-content-type-options: nosniff\r\n\r\n";

/// On requests whose connection is encrypted up to here.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Encrypted;

/// How a connection ended.
enum End {
    /// By itself.
    Itself,
    /// Because it kept the hub waiting.
    Late(Late),
}

pub(super) struct Connection {
    server: Arc<Server>,
    peer: SocketAddr,
    place: Place,
    closing: CancellationToken,
}

impl Connection {
    pub(super) const fn new(
        server: Arc<Server>,
        peer: SocketAddr,
        place: Place,
        closing: CancellationToken,
    ) -> Self {
        Self { server, peer, place, closing }
    }

    /// Serves all requests of this connection.
    pub(super) async fn attend(self, stream: TcpStream) {
        let Some(transport) = self.open(stream).await else { return };
        let wire = Wire::new(transport, Arc::clone(&self.place.meter));
        let end = self.serve(wire.clone()).await;
        let End::Late(late) = end else { return };
        tracing::debug!(client.address = %self.peer, "closed a connection: {late:?}");
        let (Late::Head { begun: true } | Late::Evicted { begun: true }) = late else { return };
        let Some(mut transport) = wire.into_transport() else { return };
        let refused = timeout(ENDS_WITHIN, refuse(&mut transport)).await;
        // Who comes next needs the place now.
        if matches!(late, Late::Head { .. }) && matches!(refused, Ok(Ok(()))) {
            let _gave_up = timeout(ENDS_WITHIN, read_on(&mut transport)).await;
        }
    }

    /// Shakes hands, where the connection is to be encrypted.
    async fn open(&self, stream: TcpStream) -> Option<Transport> {
        let Some(certificates) = &self.server.certificates else { return Some(Transport::Plain(stream)) };
        tokio::select! {
            opened = certificates.acceptor().accept(stream) => match opened {
                Ok(stream) => Some(Transport::Tls(Box::new(stream))),
                Err(error) => {
                    tracing::debug!(client.address = %self.peer, "no handshake: {error}");
                    None
                }
            },
            late = self.place.meter.late(&self.server.limits) => {
                tracing::debug!(client.address = %self.peer, "closed a connection in its handshake: {late:?}");
                None
            }
            () = self.closing.cancelled() => None,
        }
    }

    async fn serve(&self, wire: Wire) -> End {
        let (meter, limits) = (&self.place.meter, &self.server.limits);
        let builder = builder();
        let routes = self.server.connections.routes();
        let service = service_fn(|request| self.answer(routes.clone(), request));
        let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(wire), service));
        // Set when it should end.
        let mut until: Option<(Instant, Late)> = None;
        let mut closing = std::pin::pin!(self.closing.cancelled());
        let mut is_closing = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(client.address = %self.peer, "a connection broke: {error}");
                    }
                    return End::Itself;
                }
                () = &mut closing, if !is_closing => {
                    is_closing = true;
                    connection.as_mut().graceful_shutdown();
                    until.get_or_insert((Instant::now() + ENDS_WITHIN, Late::Idle));
                }
                late = meter.late(limits), if until.is_none() => match late {
                    Late::Idle | Late::Evicted { begun: false } => {
                        connection.as_mut().graceful_shutdown();
                        until = Some((Instant::now() + ENDS_WITHIN, late));
                    }
                    late => return End::Late(late),
                },
                () = async { sleep_until(until.map_or_else(Instant::now, |(at, _)| at)).await }, if until.is_some() => {
                    // A request that began meanwhile is answered all the same.
                    match until.take() {
                        Some((_, late)) if !meter.is_busy() => return End::Late(late),
                        Some((_, late)) => until = Some((Instant::now() + ENDS_WITHIN, late)),
                        None => {}
                    }
                }
            }
        }
    }

    /// Answers one request.
    fn answer(
        &self,
        routes: Routes,
        mut request: hyper::Request<Incoming>,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + 'static + use<> {
        let ticket = self.place.meter.begin(!request.body().is_end_stream(), Instant::now());
        request.extensions_mut().insert(Peer(self.peer));
        if self.server.certificates.is_some() {
            request.extensions_mut().insert(Encrypted);
        }
        let (within, version) = (self.server.limits.body, request.version());
        let request: Request = match request.body().is_end_stream() {
            true => request.map(Body::new),
            false => request.map(|body| Body::new(Arriving::new(body, within, ticket.body()))),
        };
        async move {
            let mut response = routes.oneshot(request).await?;
            // The connection ends where a body was not read; a caller that is not told would use it again.
            if !ticket.answer(Instant::now()) && version < Version::HTTP_2 {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| Body::new(Leaving { body, _ticket: ticket })))
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // The meter watches heads: the time that is set here would not count before it is known which HTTP
    // it is, and would end connections without a word.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(BUFFER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_BYTES)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(REFUSALS)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY);
    builder
}

/// Says that it took too long.
async fn refuse(transport: &mut Transport) -> io::Result<()> {
    transport.write_all(TOO_SLOW).await?;
    transport.shutdown().await
}

/// Reads what still comes: who is writing when a connection closes sees that instead of the answer.
async fn read_on(transport: &mut Transport) {
    let mut rest = [0; 1024];
    while matches!(transport.read(&mut rest).await, Ok(1..)) {}
}
