use domain::secret::Secret;

use super::*;

/// Sends `body` with a secret in it, and says what was kept.
async fn kept(reply: fn(&str) -> Reply, body: &[u8]) -> (Vec<Sent>, Vec<String>) {
    let remote = Remote::start(reply).await;
    let base = format!("http://public.test:{}", remote.port());
    let mut grants = grants(&[&base]);
    let origins = grants.origins.clone();
    grants.secrets =
        vec![BoundSecret { name: "key".to_owned(), value: Secret::new("CANARY".to_owned()), origins }];
    let asked = HttpRequest {
        body: body.to_vec(),
        resolve_in_body: true,
        credential: Some("key".to_owned()),
        timeout_ms: Some(300),
        ..request("POST", &format!("{base}/v1/chat?key=secret://key#x"))
    };
    let (egress, budget) = (egress(Table::default()), Budget::new(limits()).recording());
    let _ = egress.call(&grants, &budget, asked, Duration::from_secs(10)).await;
    let sent = budget.sent().into_iter();
    let sent = sent.map(|sent| Sent { address: sent.address.replace(&base, "…"), ..sent }).collect();
    (sent, remote.requests())
}

fn sent(body: &[u8]) -> Vec<Sent> {
    vec![Sent { method: "POST".to_owned(), address: "…/v1/chat".to_owned(), body: body.to_vec() }]
}

#[tokio::test]
async fn a_request_is_kept_as_the_plugin_wrote_it_whatever_becomes_of_it() {
    let body = b"{\"key\":\"secret://key\",\"text\":\"disk full\"}";
    let replies: [fn(&str) -> Reply; 5] = [
        |_| Reply::ok("CANARY"),
        |_| Reply::Hang,
        |_| Reply::Close,
        |_| Reply::Endless,
        |request| match request.starts_with("post /v1/chat") {
            true => Reply::redirect(307, "/v2/chat"),
            false => Reply::ok(""),
        },
    ];
    for reply in replies {
        let (kept, received) = kept(reply, body).await;
        assert_eq!(kept, sent(body));
        assert!(received[0].ends_with("{\"key\":\"CANARY\",\"text\":\"disk full\"}"), "{received:?}");
    }
}

#[tokio::test]
async fn an_address_that_is_a_secret_is_kept_by_its_name() {
    let remote = Remote::start(|_| Reply::ok("")).await;
    let url = format!("http://public.test:{}/services/CANARY", remote.port());
    let mut grants = grants(&[&url]);
    let value = Secret::new(url);
    grants.secrets = vec![BoundSecret { name: "url".to_owned(), value, origins: Vec::new() }];
    let budget = Budget::new(limits()).recording();
    let asked = request("POST", "secret://url");
    egress(Table::default()).call(&grants, &budget, asked, Duration::from_secs(10)).await.unwrap();
    assert_eq!(budget.sent()[0].address, "secret://url");
}

#[tokio::test]
async fn what_has_not_left_and_what_nobody_asked_to_keep_is_not_kept() {
    let remote = Remote::start(|_| Reply::ok("")).await;
    let port = remote.port();
    let open = format!("http://public.test:{port}/");
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
        format!("http://public.test:{}/", listener.local_addr().unwrap().port())
    };
    let addresses = [
        format!("http://elsewhere.test:{port}/"),
        format!("http://127.0.0.1:{port}/"),
        format!("http://private.test:{port}/"),
        format!("http://nowhere.test:{port}/"),
        closed.clone(),
    ];
    let granted: Vec<&str> = addresses[1..].iter().chain([&open]).map(String::as_str).collect();
    let table = Table::default().with("private.test", &[&["127.0.0.1"]]);
    let (egress, grants, budget) = (egress(table), grants(&granted), Budget::new(limits()).recording());
    for address in &addresses {
        let refused = egress.call(&grants, &budget, request("GET", address), Duration::from_secs(10)).await;
        assert!(refused.is_err(), "{address}");
    }
    assert_eq!(budget.sent(), []);
    let budget = Budget::new(limits());
    egress.call(&grants, &budget, request("GET", &open), Duration::from_secs(10)).await.unwrap();
    assert_eq!(budget.sent(), []);
    assert_eq!(budget.used().calls, 1);
}
