use super::*;

#[tokio::test]
async fn a_granted_request_arrives_whole_and_its_answer_comes_back() {
    let remote = Remote::start(|_| {
        Reply::Text(
            "HTTP/1.1 418 Teapot\r\nX-Request-Id: 7\r\nSet-Cookie: a=b\r\ncontent-length: 4\r\n\r\nbody"
                .to_owned(),
        )
    })
    .await;
    let url = format!("http://public.test:{}/services/T0?x=1#fragment", remote.port());
    let mut asked = request("POST", &url);
    asked.headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    asked.body = b"{\"text\":\"hi\"}".to_vec();
    let answer = send(&egress(Table::default()), &grants(&[&url]), asked).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (418, b"body".as_slice()));
    assert!(answer.headers.contains(&("x-request-id".to_owned(), "7".to_owned())));
    assert!(!answer.headers.iter().any(|(name, _)| name == "set-cookie"));

    let seen = remote.requests().remove(0);
    assert!(seen.starts_with("post /services/t0?x=1 http/1.1\r\n"), "{seen}");
    assert!(seen.contains(&format!("host: public.test:{}\r\n", remote.port())), "{seen}");
    assert!(seen.contains(concat!("user-agent: watchbell/", env!("CARGO_PKG_VERSION"), "\r\n")), "{seen}");
    assert!(!seen.contains("accept-encoding") && !seen.contains("referer"), "{seen}");
    assert!(seen.ends_with("\r\n\r\n{\"text\":\"hi\"}"), "{seen}");
}

#[tokio::test]
async fn what_is_not_granted_is_denied_with_the_line_to_add() {
    let remote = Remote::start(|_| Reply::ok("")).await;
    let port = remote.port();
    let granted = grants(&[&format!("http://public.test:{port}")]);
    let others = [
        format!("https://public.test:{port}/"),
        format!("http://public.test:{}/", port.wrapping_add(1)),
        format!("http://127.0.0.2:{port}/"),
        format!("http://sub.public.test:{port}/"),
        format!("http://public.test.evil.example:{port}/"),
    ];
    for url in others {
        let origin = Origin::of_url(&url).unwrap();
        match send(&egress(Table::default()), &granted, request("GET", &format!("{url}T0/B1?token=x"))).await
        {
            Err(HttpError::Denied(message)) => {
                assert!(message.contains("`slack`"), "{message}");
                assert!(message.contains(&format!("allow_hosts = [\"{origin}\"]")), "{message}");
                assert!(!message.contains("token") && !message.contains("B1"), "{message}");
            }
            other => panic!("{url}: {other:?}"),
        }
    }
    assert_eq!(remote.accepted(), 0);
}

#[tokio::test]
async fn methods_outside_the_contract_are_refused() {
    let egress = egress(Table::default());
    for method in ["", "get", "HEAD", "CONNECT", "TRACE", "OPTIONS", "GET /x HTTP/1.1\r\nHost: evil"] {
        let refused =
            send(&egress, &grants(&["http://public.test"]), request(method, "http://public.test/")).await;
        assert!(matches!(refused, Err(HttpError::InvalidRequest(_))), "{method:?}");
    }
}

/// What becomes of a request to a remote that behaves like this.
async fn outcome_of(reply: fn(&str) -> Reply) -> Result<HttpResponse, HttpError> {
    outcome_within(Duration::from_secs(60), reply).await
}

async fn outcome_within(time: Duration, reply: fn(&str) -> Reply) -> Result<HttpResponse, HttpError> {
    let remote = Remote::start(reply).await;
    let url = format!("http://public.test:{}/", remote.port());
    let asked = HttpRequest { timeout_ms: time.as_millis().try_into().ok(), ..request("GET", &url) };
    egress(Table::default()).call(&grants(&[&url]), &Budget::new(limits()), asked, time).await
}

#[tokio::test]
async fn remotes_that_hang_or_drip_time_out() {
    let little = Duration::from_millis(300);
    assert_eq!(outcome_within(little, |_| Reply::Hang).await, Err(HttpError::Timeout));
    assert_eq!(outcome_within(little, |_| Reply::Drip).await, Err(HttpError::Timeout));
}

#[tokio::test]
async fn remotes_that_break_off_are_unreachable() {
    assert!(matches!(outcome_of(|_| Reply::Close).await, Err(HttpError::Unreachable(_))));
    let cut = |_: &str| Reply::Text("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort".to_owned());
    assert!(matches!(outcome_of(cut).await, Err(HttpError::Unreachable(_))));
    let garbage = |_: &str| Reply::Text("SSH-2.0-OpenSSH\r\n\r\n".to_owned());
    assert!(matches!(outcome_of(garbage).await, Err(HttpError::Unreachable(_))));
}

#[tokio::test]
async fn answers_and_headers_over_the_limit_are_cut() {
    assert_eq!(outcome_of(|_| Reply::Endless).await, Err(HttpError::TooLarge));
    let many_headers = |_: &str| {
        let header = format!("x-long: {}\r\n", "x".repeat(8000));
        Reply::Text(format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", header.repeat(10)))
    };
    assert_eq!(outcome_of(many_headers).await, Err(HttpError::TooLarge));
    assert_eq!(
        outcome_of(|_| Reply::Flood("HTTP/1.1 200 OK\r\n", "x: y\r\n")).await,
        Err(HttpError::TooLarge)
    );
}

#[tokio::test]
async fn interim_answers_without_end_are_cut() {
    let flood = |_: &str| Reply::Flood("", "HTTP/1.1 103 Early Hints\r\n\r\n");
    assert_eq!(outcome_of(flood).await, Err(HttpError::TooLarge));
    let few = |_: &str| {
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
        Reply::Text(format!("{interim}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"))
    };
    assert_eq!(outcome_of(few).await.unwrap().body, b"ok");
}

#[tokio::test]
async fn nobody_listening_and_no_tls_are_unreachable_and_named() {
    let remote = Remote::start(|_| Reply::ok("")).await;
    let tls = format!("https://public.test:{}", remote.port());
    let egress = egress(Table::default());
    let answer = send(&egress, &grants(&[&tls]), request("GET", &format!("{tls}/path?q=1"))).await;
    let closed = format!("http://public.test:{}", remote.port());
    drop(remote);
    for (origin, answer) in [
        (tls, answer),
        (
            closed.clone(),
            send(&egress, &grants(&[&closed]), request("GET", &format!("{closed}/path?q=1"))).await,
        ),
    ] {
        match answer {
            Err(HttpError::Unreachable(message)) => {
                assert!(message.contains(&format!("`{origin}`")) && !message.contains("path"), "{message}");
            }
            other => panic!("{origin}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn requests_and_bytes_are_counted_over_one_call() {
    let remote = Remote::start(|_| Reply::ok("12345")).await;
    let url = format!("http://public.test:{}/", remote.port());
    let (egress, grants) = (egress(Table::default()), grants(&[&url]));
    let limits = EgressLimits { calls: 3, sent_bytes: 10, received_bytes: 12, response_bytes: 5 };
    let budget = Budget::new(limits);
    let send = async |body: &[u8]| {
        let asked = HttpRequest { body: body.to_vec(), ..request("POST", &url) };
        egress.call(&grants, &budget, asked, Duration::from_secs(10)).await
    };
    assert!(matches!(send(b"01234567890").await, Err(HttpError::BudgetExceeded(_))));
    assert_eq!(remote.accepted(), 0);
    assert!(send(b"0123456").await.is_ok());
    assert!(matches!(send(b"0123").await, Err(HttpError::BudgetExceeded(_))));
    assert!(send(b"012").await.is_ok());
    assert!(matches!(send(b"").await, Err(HttpError::BudgetExceeded(_))), "15 bytes received, 12 allowed");
    assert!(matches!(send(b"").await, Err(HttpError::BudgetExceeded(_))), "the fourth request");
    assert_eq!(remote.accepted(), 3);
    assert_eq!(budget.used(), Usage { calls: 3, sent_bytes: 10, received_bytes: 15 });
}

#[tokio::test]
async fn connections_are_shared_under_the_same_grants_only() {
    let remote = Remote::start(|_| Reply::Kept("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")).await;
    let url = format!("http://public.test:{}/", remote.port());
    let egress = egress(Table::default());
    let own = grants(&[&url]);
    let other_plugin = Grants { plugin: "generic".parse().unwrap(), ..own.clone() };
    let other_channel = Grants { channel: Some(ChannelId::mint(&mut Ids)), ..own.clone() };
    let more = grants(&[&url, "https://elsewhere.example"]);
    for (grants, connections) in
        [(&own, 1), (&own, 1), (&other_plugin, 2), (&other_channel, 3), (&more, 4), (&own, 4), (&more, 4)]
    {
        send(&egress, grants, request("GET", &url)).await.unwrap();
        assert_eq!(remote.accepted(), connections, "{grants:?}");
    }
}

#[tokio::test]
async fn no_time_left_sends_nothing_and_little_time_is_kept() {
    let remote = Remote::start(|_| Reply::Hang).await;
    let url = format!("http://public.test:{}/", remote.port());
    let (egress, grants, budget) = (egress(Table::default()), grants(&[&url]), Budget::new(limits()));
    let none = egress.call(&grants, &budget, request("GET", &url), Duration::ZERO).await;
    assert!(matches!(none, Err(HttpError::BudgetExceeded(_))));
    assert_eq!(remote.accepted(), 0);
    let asked = HttpRequest { timeout_ms: Some(u32::MAX), ..request("GET", &url) };
    let little = egress.call(&grants, &budget, asked, Duration::from_millis(100)).await;
    assert_eq!(little, Err(HttpError::Timeout));
}
