//! Counters in Memcached, by the two commands of its text protocol that they need.
//!
//! docs/decisions/0011 says why there is no library behind this.

use std::io;
use std::sync::{Mutex, PoisonError};

use domain::rate::Window;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// The most questions that are asked at the same time; further ones wait, within their deadline.
const CONNECTIONS: usize = 16;
/// The longest answer that is read: a number, or a word and a reason.
const MAX_ANSWER_BYTES: u64 = 1024;

/// One server, with the connections that are free.
pub(super) struct Memcached {
    host: String,
    port: u16,
    free: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

/// Nothing is asked and not yet answered on it.
type Connection = BufStream<TcpStream>;

impl Memcached {
    /// Nothing is connected before the first question.
    pub(super) fn new(host: String, port: u16) -> Self {
        Self { host, port, free: Mutex::default(), permits: Semaphore::new(CONNECTIONS) }
    }

    /// Counts one more.
    ///
    /// A connection goes back only when it was answered, so one that is given up on in between is closed and
    /// its late answer is nobody else's.
    pub(super) async fn increment(&self, name: &str) -> io::Result<u64> {
        let _permit = self.permits.acquire().await.map_err(io::Error::other)?;
        let free = self.free().pop();
        let was_free = free.is_some();
        let mut connection = match free {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let counted = match count(&mut connection, name).await {
            // The server closed it while nothing was asked: a restart, or its own idle limit. Those that
            // are free beside it are no better.
            Err(error) if was_free && is_closed(&error) => {
                self.free().clear();
                connection = self.connect().await?;
                count(&mut connection, name).await?
            }
            counted => counted?,
        };
        self.free().push(connection);
        Ok(counted)
    }

    async fn connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(BufStream::new(stream))
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_closed(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// `incr` counts what is there and makes nothing; `add` makes what is not there. Where both come too late,
/// another process was between them, and the first of them works now.
async fn count(connection: &mut Connection, name: &str) -> io::Result<u64> {
    let incr = format!("incr {name} 1\r\n");
    let add = format!("add {name} 0 {} 1\r\n1\r\n", Window::KEPT_FOR.as_secs());
    for _ in 0..2 {
        match ask(connection, &incr).await?.as_str() {
            "NOT_FOUND" => {}
            answer => return answer.parse().map_err(|_| unexpected(answer)),
        }
        match ask(connection, &add).await?.as_str() {
            "STORED" => return Ok(1),
            "NOT_STORED" => {}
            answer => return Err(unexpected(answer)),
        }
    }
    Err(io::Error::other("the counter comes and goes"))
}

async fn ask(connection: &mut Connection, command: &str) -> io::Result<String> {
    connection.write_all(command.as_bytes()).await?;
    connection.flush().await?;
    let mut line = String::new();
    connection.take(MAX_ANSWER_BYTES).read_line(&mut line).await?;
    match line.strip_suffix('\n') {
        Some(answer) => Ok(answer.trim_end().to_owned()),
        None if line.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
        None => Err(unexpected(&line)),
    }
}

fn unexpected(answer: &str) -> io::Error {
    let start: String = answer.chars().take(40).collect();
    io::Error::new(io::ErrorKind::InvalidData, format!("Memcached answered {start:?}"))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A server that reads a line of each command and answers with the next of these.
    async fn answering(answers: &'static [&'static str]) -> Memcached {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let mut answers = answers.iter();
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = BufStream::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|length| length > 0) {
                    if line.starts_with("add") {
                        stream.read_line(&mut line).await.unwrap();
                    }
                    line.clear();
                    let answer = answers.next().unwrap();
                    if answer.is_empty() {
                        break;
                    }
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
        });
        Memcached::new(address.ip().to_string(), address.port())
    }

    #[tokio::test]
    async fn a_new_counter_is_one_and_the_next_is_what_the_server_says() {
        let memcached = answering(&["NOT_FOUND\r\n", "STORED\r\n", "2\r\n"]).await;
        assert_eq!(memcached.increment("name").await.unwrap(), 1);
        assert_eq!(memcached.increment("name").await.unwrap(), 2);
    }

    #[tokio::test]
    async fn who_comes_second_with_a_new_counter_counts_on() {
        let memcached = answering(&["NOT_FOUND\r\n", "NOT_STORED\r\n", "2\r\n"]).await;
        assert_eq!(memcached.increment("name").await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_meanwhile_is_made_again() {
        let memcached = answering(&["1\r\n", "", "2\r\n"]).await;
        assert_eq!(memcached.increment("name").await.unwrap(), 1);
        assert_eq!(memcached.increment("name").await.unwrap(), 2);
    }

    #[tokio::test]
    async fn what_is_no_number_is_an_error_and_its_connection_is_not_used_again() {
        for answer in [&["SERVER_ERROR out of memory\r\n"], &["-1\r\n"], &["\r\n"], &["ERROR\r\n"]] {
            let memcached = answering(answer).await;
            memcached.increment("name").await.unwrap_err();
            assert!(memcached.free().is_empty());
        }
    }
}
