//! Listeners that answer, misbehave and count.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// What a remote does with a request.
pub(super) enum Reply {
    /// Answers with status line, headers and body as given, then closes.
    Text(String),
    /// Answers with this and takes the next request over the same connection.
    Kept(&'static str),
    /// Reads and never answers.
    Hang,
    /// Sends the head, then a byte now and then, without end.
    Drip,
    /// Sends chunks without end.
    Endless,
    /// Sends the first, and then the second without end.
    Flood(&'static str, &'static str),
    /// Closes without an answer.
    Close,
}

impl Reply {
    pub(super) fn ok(body: &str) -> Self {
        Self::Text(format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        ))
    }

    pub(super) fn redirect(status: u16, location: &str) -> Self {
        Self::Text(format!(
            "HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ))
    }
}

type Behaviour = dyn Fn(&str) -> Reply + Send + Sync;

/// A listener of this test; stops when dropped.
pub(super) struct Remote {
    pub(super) address: SocketAddr,
    accepted: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
    task: AbortHandle,
}

impl Remote {
    pub(super) async fn start(behaviour: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.2:0").await.unwrap(), behaviour)
    }

    /// One on the address that plays the public network and one on the forbidden address, both on
    /// the same port.
    pub(super) async fn public_and_forbidden(
        behaviour: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> (Self, Self) {
        loop {
            let public = TcpListener::bind("127.0.0.2:0").await.unwrap();
            let port = public.local_addr().unwrap().port();
            if let Ok(forbidden) = TcpListener::bind(("127.0.0.1", port)).await {
                return (Self::on(public, behaviour), Self::on(forbidden, |_| Reply::ok("forbidden")));
            }
        }
    }

    pub(super) fn on(
        listener: TcpListener,
        behaviour: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (accepted, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (counter, log, behaviour) = (accepted.clone(), requests.clone(), Arc::new(behaviour));
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, log.clone(), behaviour.clone()));
            }
        });
        Self { address, accepted, requests, task: task.abort_handle() }
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Requests so far: head in lower case, body as sent.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<String>>>, behaviour: Arc<Behaviour>) {
    let reply = loop {
        let Some(request) = read_request(&mut stream).await else { return };
        let reply = behaviour(&request);
        log.lock().unwrap().push(request);
        let Reply::Kept(text) = reply else { break reply };
        stream.write_all(text.as_bytes()).await.unwrap();
    };
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    match reply {
        Reply::Text(text) => drop(stream.write_all(text.as_bytes()).await),
        Reply::Close | Reply::Kept(_) => {}
        Reply::Hang => std::future::pending().await,
        Reply::Drip => {
            let mut beat = tokio::time::interval(Duration::from_millis(10));
            let mut sent = stream.write_all(head.as_bytes()).await;
            while sent.is_ok() {
                beat.tick().await;
                sent = stream.write_all(b"1\r\nx\r\n").await;
            }
        }
        Reply::Flood(head, piece) => {
            let pieces = piece.repeat(0x1000);
            let mut sent = stream.write_all(head.as_bytes()).await;
            while sent.is_ok() {
                sent = stream.write_all(pieces.as_bytes()).await;
            }
        }
        Reply::Endless => {
            let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
            let mut sent = stream.write_all(head.as_bytes()).await;
            while sent.is_ok() {
                sent = stream.write_all(chunk.as_bytes()).await;
            }
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        if !bytes[0].is_ascii_uppercase() {
            return None; // TLS
        }
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        if bytes.len() >= end + 4 + length {
            return Some(format!("{head}\r\n\r\n{}", String::from_utf8_lossy(&bytes[end + 4..])));
        }
    }
}
