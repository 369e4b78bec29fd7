//! Connections that are encrypted, certificates that change, and what is said to who comes in the clear.

use std::sync::atomic::{AtomicBool, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::tls::TlsInfo;
use reqwest::{Method, Version};
use serde_json::json;
use tests::{Home, Hub, PATIENCE, wait_for};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

/// Who says which hub is which.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Writes a pair for this machine; returns its certificate as it goes over the wire.
    fn write_pair(&self, home: &Home) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        std::fs::write(home.path().join("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(home.path().join("cert.pem"), certificate.pem()).unwrap();
        certificate.der().to_vec()
    }
}

/// A home with a pair, and who issued it.
async fn encrypted() -> (Home, Authority, Vec<u8>) {
    let home = Home::new().await.with("TLS_CERT", "cert.pem").with("TLS_KEY", "key.pem");
    let authority = Authority::new();
    let certificate = authority.write_pair(&home);
    std::fs::write(home.path().join("ca.pem"), authority.0.pem()).unwrap();
    (home, authority, certificate)
}

fn client(hub: &Hub) -> reqwest::ClientBuilder {
    let authority = std::fs::read(hub.path().join("ca.pem")).unwrap();
    let authority = reqwest::Certificate::from_pem(&authority).unwrap();
    let builder = reqwest::Client::builder().no_proxy().retry(reqwest::retry::never()).timeout(PATIENCE);
    builder.tls_certs_only([authority]).tls_info(true)
}

/// The certificate that a new connection gets.
async fn served(hub: &Hub) -> Vec<u8> {
    let url = format!("https://{}/healthz", hub.address());
    let response = client(hub).build().unwrap().get(url).send().await.unwrap();
    response.extensions().get::<TlsInfo>().unwrap().peer_certificate().unwrap().to_vec()
}

#[tokio::test]
async fn with_a_certificate_the_hub_speaks_both_versions_encrypted_and_nothing_else() {
    let (home, _, certificate) = encrypted().await;
    let home = home.with("SECURE_SSL_REDIRECT", "1").with("SECURE_HSTS_SECONDS", "3600");
    let hub = home.with("WATCHBELL_HEAD_TIMEOUT_S", "1").start().await;
    for (builder, version) in [(client(&hub), Version::HTTP_2), (client(&hub).http1_only(), Version::HTTP_11)]
    {
        let url = format!("https://{}/alerts/webhook/", hub.address());
        let request = builder.build().unwrap().request(Method::POST, url).bearer_auth(hub.token());
        let response = request.body(r#"{"name":"Encrypted"}"#).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (202, version));
        assert_eq!(response.headers()["strict-transport-security"], "max-age=3600");
    }
    assert_eq!(served(&hub).await, certificate);
    let plain = reqwest::Client::builder().no_proxy().build().unwrap();
    plain.get(format!("http://{}/healthz", hub.address())).send().await.unwrap_err();
    // Who says nothing is not waited for.
    let mut silent = TcpStream::connect(hub.address()).await.unwrap();
    let closed = tokio::time::timeout(PATIENCE, silent.read(&mut [0; 16])).await;
    assert!(matches!(closed.expect("the hub closes"), Ok(0) | Err(_)));
}

#[tokio::test]
async fn a_changed_certificate_is_taken_over_without_losing_a_request() {
    let (home, authority, first) = encrypted().await;
    let hub = home.start().await;
    assert_eq!(served(&hub).await, first);
    let changing = AtomicBool::new(true);
    let lasting = client(&hub).build().unwrap();
    let requests = async {
        let mut count = 0;
        while changing.load(Ordering::Relaxed) || count < 50 {
            // One connection that stays, and a new one each time.
            for client in [lasting.clone(), client(&hub).build().unwrap()] {
                let url = format!("https://{}/alerts/webhook/", hub.address());
                let request = client.post(url).bearer_auth(hub.token());
                let response = request.body(r#"{"name":"During"}"#).send().await.unwrap();
                assert_eq!(response.status(), 202);
                count += 1;
            }
        }
    };
    let change = async {
        let second = authority.write_pair(&hub);
        wait_for("the second certificate is served", PATIENCE, async || {
            (served(&hub).await == second).then_some(())
        })
        .await;
        // A key that belongs to another certificate, then no certificate at all.
        std::fs::write(hub.path().join("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
        let told = |text: &'static str| {
            let hub = &hub;
            wait_for(text, PATIENCE, async move || hub.log().find(0, text))
        };
        let line = told("cannot be used with the certificate").await;
        assert!(line.contains("stays in use") && line.contains("TLS_KEY"), "{line}");
        std::fs::remove_file(hub.path().join("cert.pem")).unwrap();
        told("cannot be read").await;
        assert_eq!(served(&hub).await, second);
        let third = authority.write_pair(&hub);
        wait_for("the third certificate is served", PATIENCE, async || {
            (served(&hub).await == third).then_some(())
        })
        .await;
        changing.store(false, Ordering::Relaxed);
    };
    tokio::join!(requests, change);
}

#[tokio::test]
async fn a_pair_that_cannot_be_used_stops_the_start_by_name() {
    let (home, authority, _) = encrypted().await;
    let refusal = async || {
        let output = home.cli(&["serve"]).await;
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    std::fs::write(home.path().join("key.pem"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let text = refusal().await;
    assert!(text.contains("`TLS_KEY`: `key.pem`") && text.contains("`cert.pem`"), "{text}");
    for (file, setting) in [("key.pem", "TLS_KEY"), ("cert.pem", "TLS_CERT")] {
        authority.write_pair(&home);
        std::fs::write(home.path().join(file), "canary").unwrap();
        let text = refusal().await;
        assert!(text.contains(&format!("`{setting}`: `{file}` holds no")), "{text}");
        assert!(text.contains("hint: ") && !text.contains("canary"), "{text}");
        std::fs::remove_file(home.path().join(file)).unwrap();
        let text = refusal().await;
        assert!(text.contains(&format!("`{setting}`: `{file}` cannot be read")), "{text}");
    }
}

#[tokio::test]
async fn what_should_have_come_encrypted_is_refused_and_only_pages_are_redirected() {
    let home = Home::new().await.with("SECURE_SSL_REDIRECT", "1").with("SECURE_HSTS_SECONDS", "3600");
    let hub = home.start().await;
    for path in ["/alerts/webhook/", "/alerts/", "/incidents", "/metrics", "/manage/quarantine/", "/nowhere"]
    {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
            let reply = hub.send(hub.request(method.clone(), path).body("{}")).await;
            assert_eq!(reply.status, 403, "{method} {path}");
            assert!(reply.headers.get("location").is_none(), "{method} {path}");
            if method == Method::GET {
                assert!(reply.problem(403, "not-encrypted").contains("https://"));
            }
            assert!(reply.headers.get("strict-transport-security").is_none(), "only said encrypted");
        }
    }
    for path in ["/admin", "/admin/login?next=/", "/static/app.css"] {
        for method in [Method::GET, Method::HEAD] {
            let reply = hub.send(hub.anonymous(method, path)).await;
            assert_eq!(
                (reply.status, reply.header("location")),
                (301, format!("https://127.0.0.1{path}").as_str())
            );
        }
        hub.send(hub.anonymous(Method::POST, path)).await.problem(403, "not-encrypted");
    }
    hub.post("/administration/", "{}").await.problem(403, "not-encrypted");
    assert_eq!(hub.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_proxy_is_believed_where_it_is_trusted_and_says_it_once() {
    for (trusted, believed) in [("127.0.0.0/8", true), ("192.0.2.7", false)] {
        let home = Home::new().await.with("SECURE_SSL_REDIRECT", "1").with("TRUSTED_PROXIES", trusted);
        let home = home.with("SECURE_PROXY_SSL_HEADER", "X-Forwarded-Proto,https");
        let hub = home.with("SECURE_HSTS_SECONDS", "60").start().await;
        let status = async |values: &[&str]| {
            let mut request = hub.request(Method::GET, "/alerts/");
            for value in values {
                request = request.header("x-forwarded-proto", *value);
            }
            let reply = hub.send(request).await;
            let told = reply.headers.contains_key("strict-transport-security");
            assert_eq!(told, reply.status == 200, "browsers are told when it is encrypted");
            reply.status
        };
        assert_eq!(status(&["https"]).await == 200, believed, "{trusted}");
        for values in [&[][..], &["http"], &["https", "https"], &["https, http"]] {
            assert_eq!(status(values).await, 403, "{trusted} {values:?}");
        }
    }
    let reply = Hub::new().await.accept("/alerts/webhook/", &json!({ "name": "Plain" })).await;
    assert_eq!(reply["outcome"], "parsed", "nothing of it holds unless it is set");
}
