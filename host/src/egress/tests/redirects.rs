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

#[tokio::test]
async fn method_and_body_survive_every_redirect_but_303() {
    let remote = Remote::start(|request| match request.split(['/', ' ']).nth(2).unwrap() {
        "end" => Reply::ok(""),
        status => Reply::redirect(status.parse().unwrap(), "/end"),
    })
    .await;
    let base = format!("http://public.test:{}", remote.port());
    for status in [301, 302, 303, 307, 308] {
        let mut asked = request("POST", &format!("{base}/{status}"));
        asked.headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
        asked.body = b"body".to_vec();
        send(&egress(Table::default()), &grants(&[&base]), asked).await.unwrap();
        let last = remote.requests().pop().unwrap();
        let kept = last.starts_with("post /end") && last.ends_with("body") && last.contains("content-type");
        let dropped =
            last.starts_with("get /end") && !last.ends_with("body") && !last.contains("content-type");
        assert!(if status == 303 { dropped } else { kept }, "{status}: {last}");
    }
}
