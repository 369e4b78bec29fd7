use domain::secret::Secret;

use super::*;

const TOKEN: &str = "xoxb-CANARY-1234";

fn secret(name: &str, value: &str, origins: &[&str]) -> BoundSecret {
    let origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
    BoundSecret { name: name.to_owned(), value: Secret::new(value.to_owned()), origins }
}

#[tokio::test]
async fn secrets_are_put_into_address_headers_body_and_credential() {
    let remote = Remote::start(|_| Reply::ok("")).await;
    let base = format!("http://public.test:{}", remote.port());
    let mut grants = grants(&[&base]);
    grants.secrets = vec![secret("token", "a/b \"c", &[&base]), secret("key", "k1", &[&base])];
    let mut asked = request("POST", &format!("{base}/bot-secret://key/send?t=secret://token"));
    asked.headers = vec![
        ("x-api-key".to_owned(), "v1 secret://key".to_owned()),
        ("content-type".to_owned(), "application/json; charset=utf-8".to_owned()),
    ];
    asked.body = b"{\"routing_key\":\"secret://token\"}".to_vec();
    asked.resolve_in_body = true;
    asked.credential = Some("key".to_owned());
    send(&egress(Table::default()), &grants, asked.clone()).await.unwrap();
    let seen = remote.requests().remove(0);
    assert!(seen.starts_with("post /bot-k1/send?t=a%2fb%20%22c http/1.1"), "{seen}");
    assert!(seen.contains("\r\nx-api-key: v1 k1\r\n"), "{seen}");
    assert!(seen.contains("\r\nauthorization: bearer k1\r\n"), "{seen}");
    assert!(seen.ends_with("{\"routing_key\":\"a/b \\\"c\"}"), "{seen}");

    asked.resolve_in_body = false;
    send(&egress(Table::default()), &grants, asked).await.unwrap();
    assert!(remote.requests().remove(1).ends_with("{\"routing_key\":\"secret://token\"}"));
}

#[tokio::test]
async fn an_address_that_is_a_secret_is_called_and_goes_nowhere_else() {
    let remote = Remote::start(|_| Reply::ok("")).await;
    let base = format!("http://public.test:{}", remote.port());
    let other = format!("http://127.0.0.2:{}", remote.port());
    let mut grants = grants(&[&base, &other]);
    grants.secrets = vec![secret("webhook_url", &format!("{base}/services/{TOKEN}"), &[&other])];
    let egress = egress(Table::default());
    send(&egress, &grants, request("POST", "secret://webhook_url")).await.unwrap();
    assert!(remote.requests()[0].starts_with("post /services/xoxb-canary-1234 "));

    let mut leak = request("POST", &format!("{other}/"));
    leak.body = b"secret://webhook_url".to_vec();
    leak.resolve_in_body = true;
    check_refused(send(&egress, &grants, leak).await, "`webhook_url`");
    grants.origins.clear();
    check_refused(send(&egress, &grants, request("POST", "secret://webhook_url")).await, "not granted");
    assert_eq!(remote.accepted(), 1);
}

#[tokio::test]
async fn a_secret_on_its_way_to_a_host_it_is_not_bound_to_is_denied_by_name() {
    let remote = Remote::start(|_| Reply::ok("")).await;
    let base = format!("http://public.test:{}", remote.port());
    let mut grants = grants(&[&base]);
    grants.secrets = vec![secret("token", TOKEN, &["https://api.example"])];
    let egress = egress(Table::default());
    let asked = request("POST", &format!("{base}/"));
    let ways = [
        HttpRequest { url: format!("{base}/secret://token"), ..asked.clone() },
        HttpRequest { url: format!("{base}/?q=secret://token"), ..asked.clone() },
        HttpRequest { headers: vec![("x-key".to_owned(), "secret://token".to_owned())], ..asked.clone() },
        HttpRequest { credential: Some("token".to_owned()), ..asked.clone() },
        HttpRequest { body: b"a secret://token".to_vec(), resolve_in_body: true, ..asked },
    ];
    for way in ways {
        check_refused(send(&egress, &grants, way).await, "secret `token` to `http://public.test");
    }
    assert_eq!(remote.accepted(), 0);
}

#[test]
fn a_secret_on_its_way_elsewhere_is_counted_granted_or_not() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let mut grants = grants(&["https://granted.example"]);
    grants.secrets = vec![secret("token", TOKEN, &["https://api.example"])];
    for (host, counted) in [("granted", 1), ("denied", 2)] {
        let credential = Some("token".to_owned());
        let asked = HttpRequest { credential, ..request("GET", &format!("https://{host}.example/")) };
        let refused = ::metrics::with_local_recorder(&recorder, || prepare::prepare(&grants, asked).err());
        assert!(matches!(refused, Some(HttpError::Denied(_))), "{refused:?}");
        let line = format!(
            "watchbell_egress_refused_total{{kind=\"notifier\",plugin=\"slack\",reason=\"secret\"}} {counted}"
        );
        let shown = recorder.handle().render();
        assert!(shown.contains(&line), "{shown}");
    }
}

#[tokio::test]
async fn a_secret_cannot_be_spelt_as_a_host_nor_read_in_a_refusal() {
    let mut grants = grants(&["https://api.example"]);
    grants.secrets = vec![
        secret("token", TOKEN, &["https://api.example"]),
        secret("odd", &format!("{TOKEN}://x"), &["https://api.example"]),
        secret("inside", &format!("https://api.example@{TOKEN}.example/"), &["https://api.example"]),
        secret("broken", &format!("{TOKEN}\r\nx: y"), &["https://api.example"]),
    ];
    let egress = egress(Table::default());
    let addresses = [
        "secret://token",
        "secret://odd",
        "secret://inside",
        "secret://broken",
        "https://secret://token/",
        "https:///secret://token/",
        "https:\\\\secret://token/",
        "https://secret://token.evil.example/",
        "https://api.example.secret://token/",
        "https://api.example:secret://token/",
        "https://user:secret://token@api.example/",
        "secret://token.evil.example",
        "secret://token/path",
        "httpssecret://token",
        "https://api.example/secret://broken",
        "https://api.example/secret://missing",
    ];
    for address in addresses {
        match send(&egress, &grants, request("GET", address)).await {
            Err(HttpError::InvalidRequest(message)) => {
                assert!(!message.to_lowercase().contains("canary"), "{address}: {message}");
            }
            other => panic!("{address}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn errors_of_a_secret_address_name_its_host_only() {
    let mut grants = grants(&["https://nowhere.test", "https://10.0.0.1"]);
    for url in [format!("https://nowhere.test/{TOKEN}?k={TOKEN}"), format!("https://10.0.0.1/{TOKEN}")] {
        grants.secrets = vec![secret("url", &url, &[])];
        let error =
            send(&egress(Table::default()), &grants, request("GET", "secret://url")).await.unwrap_err();
        assert!(!error.to_string().contains("CANARY"), "{error}");
    }
    let shown = format!("{grants:?}");
    assert!(!shown.contains("CANARY"), "{shown}");
}

#[tokio::test]
async fn what_a_remote_repeats_of_a_secret_does_not_reach_the_plugin() {
    let remote = Remote::start(|request| {
        // The head is in lower case, as a careless remote may write it too.
        let body = format!("no such hook: {request} {TOKEN}");
        Reply::Text(format!(
            "HTTP/1.1 404 X\r\nx-echo: {TOKEN}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ))
    })
    .await;
    let base = format!("http://public.test:{}", remote.port());
    let mut grants = grants(&[&base]);
    grants.secrets = vec![
        secret("url", &format!("{base}/services/{TOKEN}?key=canary%2fkey%20of%20it"), &[]),
        secret("token", TOKEN, &[&base]),
        secret("odd", "CANARY \"of\" letters", &[&base]),
    ];
    let mut asked = request("POST", "secret://url");
    asked.headers = vec![
        ("x-token".to_owned(), "secret://odd".to_owned()),
        ("content-type".to_owned(), "application/json".to_owned()),
    ];
    asked.credential = Some("token".to_owned());
    asked.body = b"{\"a\":\"secret://odd\",\"b\":\"secret://url\"}".to_vec();
    asked.resolve_in_body = true;
    let answer = send(&egress(Table::default()), &grants, asked).await.unwrap();
    let shown = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
    assert!(shown.contains("no such hook") && shown.contains("[redacted]"), "{shown}");
    assert!(!shown.to_lowercase().contains("canary"), "{shown}");
    assert!(remote.requests()[0].contains("canary"), "the remote got them");
}

#[tokio::test]
async fn what_a_remote_repeats_in_a_redirect_does_not_reach_the_plugin() {
    let remote = Remote::start(|_| Reply::redirect(307, &format!("http://{TOKEN}.evil.example/"))).await;
    let base = format!("http://public.test:{}", remote.port());
    let mut grants = grants(&[&base]);
    grants.secrets = vec![secret("token", TOKEN, &[&base])];
    let refused = send(&egress(Table::default()), &grants, request("POST", &base)).await.unwrap_err();
    let shown = refused.to_string().to_lowercase();
    assert!(shown.contains("[redacted].evil.example") && !shown.contains("canary"), "{shown}");
}

fn check_refused(outcome: Result<HttpResponse, HttpError>, says: &str) {
    match outcome {
        Err(HttpError::Denied(message)) => {
            assert!(message.contains(says) && !message.contains("CANARY"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}
