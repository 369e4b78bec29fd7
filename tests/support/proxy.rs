//! A way to a database that is disturbed on command.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How much is carried at once, in bytes.
const PIECE_BYTES: usize = 1 << 16;

/// Connections that wait to be taken.
const BACKLOG: u32 = 128;

/// What happens to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weather {
    /// Everything passes.
    Fair,
    /// Every piece, either way, waits this long.
    Slow(Duration),
    /// Nothing passes and nobody is told. It arrives once the weather is fair again.
    Still,
    /// There is nobody.
    Refusing,
    /// A commit ends its connection before the server sees it.
    CommitLost,
    /// A commit ends its connection once the server has answered it.
    AnswerLost,
}

/// The weather, and how often all connections were cut.
#[derive(Debug, Clone, Copy)]
struct Now {
    weather: Weather,
    cuts: u32,
}

/// A TCP proxy on a port of its own. What is said through it must not be encrypted for commits to be found.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    now: watch::Sender<Now>,
    carrying: JoinHandle<()>,
}

impl Proxy {
    /// Starts one that passes everything on to a host and port.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(to: (String, u16)) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(any).await.expect("a free port");
        let port = listener.local_addr().expect("a listener has an address").port();
        let (now, told) = watch::channel(Now { weather: Weather::Fair, cuts: 0 });
        let carrying = tokio::spawn(listen(listener, to, told));
        Self { port, now, carrying }
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Lets everything pass again.
    pub fn pass(&self) {
        self.turn(Weather::Fair);
    }

    /// Resets all connections that there are. New ones fare as before.
    pub fn cut(&self) {
        self.now.send_modify(|now| now.cuts += 1);
    }

    /// Holds every piece back this long, either way.
    pub fn delay(&self, by: Duration) {
        self.turn(Weather::Slow(by));
    }

    /// Passes nothing on and tells nobody, as a cable that was pulled out. New connections are taken.
    pub fn swallow(&self) {
        self.turn(Weather::Still);
    }

    /// Resets all connections and refuses new ones, as a machine on which no server runs.
    pub fn refuse(&self) {
        self.turn(Weather::Refusing);
        self.cut();
    }

    /// Resets each connection that wants to commit, before the server hears of it.
    pub fn lose_commits(&self) {
        self.turn(Weather::CommitLost);
    }

    /// Resets each connection that commits, after the server did and before the client hears of it.
    pub fn lose_answers(&self) {
        self.turn(Weather::AnswerLost);
    }

    fn turn(&self, weather: Weather) {
        self.now.send_modify(|now| now.weather = weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.carrying.abort();
    }
}

async fn listen(mut listener: TcpListener, to: (String, u16), mut told: watch::Receiver<Now>) {
    let address = listener.local_addr().expect("a listener has an address");
    let mut connections = JoinSet::new();
    loop {
        let refusing = told.borrow_and_update().weather == Weather::Refusing;
        if refusing {
            drop(listener);
            // A port that is kept and not listened on refuses.
            let kept = keep(address);
            if told.wait_for(|now| now.weather != Weather::Refusing).await.is_err() {
                return;
            }
            listener = kept.listen(BACKLOG).expect("a port that was kept");
        }
        tokio::select! {
            taken = listener.accept() => {
                if let Ok((client, _)) = taken {
                    connections.spawn(carry(client, to.clone(), told.clone()));
                }
            }
            changed = told.changed() => if changed.is_err() { return },
        }
    }
}

fn keep(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("an option of sockets");
    socket.bind(address).expect("a port that was just let go");
    socket
}

/// Carries one connection to its end, which is always a reset: nobody here says goodbye.
async fn carry(mut client: TcpStream, to: (String, u16), mut told: watch::Receiver<Now>) {
    let born = told.borrow().cuts;
    let (mut asked, mut answered) = (vec![0; PIECE_BYTES], vec![0; PIECE_BYTES]);
    let _reset = client.set_zero_linger();
    let Ok(mut server) = TcpStream::connect((to.0.as_str(), to.1)).await else { return };
    let _both = (client.set_nodelay(true), server.set_nodelay(true));
    loop {
        let Now { weather, cuts } = *told.borrow_and_update();
        if cuts != born {
            return;
        }
        let passes = weather != Weather::Still;
        tokio::select! {
            changed = told.changed() => if changed.is_err() { return },
            read = client.read(&mut asked), if passes => {
                let Some(piece) = read.ok().filter(|length| *length > 0).and_then(|length| asked.get(..length)) else { return };
                // The word alone: settings have it in their names and values.
                let in_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
                let commits = piece.windows(6).enumerate().any(|(at, word)| {
                    let (before, after) = (at.checked_sub(1).and_then(|at| piece.get(at)), piece.get(at + 6));
                    word.eq_ignore_ascii_case(b"commit") && !in_word(before) && !in_word(after)
                });
                if commits && weather == Weather::CommitLost {
                    return;
                }
                wait(weather).await;
                if server.write_all(piece).await.is_err() {
                    return;
                }
                if commits && weather == Weather::AnswerLost {
                    let _committed = server.read(&mut answered).await;
                    return;
                }
            }
            read = server.read(&mut answered), if passes => {
                let Some(piece) = read.ok().filter(|length| *length > 0).and_then(|length| answered.get(..length)) else { return };
                wait(weather).await;
                if client.write_all(piece).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn wait(weather: Weather) {
    if let Weather::Slow(by) = weather {
        tokio::time::sleep(by).await;
    }
}
