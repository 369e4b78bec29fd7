//! A remote that notes what it gets and fails on command.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::wait::{PATIENCE, wait_for};

/// The pause between two bytes of [`Answer::Drip`] and [`Answer::DripHead`].
const DRIP: Duration = Duration::from_millis(100);

/// The size of [`Answer::Huge`].
const HUGE_BYTES: usize = 1 << 30;
/// How much of it is written at once.
const PIECE_BYTES: usize = 1 << 16;

/// What a sink does with one request.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Answers with a status and headers; the body is `ok`.
    Status(u16, Vec<(&'static str, String)>),
    /// Answers with a status and this JSON.
    Json(u16, Value),
    /// Answers with a status, and all that it got: as a header, and as the body.
    Echo(u16),
    /// Takes the request and never answers.
    Hang,
    /// Takes the request and resets the connection.
    Reset,
    /// Answers 200 byte by byte and comes to no end.
    Drip,
    /// Answers 200 with headers that come byte by byte and have no end.
    DripHead,
    /// Answers 200 with a body of a GiB, as fast as it is taken.
    Huge,
    /// Writes this, whatever it is, and closes.
    Raw(String),
    /// Writes this and resets the connection.
    Torn(&'static str),
    /// Writes the first, and then the second over and over, a GiB of it, as fast as it is taken.
    Flood(&'static str, &'static str),
}

/// One request that a sink got.
#[derive(Debug, Clone)]
pub struct Received {
    /// Path and query.
    pub target: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// When it had arrived.
    pub at: Instant,
}

impl Received {
    /// The one value of a header.
    ///
    /// # Panics
    /// When the header is missing or repeated.
    pub fn header(&self, name: &str) -> &str {
        let values: Vec<&str> =
            self.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str()).collect();
        let [value] = values.as_slice() else { panic!("header `{name}`: {values:?}") };
        value
    }

    /// The idempotency key, which the generic notifier sends as a header.
    pub fn key(&self) -> &str {
        self.header("idempotency-key")
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is something else.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a notification is JSON")
    }
}

#[derive(Debug, Default)]
struct State {
    received: Vec<Received>,
    connections: usize,
    /// What to do with the next requests, in order; 200 once there is nothing left.
    answers: VecDeque<Answer>,
}

/// A remote on this machine. Closed when dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

impl Sink {
    /// A sink that answers the first requests as told, and all others with 200.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let state = State { answers: answers.into_iter().collect(), ..State::default() };
        let state = Arc::new(Mutex::new(state));
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, task }
    }

    /// Its address, with a path.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// All requests so far, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    /// What to do with the next requests, instead of what was said before.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.lock().unwrap().answers = answers.into_iter().collect();
    }

    /// How often somebody connected.
    pub fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }

    /// Waits until there are this many requests; returns all.
    pub async fn wait(&self, count: usize) -> Vec<Received> {
        wait_for(&format!("the sink got {count} requests"), PATIENCE, async || {
            let received = self.received();
            (received.len() >= count).then_some(received)
        })
        .await
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        state.lock().unwrap().connections += 1;
        tokio::spawn(serve(stream, Arc::clone(&state)));
    }
}

/// Takes one request and does with it what is next.
async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) -> std::io::Result<()> {
    let Some(received) = read(&mut stream).await? else { return Ok(()) };
    let echo = echo(&received);
    let answer = {
        let mut state = state.lock().unwrap();
        state.received.push(received);
        state.answers.pop_front().unwrap_or_else(|| Answer::Status(200, Vec::new()))
    };
    match answer {
        Answer::Status(status, headers) => {
            let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
            let text =
                format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\nconnection: close\r\n{more}\r\nok");
            stream.write_all(text.as_bytes()).await?;
            stream.shutdown().await
        }
        Answer::Json(status, body) => {
            let body = body.to_string();
            let length = body.len();
            let head = "content-type: application/json\r\nconnection: close";
            let text = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{head}\r\n\r\n{body}");
            stream.write_all(text.as_bytes()).await?;
            stream.shutdown().await
        }
        Answer::Echo(status) => {
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\nx-echo: {}\r\n\r\n",
                echo.len(),
                echo.lines().next().unwrap_or_default()
            );
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(echo.as_bytes()).await?;
            stream.shutdown().await
        }
        Answer::Hang => until_closed(&mut stream).await,
        Answer::Reset => stream.set_zero_linger(),
        Answer::Raw(text) => {
            stream.write_all(text.as_bytes()).await?;
            stream.shutdown().await
        }
        Answer::Torn(text) => {
            stream.write_all(text.as_bytes()).await?;
            stream.set_zero_linger()
        }
        Answer::Huge => {
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {HUGE_BYTES}\r\n\r\n");
            flood(&mut stream, &head, "o").await
        }
        Answer::Flood(head, piece) => flood(&mut stream, head, piece).await,
        Answer::Drip => drip(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n").await,
        Answer::DripHead => drip(&mut stream, "HTTP/1.1 200 OK\r\nx-endless: ").await,
    }
}

/// All of a request, the line with its headers first.
fn echo(received: &Received) -> String {
    let headers: Vec<String> =
        received.headers.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let body = String::from_utf8_lossy(&received.body);
    format!("cannot take {} {}\n{body}", received.target, headers.join(" "))
}

/// Writes `head` at once and then `piece` until there is a GiB of it.
async fn flood(stream: &mut TcpStream, head: &str, piece: &str) -> std::io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    let pieces = piece.repeat(PIECE_BYTES / piece.len());
    for _ in 0..HUGE_BYTES / pieces.len() {
        stream.write_all(pieces.as_bytes()).await?;
    }
    stream.shutdown().await
}

/// Writes `head` at once and then a byte now and then, without end.
async fn drip(stream: &mut TcpStream, head: &str) -> std::io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    let mut drops = tokio::time::interval(DRIP);
    loop {
        drops.tick().await;
        stream.write_all(b"o").await?;
    }
}

/// Waits until the other side has enough.
async fn until_closed(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut rest = [0; 64];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// Reads a request whose body has a declared length; nothing if the connection closes before.
async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Received>> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let mut lines = text.lines();
    let target = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
    let pairs = lines.filter_map(|line| line.split_once(':'));
    let headers: Vec<(String, String)> =
        pairs.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.map_or(0, |(_, value)| value.parse().expect("a length is a number"));
    let mut body = bytes.split_off(head + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(Received { target, headers, body, at: Instant::now() }))
}
