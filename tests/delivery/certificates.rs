//! Remotes that prove who they are, or do not.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tests::{Home, PATIENCE, Sink, wait_for};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::server::TlsStream;

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A remote that speaks TLS and answers every request with 200.
struct Encrypted {
    url: String,
    task: JoinHandle<()>,
}

impl Encrypted {
    /// With a certificate for `name`, issued by `authority`.
    async fn start(authority: &CertifiedIssuer<'static, KeyPair>, name: &str, speaks_h2: bool) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, authority).unwrap().der().clone();
        let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        if speaks_h2 {
            config.alpn_protocols.push(b"h2".to_vec());
        }
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/hook", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                if speaks_h2 {
                    tokio::spawn(second_version(stream));
                    continue;
                }
                let mut request = Vec::new();
                while !request.ends_with(b"}") && stream.read_buf(&mut request).await.unwrap_or(0) > 0 {}
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok";
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { url, task }
    }
}

/// Answers one connection with HTTP/2, which was agreed on with the certificate.
async fn second_version(stream: TlsStream<TcpStream>) {
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let mut connection = h2::server::handshake(stream).await.unwrap();
    while let Some(Ok((_, mut respond))) = connection.accept().await {
        let answer = http::Response::builder().status(200).body(()).unwrap();
        respond.send_response(answer, true).unwrap();
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test]
async fn only_remotes_with_a_certificate_of_their_name_by_a_known_authority_are_told() {
    let (ours, other) = (authority(), authority());
    let home = Home::new().await.with_local_remotes().with("WATCHBELL_EGRESS_CA_FILE", "authorities.pem");
    std::fs::write(home.path().join("authorities.pem"), ours.pem()).unwrap();
    let hub = home.start().await;
    let right = Encrypted::start(&ours, "127.0.0.1", false).await;
    let second = Encrypted::start(&ours, "127.0.0.1", true).await;
    let misnamed = Encrypted::start(&ours, "remote.example", false).await;
    let unknown = Encrypted::start(&other, "127.0.0.1", false).await;
    let plain = Sink::start([]).await;
    let unencrypted = plain.url().replace("http://", "https://");
    for (name, url) in [
        ("right", &right.url),
        ("second", &second.url),
        ("misnamed", &misnamed.url),
        ("unknown", &unknown.url),
        ("plain", &unencrypted),
    ] {
        hub.add_channel(name, url).await;
    }
    hub.accept("/alerts/webhook/", &json!({ "name": "DiskFull", "host": "db1" })).await;
    for (name, status, error, says) in [
        ("right", "delivered", Value::Null, ""),
        ("second", "delivered", Value::Null, ""),
        ("misnamed", "pending", json!("unavailable"), "certificate not valid for name"),
        ("unknown", "pending", json!("unavailable"), "invalid peer certificate"),
        ("plain", "pending", json!("unavailable"), "there is no connection"),
    ] {
        let delivery = wait_for(&format!("`{name}` is tried"), PATIENCE, async || {
            let list = hub.cli_json(&["delivery", "list", "--channel", name, "--json"]).await;
            let delivery = list["deliveries"][0].clone();
            (delivery["status"] == "delivered" || !delivery["error_type"].is_null()).then_some(delivery)
        })
        .await;
        assert!(delivery["status"] == status || delivery["status"] == "sending", "{name}: {delivery}");
        assert_eq!(delivery["error_type"], error, "{name}: {delivery}");
        let message = delivery["error_message"].as_str().unwrap_or_default();
        assert!(message.contains(says), "{name}: {message}");
    }
    assert_eq!(plain.received().len(), 0);
}

#[tokio::test]
async fn a_file_of_authorities_that_is_no_good_is_named_at_start() {
    for (content, says) in [
        (None, "`authorities.pem` cannot be read"),
        (Some(""), "`authorities.pem` holds no certificate"),
        (
            Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
            "holds what is no certificate",
        ),
        (Some("-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n"), "is not PEM"),
    ] {
        let home = Home::new().await.with("WATCHBELL_EGRESS_CA_FILE", "authorities.pem");
        if let Some(content) = content {
            std::fs::write(home.path().join("authorities.pem"), content).unwrap();
        }
        for command in ["check", "serve"] {
            let output = home.cli(&[command]).await;
            assert!(!output.status.success(), "{command} {content:?}");
            let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            assert!(text.contains("`WATCHBELL_EGRESS_CA_FILE`") && text.contains(says), "{command}: {text}");
        }
    }
}
