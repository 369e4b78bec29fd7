//! A mail server that says what a test wants.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, crypto};

/// What the server does next.
#[derive(Clone)]
pub(super) enum Say {
    Bytes(Vec<u8>),
    Hang,
    Close,
    /// One line that has no end.
    Endless,
}

impl Say {
    pub(super) fn text(text: &str) -> Self {
        Self::Bytes(text.as_bytes().to_vec())
    }
}

type Behaviour = dyn Fn(&str) -> Say + Send + Sync;

/// What a server says that takes everything. A line is `clear` or `tls`, and what was said; nothing of it
/// for the greeting, a dot for the end of a message.
pub(super) fn polite(line: &str) -> Say {
    let (layer, line) = line.split_once(' ').unwrap();
    Say::text(match line.split(' ').next().unwrap() {
        "" => "220 mail.test ESMTP\r\n",
        "EHLO" if layer == "tls" => "250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n",
        "EHLO" => "250-mail.test\r\n250-SIZE 1000000\r\n250 STARTTLS\r\n",
        "STARTTLS" => "220 go ahead\r\n",
        "AUTH" => "235 2.7.0 welcome\r\n",
        "MAIL" | "RCPT" => "250 2.1.0 Ok\r\n",
        "DATA" => "354 go on\r\n",
        "." => "250 2.0.0 Ok\r\n",
        "QUIT" => "221 bye\r\n",
        _ => "502 what\r\n",
    })
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    said: Mutex<Vec<String>>,
    messages: Mutex<Vec<String>>,
}

/// A server of this test, with a certificate for `mail.test`; stops when dropped.
pub(super) struct Server {
    /// The authority behind its certificate, as PEM.
    pub(super) authority: NamedTempFile,
    address: SocketAddr,
    seen: Arc<Seen>,
    under_tls: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Server {
    pub(super) async fn start(behaviour: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (authority, acceptor) = identity();
        let seen = Arc::new(Seen::default());
        let under_tls = Arc::new(AtomicUsize::new(0));
        let (noted, implicit) = (Arc::clone(&seen), Arc::clone(&under_tls));
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                noted.connections.fetch_add(1, Ordering::SeqCst);
                let talk =
                    Talk { behaviour: behaviour.clone(), seen: noted.clone(), acceptor: acceptor.clone() };
                let is_implicit = implicit.load(Ordering::SeqCst) == 1;
                tokio::spawn(async move { talk.hold(stream, is_implicit).await });
            }
        });
        Self { authority, address, seen, under_tls, task: task.abort_handle() }
    }

    /// The same, under TLS from the first byte.
    pub(super) fn under_tls(self) -> Self {
        self.under_tls.store(1, Ordering::SeqCst);
        self
    }

    pub(super) fn address_as(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}", self.address.port())
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn accepted(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Lines so far.
    pub(super) fn said(&self) -> Vec<String> {
        self.seen.said.lock().unwrap().clone()
    }

    /// Messages so far, as they were before dots were doubled.
    pub(super) fn messages(&self) -> Vec<String> {
        self.seen.messages.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn identity() -> (NamedTempFile, TlsAcceptor) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["mail.test".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let authority = NamedTempFile::new().unwrap();
    std::fs::write(authority.path(), root.pem()).unwrap();
    (authority, TlsAcceptor::from(Arc::new(config)))
}

struct Talk {
    behaviour: Arc<Behaviour>,
    seen: Arc<Seen>,
    acceptor: TlsAcceptor,
}

impl Talk {
    /// Nothing of it when the other side goes away.
    async fn hold(&self, mut stream: TcpStream, is_implicit: bool) -> Option<()> {
        if !is_implicit {
            self.serve(&mut stream, "clear").await?;
        }
        let mut secured = self.acceptor.accept(stream).await.ok()?;
        self.serve(&mut secured, "tls").await
    }

    /// Answers until TLS begins.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S, layer: &str) -> Option<()> {
        let greets = layer == "clear" || self.said_nothing();
        if greets {
            self.say(stream, &format!("{layer} ")).await?;
        }
        loop {
            let line = read_line(stream).await?;
            let line = format!("{layer} {line}");
            self.seen.said.lock().unwrap().push(line.clone());
            let said = self.say(stream, &line).await?;
            if line == "clear STARTTLS" && said.starts_with(b"220") {
                return Some(());
            }
            if line.ends_with(" DATA") && said.starts_with(b"354") {
                let message = read_message(stream).await?;
                self.seen.messages.lock().unwrap().push(message);
                self.seen.said.lock().unwrap().push(format!("{layer} ."));
                self.say(stream, &format!("{layer} .")).await?;
            }
        }
    }

    fn said_nothing(&self) -> bool {
        self.seen.said.lock().unwrap().is_empty()
    }

    async fn say<S: AsyncWrite + Unpin>(&self, stream: &mut S, line: &str) -> Option<Vec<u8>> {
        match (self.behaviour)(line) {
            Say::Bytes(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                stream.flush().await.ok()?;
                Some(bytes)
            }
            Say::Hang => std::future::pending().await,
            Say::Close => None,
            Say::Endless => {
                stream.write_all(b"250-").await.ok()?;
                while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
                None
            }
        }
    }
}

async fn read_line<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.ok()?);
    }
    line.truncate(line.len() - 2);
    Some(String::from_utf8_lossy(&line).into_owned())
}

async fn read_message<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut message = String::new();
    loop {
        let line = read_line(stream).await?;
        if line == "." {
            // The line break that belongs to the dot.
            message.truncate(message.len().saturating_sub(2));
            return Some(message);
        }
        message.push_str(line.strip_prefix('.').unwrap_or(&line));
        message.push_str("\r\n");
    }
}
