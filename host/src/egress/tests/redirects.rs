use super::*;

#[tokio::test]
async fn redirects_to_other_origins_are_denied_and_not_followed() {
    let (public, forbidden) = Remote::public_and_forbidden(|request| {
        let target = request.split(' ').nth(1).unwrap();
        let (status, location) = target.trim_start_matches('/').split_once('/').unwrap();
        Reply::redirect(status.parse().unwrap(), location)
    })
    .await;
    let port = public.port();
    let base = format!("http://public.test:{port}");
    let locations = [
        format!("http://127.0.0.1:{port}/"),
        format!("//127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://private.test:{port}/"),
        format!("http://public.test@127.0.0.1:{port}/"),
        format!("\\\\127.0.0.1:{port}\\"),
        format!("https://public.test:{port}/"),
        "http://public.test:1/".to_owned(),
        "http://public.test/".to_owned(),
        "http://other.test/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "ftp://127.0.0.1/".to_owned(),
        "gopher://127.0.0.1/".to_owned(),
        "http://".to_owned(),
    ];
    let table = Table::default().with("private.test", &[&["127.0.0.1"]]).with("localhost", &[&["127.0.0.1"]]);
    let (egress, grants) = (egress(table), grants(&[&base, &format!("http://127.0.0.1:{port}")]));
    for status in [301, 302, 303, 307, 308] {
        for location in &locations {
            let refused =
                send(&egress, &grants, request("POST", &format!("{base}/{status}/{location}"))).await;
            let named = matches!(refused, Err(HttpError::Denied(_) | HttpError::Unreachable(_)));
            assert!(named, "{status} {location}: {refused:?}");
        }
    }
    assert_eq!(forbidden.accepted(), 0);
}

#[tokio::test]
async fn three_redirects_within_the_origin_are_followed_and_counted() {
    let remote = Remote::start(|request| {
        let hop: u32 = request.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
        if hop == 0 { Reply::ok("arrived") } else { Reply::redirect(307, &format!("/{}", hop - 1)) }
    })
    .await;
    let base = format!("http://public.test:{}", remote.port());
    let (egress, grants, budget) = (egress(Table::default()), grants(&[&base]), Budget::new(limits()));
    let asked = HttpRequest { body: b"abc".to_vec(), ..request("POST", &format!("{base}/3")) };
    let answer = egress.call(&grants, &budget, asked, Duration::from_secs(10)).await.unwrap();
    assert_eq!(answer.body, b"arrived");
    assert_eq!(budget.used(), Usage { calls: 4, sent_bytes: 12, received_bytes: 7 });
    let refused = send(&egress, &grants, request("POST", &format!("{base}/4"))).await;
    assert!(matches!(refused, Err(HttpError::Denied(message)) if message.contains("more than 3 times")));
}

/// What becomes of a request with a body, and of one without, that is answered with this status.
async fn redirected(method: &str, status: u16) -> (Result<HttpResponse, HttpError>, Vec<String>) {
    let remote = Remote::start(|request| match request.split(['/', ' ']).nth(2).unwrap() {
        "end" => Reply::ok("arrived"),
        status => Reply::redirect(status.parse().unwrap(), "/end"),
    })
    .await;
    let base = format!("http://public.test:{}", remote.port());
    let mut asked = request(method, &format!("{base}/{status}"));
    if method != "GET" {
        asked.headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
        asked.body = b"body".to_vec();
    }
    (send(&egress(Table::default()), &grants(&[&base]), asked).await, remote.requests())
}

#[tokio::test]
async fn what_sends_something_is_repeated_whole_or_not_at_all() {
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        for status in [307, 308] {
            let (answer, requests) = redirected(method, status).await;
            assert_eq!(answer.unwrap().body, b"arrived", "{method} {status}");
            let last = requests.last().unwrap();
            assert!(last.starts_with(&format!("{} /end", method.to_lowercase())), "{status}: {last}");
            assert!(last.ends_with("body") && last.contains("content-type: text/plain"), "{status}: {last}");
        }
        for status in [301, 302, 303] {
            let (answer, requests) = redirected(method, status).await;
            let Err(HttpError::Denied(message)) = answer else { panic!("{method} {status}: {answer:?}") };
            assert!(message.contains(&format!("redirects a {method} with {status}")), "{message}");
            assert_eq!(requests.len(), 1, "{method} {status}");
        }
    }
}

#[tokio::test]
async fn what_only_asks_is_repeated_for_every_redirect() {
    for status in [301, 302, 303, 307, 308] {
        let (answer, requests) = redirected("GET", status).await;
        assert_eq!((answer.unwrap().body, requests.len()), (b"arrived".to_vec(), 2), "{status}");
    }
    let (answer, _) = redirected("GET", 300).await;
    assert_eq!(answer.unwrap().status, 300, "the choice is not ours");
}
