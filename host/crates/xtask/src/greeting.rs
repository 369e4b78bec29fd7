//! The text that `cargo xtask run` shows as soon as the server answers.
//!
//! `run` becomes the server (`exec`), so that a terminal, a script or a service manager talks to the
//! server itself. What has to be printed later is therefore left to this process beside it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::parent_id;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::say;

/// A first start migrates the database and compiles the components; a slow machine gets a minute.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
/// Time for one question to the server.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Address of the server
    address: SocketAddr,
}

/// Starts the process that prints `text` once the server at `address` is ready.
///
/// # Errors
/// This program cannot be started a second time.
pub(crate) fn leave(xtask: &Path, address: SocketAddr, text: &str) -> anyhow::Result<()> {
    let mut child = Command::new(xtask)
        .args(["print-when-ready", &address.to_string()])
        .stdin(Stdio::piped())
        .spawn()
        .context("the process that prints the first request could not be started")?;
    // By standard input and not as an argument: the text holds a key, and arguments are everybody's to read.
    let mut stdin = child.stdin.take().context("a piped process has a standard input")?;
    stdin.write_all(text.as_bytes()).context("the first request could not be handed on")
}

/// Waits for the server that this process belongs to, then prints standard input.
///
/// # Errors
/// Standard input cannot be read.
pub(crate) fn print_when_ready(options: &Options) -> anyhow::Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("the text to print could not be read")?;
    let server = parent_id();
    let deadline = Instant::now() + PATIENCE;
    while parent_id() == server {
        if is_ready(options.address, "/readyz") {
            say::result(&text);
            return Ok(());
        }
        if Instant::now() >= deadline {
            say::progress(&format!("the server at `{}` is not ready after a minute", options.address));
            say::result(&text);
            return Ok(());
        }
        std::thread::sleep(PAUSE);
    }
    // The server stopped; why is in its own output.
    Ok(())
}

/// Whether a server answers 200 to `GET` of `path`.
pub(crate) fn is_ready(address: SocketAddr, path: &str) -> bool {
    ask(address, path).is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200"))
}

/// The first bytes of what the server answers.
fn ask(address: SocketAddr, path: &str) -> std::io::Result<[u8; 12]> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    // In one write: a server may answer and close after the first piece it reads, and what is still on
    // the way then resets the connection under its answer.
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut first = [0; 12];
    stream.read_exact(&mut first)?;
    Ok(first)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn server_that_answers(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // The whole request: closing with a part of it unread would reset the connection.
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut piece = [0; 1024];
                let read = stream.read(&mut piece).unwrap();
                assert_ne!(read, 0, "the request ends before its empty line");
                request.extend_from_slice(&piece[..read]);
            }
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn a_server_is_ready_when_it_answers_200() {
        assert!(is_ready(server_that_answers("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"), "/readyz"));
    }

    #[test]
    fn a_server_that_answers_503_is_not_ready() {
        assert!(!is_ready(server_that_answers("HTTP/1.1 503 Service Unavailable\r\n\r\n"), "/readyz"));
    }

    #[test]
    fn a_port_where_nobody_listens_is_not_ready() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(!is_ready(address, "/readyz"));
    }
}
