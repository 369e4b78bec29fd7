use tokio::net::TcpStream;

use super::*;

async fn dial(egress: &Egress, granted: &[&str], to: &str) -> Result<TcpStream, HttpError> {
    let to = to.parse().unwrap();
    egress.dial(&grants(granted), &Budget::new(limits()), &to, Duration::from_secs(10)).await
}

#[tokio::test]
async fn a_granted_mail_server_is_dialled_by_name_and_by_address() {
    let remote = Remote::start(|_| Reply::ok("")).await;
    let table = Table::default().with("two.test", &[&["127.0.0.7", "127.0.0.2"]]);
    let egress =
        Egress::new(AllowList::parse("127.0.0.2,127.0.0.7").unwrap(), Arc::new(table), None).unwrap();
    for scheme in ["smtp", "smtps"] {
        for host in ["127.0.0.2", "two.test"] {
            let to = format!("{scheme}://{host}:{}", remote.port());
            let stream = dial(&egress, &[&to], &to).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), remote.address, "{to}");
        }
    }
}

#[tokio::test]
async fn what_is_not_granted_or_forbidden_is_not_dialled() {
    let (public, forbidden) = Remote::public_and_forbidden(|_| Reply::ok("")).await;
    let port = public.port();
    let table = Table::default()
        .with("private.test", &[&["127.0.0.1"]])
        .with("mixed.test", &[&["127.0.0.2", "127.0.0.1"]]);
    let egress = egress(table);
    for host in
        ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "private.test", "mixed.test"]
    {
        let to = format!("smtp://{host}:{port}");
        let Err(HttpError::Denied(message)) = dial(&egress, &[&to], &to).await else { panic!("{to}") };
        assert!(message.contains("`slack`") && message.contains("`SSRF_ALLOWED_HOSTS`"), "{message}");
    }
    let to = format!("smtp://public.test:{port}");
    let granted = format!("smtps://public.test:{port}");
    let Err(HttpError::Denied(message)) = dial(&egress, &[&granted], &to).await else { panic!("{to}") };
    assert!(message.contains(&format!("allow_hosts = [\"{to}\"]")), "{message}");
    assert_eq!((public.accepted(), forbidden.accepted()), (0, 0));
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_dialled_where_it_was_checked() {
    let (public, forbidden) = Remote::public_and_forbidden(|_| Reply::ok("")).await;
    let egress = egress(Table::default().with("rebind.test", &[&["127.0.0.2"], &["127.0.0.1"]]));
    let to = format!("smtp://rebind.test:{}", public.port());
    assert_eq!(dial(&egress, &[&to], &to).await.unwrap().peer_addr().unwrap(), public.address);
    for _ in 0..10 {
        assert!(matches!(dial(&egress, &[&to], &to).await, Err(HttpError::Denied(_))));
    }
    assert_eq!(forbidden.accepted(), 0);
}

#[tokio::test]
async fn connections_are_counted_and_nobody_listening_is_named() {
    let to = {
        let listener = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
        format!("smtp://public.test:{}", listener.local_addr().unwrap().port())
    };
    let (egress, grants) = (egress(Table::default()), grants(&[&to]));
    let budget = Budget::new(EgressLimits { calls: 2, ..limits() });
    let origin: Origin = to.parse().unwrap();
    for _ in 0..2 {
        let refused = egress.dial(&grants, &budget, &origin, Duration::from_secs(10)).await;
        assert!(matches!(refused, Err(HttpError::Unreachable(message)) if message.contains(&to)));
    }
    let refused = egress.dial(&grants, &budget, &origin, Duration::from_secs(10)).await;
    assert!(matches!(refused, Err(HttpError::BudgetExceeded(_))), "{refused:?}");
}

#[tokio::test]
async fn looking_up_counts_as_waiting() {
    struct Silent;
    impl Resolver for Silent {
        fn resolve(&self, _: &str) -> Resolution {
            Box::pin(std::future::pending())
        }
    }
    let egress = Egress::new(AllowList::default(), Arc::new(Silent), None).unwrap();
    let to = "smtp://slow.test".parse().unwrap();
    let grants = grants(&["smtp://slow.test", "https://slow.test"]);
    let refused = egress.dial(&grants, &Budget::new(limits()), &to, Duration::from_millis(50)).await;
    assert_eq!(refused.unwrap_err(), HttpError::Timeout);
    let asked = HttpRequest { timeout_ms: Some(50), ..request("GET", "https://slow.test/") };
    assert_eq!(send(&egress, &grants, asked).await, Err(HttpError::Timeout));
}

#[tokio::test]
async fn mail_origins_are_not_called_as_http() {
    for url in ["smtp://public.test/", "smtps://public.test/"] {
        let refused = send(&egress(Table::default()), &grants(&[url]), request("GET", url)).await;
        assert!(matches!(refused, Err(HttpError::InvalidRequest(_))), "{url}: {refused:?}");
    }
}
