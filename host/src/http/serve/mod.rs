//! Connections: who is let in, how long each may keep the hub waiting, and how all of them end.

mod connection;
mod meter;
mod tls;
mod wire;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Connections;
use connection::Connection;
use meter::Meter;

pub(in crate::http) use connection::Encrypted;
pub use meter::Limits;
pub use tls::Certificates;
pub(in crate::http) use wire::TooSlow;

/// The first pause after the system gave no connection, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How much of answers the system keeps for who does not read them, in bytes; by itself it takes megabytes
/// for each connection, and the hub works on meanwhile.
const SEND_BYTES: u32 = 128 * 1024;
/// How long connections must have been given for the trouble to be over: where one that went made room for
/// the next, it comes back at once.
const QUIET: Duration = Duration::from_secs(5);
/// How many connections may wait to be let in.
const BACKLOG: u32 = 1024;
/// How long a connection that must go may take before another one goes too.
const PLACE_WITHIN: Duration = Duration::from_millis(100);
/// How often it is told that no place is free.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Files that are open besides connections: the database, logs, calls of plugins.
const OTHER_FILES: u64 = 512;

/// Takes connections and serves requests on them.
pub struct Server {
    /// What answers.
    pub connections: Connections,
    /// How long a connection may keep the hub waiting.
    pub limits: Limits,
    /// How many connections there may be at once.
    pub most: usize,
    /// What proves who the hub is; without it connections are not encrypted.
    pub certificates: Option<Arc<Certificates>>,
}

impl Server {
    /// Serves until `closing`; then lets requests under way end.
    ///
    /// # Errors
    /// None today: what goes wrong with a connection ends that connection.
    pub async fn run(self, listener: TcpListener, closing: CancellationToken) -> io::Result<()> {
        allow_files(self.most);
        let (server, tasks, places) = (Arc::new(self), TaskTracker::new(), Arc::new(Places::default()));
        let mut trouble = Trouble::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = closing.cancelled() => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    trouble.met(&error, &places).await;
                    continue;
                }
            };
            trouble.passed();
            let place = tokio::select! {
                place = places.take(server.most) => place,
                () = closing.cancelled() => break,
            };
            prepare(&stream);
            let connection = Connection::new(Arc::clone(&server), peer, place, closing.clone());
            tasks.spawn(connection.attend(stream));
        }
        drop(listener);
        tasks.close();
        tasks.wait().await;
        Ok(())
    }
}

/// Listens on an address.
///
/// # Errors
/// When it is taken or is none of this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Connections inherit it.
    socket.set_send_buffer_size(SEND_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn prepare(stream: &TcpStream) {
    // An answer is written whole; waiting to join it with more only delays it.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("a connection without TCP_NODELAY: {error}");
    }
}

/// Raises the number of files the process may open, as far as it may, to what this many connections need.
fn allow_files(most: usize) {
    let needed = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    let allowed = limit.maximum.map_or(needed, |maximum| maximum.min(needed));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(allowed), maximum: limit.maximum });
    if raised.is_err() || allowed < needed {
        tracing::warn!(
            "this process may open {} files, and {most} connections may need {needed}\n\
             hint: raise the limit (`ulimit -n`, `LimitNOFILE=`), or lower `WATCHBELL_CONNECTIONS`",
            getrlimit(Resource::Nofile).current.unwrap_or(allowed)
        );
    }
}

/// The system gives no connection: out of files or memory. Told once, until it is over.
struct Trouble {
    pause: Duration,
    /// When it was met the last time, for as long as it is not over.
    last: Option<Instant>,
}

impl Trouble {
    const fn new() -> Self {
        Self { pause: PAUSES.0, last: None }
    }

    async fn met(&mut self, error: &io::Error, places: &Places) {
        use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
        // The other side was gone before it was let in.
        if matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
            return;
        }
        if self.last.replace(Instant::now()).is_none() {
            tracing::error!(error.r#type = "accept", "no connection can be taken: {error}");
        }
        places.evict_one();
        tokio::time::sleep(self.pause).await;
        self.pause = self.pause.saturating_mul(2).min(PAUSES.1);
    }

    fn passed(&mut self) {
        self.pause = PAUSES.0;
        if self.last.is_some_and(|last| last.elapsed() >= QUIET) {
            self.last = None;
            tracing::info!("connections are taken again");
        }
    }
}

/// The connections there are.
#[derive(Default)]
struct Places {
    taken: Mutex<HashMap<u64, Arc<Meter>>>,
    numbers: AtomicU64,
    freed: Notify,
    told: Mutex<Option<Instant>>,
}

impl Places {
    fn taken(&self) -> MutexGuard<'_, HashMap<u64, Arc<Meter>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more connection. Where there is none, the one that has kept the hub waiting the
    /// longest has to go, so that who asks and reads without delay always gets in.
    async fn take(self: &Arc<Self>, most: usize) -> Place {
        while self.taken().len() >= most {
            self.tell(most);
            self.evict_one();
            let _on_time = tokio::time::timeout(PLACE_WITHIN, self.freed.notified()).await;
        }
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let meter = Meter::new(Instant::now());
        self.taken().insert(number, Arc::clone(&meter));
        Place { places: Arc::clone(self), number, meter }
    }

    fn evict_one(&self) {
        let now = Instant::now();
        let taken = self.taken();
        let ranks = taken.values().filter_map(|meter| Some((meter.rank(now)?, meter)));
        if let Some((_, meter)) = ranks.min_by_key(|(rank, _)| *rank) {
            meter.evict();
        }
    }

    fn tell(&self, most: usize) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            *told = Some(Instant::now());
            tracing::warn!(
                count = most,
                "all {most} connections are taken; who keeps the hub waiting the longest has to go\n\
                 hint: raise `WATCHBELL_CONNECTIONS` if they are honest senders"
            );
        }
    }
}

/// One connection's place.
struct Place {
    places: Arc<Places>,
    number: u64,
    meter: Arc<Meter>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken().remove(&self.number);
        self.places.freed.notify_one();
    }
}
