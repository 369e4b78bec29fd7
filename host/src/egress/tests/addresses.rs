use super::*;

/// Hosts that must not be reached, as they may be written in an address. Names resolve by [`names`].
#[rustfmt::skip]
const FORBIDDEN: &[&str] = &[
    // Loopback, in every form that parsers of addresses know.
    "127.0.0.1", "127.1", "127.0.1", "127.000.000.001", "2130706433", "0x7f000001", "0x7f.1",
    "0x7f.0x0.0x0.0x1", "0177.0.0.1", "017700000001", "0177.0.1", "127.0.0.1.", "127.0.0.01",
    "0x7F.0.0.1", "127.0x0.0.1", "127.255.255.254", "127.1.1.1", "%31%32%37.0.0.1", "127%2e0%2e0%2e1",
    "①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1", "127．0．0．1",
    // This network, private, shared, link-local, assignments, benchmarks, documentation.
    "0.0.0.0", "0", "0x0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "167772161", "012.0.0.1",
    "100.64.0.1", "100.100.100.200", "100.127.255.255", "168.63.129.16", "169.254.0.1",
    "169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518",
    "172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.0.1",
    "192.168.255.255", "3232235521", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1",
    // Multicast, reserved, broadcast.
    "224.0.0.1", "239.255.255.250", "240.0.0.1", "254.255.255.255", "255.255.255.255", "4294967295",
    "0xffffffff",
    // IPv6 and what it carries inside.
    "[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::FFFF:7F00:0001]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::ffff:10.0.0.1]", "[::ffff:169.254.169.254]",
    "[::ffff:8.8.8.8]", "[::127.0.0.1]", "[::7f00:1]", "[::8.8.8.8]", "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[64:ff9b::8.8.8.8]", "[64:ff9b:1::7f00:1]",
    "[64:ff9b:1:ffff::10.0.0.1]", "[100::1]", "[100:0:0:1::1]", "[2001::1]",
    "[2001:0:4136:e378:8000:63bf:80ff:fffe]", "[2001:2::1]", "[2001:10::1]", "[2001:20::1]",
    "[2001:db8::1]", "[2002:7f00:1::]", "[2002:7f00:0001::1]", "[2002:0a00:0001::1]", "[2002:808:808::1]",
    "[3fff::1]", "[3fff:fff:ffff::1]", "[4000::1]", "[5f00::1]", "[fc00::1]", "[fd00::1]",
    "[fd00:ec2::254]", "[fd20:ce::254]", "[fdff:ffff::1]", "[fe80::1]", "[FE80::1]", "[febf::1]",
    "[fec0::1]", "[feff::1]", "[ff02::1]", "[ff05::2]", "[fe80::1%25eth0]", "[fe80::1%eth0]",
    // Names that lead there, alone or among good addresses.
    "localhost", "LocalHost", "localhost.", "app.localhost", "private.test", "PRIVATE.test",
    "private%2etest", "linklocal.test", "mapped.test", "loopback6.test", "mixed.test", "mixed6.test",
    "last.test", "nat64.test", "ｐｒｉｖａｔｅ.test",
    // Characters that some parsers cut a host at.
    "public.test@127.0.0.1", "public.test:80@127.0.0.1", "public.test%40@127.0.0.1", "@127.0.0.1",
    "127.0.0.1\t", "127.0\n.0.1", "127.0.0.1\r",
];

/// Addresses that a name must not lead to, one or more of each kind.
#[rustfmt::skip]
const FORBIDDEN_ADDRESSES: &[&str] = &[
    "127.0.0.1", "127.1.1.1", "0.0.0.0", "10.0.0.1", "100.64.0.1", "168.63.129.16", "169.254.169.254",
    "172.16.0.1", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::1", "::", "::ffff:127.0.0.1",
    "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::7f00:1",
    "100::1", "2001::1", "2001:2::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "4000::1", "5f00::1",
    "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
];

/// What plays the public network.
const GOOD: &str = "127.0.0.2";

/// Names that lead to forbidden addresses: to each alone, with good ones before, behind and around it,
/// and to each from the second look-up on.
fn bad_names() -> (Table, Vec<String>, Vec<String>) {
    let (mut table, mut always, mut later) = (Table::default(), Vec::new(), Vec::new());
    for (number, bad) in FORBIDDEN_ADDRESSES.iter().enumerate() {
        let ways: [(&str, &[&str]); 4] = [
            ("alone", &[bad]),
            ("first", &[bad, GOOD]),
            ("last", &[GOOD, GOOD, GOOD, bad]),
            ("amid", &[GOOD, bad, GOOD]),
        ];
        for (way, answer) in ways {
            let name = format!("{way}-{number}.test");
            table = table.with(&name, &[answer]);
            always.push(name);
        }
        let name = format!("later-{number}.test");
        table = table.with(&name, &[&[GOOD], &[bad]]);
        later.push(name);
    }
    (table, always, later)
}

fn names() -> Table {
    let good = GOOD;
    Table::default()
        .with("localhost", &[&["127.0.0.1", "::1"]])
        .with("app.localhost", &[&["127.0.0.1"]])
        .with("private.test", &[&["127.0.0.1"]])
        .with("linklocal.test", &[&["169.254.169.254"]])
        .with("mapped.test", &[&["::ffff:127.0.0.1"]])
        .with("loopback6.test", &[&["::1"]])
        .with("mixed.test", &[&["127.0.0.1", good]])
        .with("mixed6.test", &[&[good, "fd00::1"]])
        .with("last.test", &[&[good, good, good, "127.0.0.1"]])
        .with("nat64.test", &[&["64:ff9b::7f00:1"]])
}

/// Listeners on one port: the public one, and those that must never see a connection.
struct Network {
    public: Remote,
    forbidden: Vec<Remote>,
}

impl Network {
    async fn start(behaviour: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let (public, first) = Remote::public_and_forbidden(behaviour).await;
        let mut forbidden = vec![first];
        // As many as the machine has: one without IPv6 has no `::1`.
        for address in ["[::1]", "127.1.1.1"] {
            if let Ok(listener) = tokio::net::TcpListener::bind(format!("{address}:{}", public.port())).await
            {
                forbidden.push(Remote::on(listener, |_| Reply::ok("forbidden")));
            }
        }
        Self { public, forbidden }
    }

    fn port(&self) -> u16 {
        self.public.port()
    }

    /// Connections that must not be.
    fn breaches(&self) -> usize {
        self.forbidden.iter().map(Remote::accepted).sum()
    }
}

/// Every form of a forbidden address as the whole of a URL.
fn forbidden_urls(port: u16) -> Vec<String> {
    let mut urls: Vec<_> = FORBIDDEN.iter().map(|host| format!("http://{host}:{port}/x")).collect();
    urls.extend([
        format!("http://127.0.0.1:{port}#@public.test:{port}/"),
        format!("http://127.0.0.1:{port}\\@public.test:{port}/"),
        format!("http:\\\\127.0.0.1:{port}/"),
        format!("http:127.0.0.1:{port}/"),
        format!("http:/127.0.0.1:{port}/"),
        format!("http:////127.0.0.1:{port}/"),
        format!("\thttp://127.0.0.1:{port}/ "),
        format!("ht\ntp://127.0.0.1:{port}/"),
        format!("HTTP://127.0.0.1:{port}/"),
        format!("http://127.0.0.1:0{port}/"),
        format!("https://127.0.0.1:{port}/"),
        format!("ws://127.0.0.1:{port}/"),
        format!("ftp://127.0.0.1:{port}/"),
        format!("gopher://127.0.0.1:{port}/_GET"),
        format!("unix://127.0.0.1:{port}/"),
        format!("smtp://127.0.0.1:{port}/"),
        format!("blob:http://127.0.0.1:{port}/x"),
        format!("view-source:http://127.0.0.1:{port}/"),
        format!("//127.0.0.1:{port}/"),
        format!("127.0.0.1:{port}"),
        "file:///etc/passwd".to_owned(),
        "data:text/plain,x".to_owned(),
        String::new(),
    ]);
    urls
}

/// Sends to `url` with its own origin granted, so that only the address can be the reason.
async fn send_granted(egress: &Egress, url: &str) -> Result<HttpResponse, HttpError> {
    let own = Origin::of_url(url).into_iter().collect();
    send(egress, &Grants { origins: own, ..grants(&[]) }, request("GET", url)).await
}

#[tokio::test]
async fn no_form_of_a_forbidden_address_is_dialled() {
    let network = Network::start(|_| Reply::ok("")).await;
    let egress = egress(names());
    let urls = forbidden_urls(network.port());
    assert!(urls.len() >= 120, "{} forms", urls.len());
    let mut denied = 0;
    for url in &urls {
        let refused = send_granted(&egress, url).await;
        denied += usize::from(matches!(refused, Err(HttpError::Denied(_))));
        let named = matches!(refused, Err(HttpError::Denied(_) | HttpError::InvalidRequest(_)));
        assert!(named, "{url:?}: {refused:?}");
    }
    // The rest is no address to the parser. Were that to grow, the check would be tested less.
    assert!(denied >= 110, "{denied} forms met the check");
    assert_eq!((network.public.accepted(), network.breaches()), (0, 0));
}

#[tokio::test]
async fn no_form_of_a_forbidden_address_is_dialled_for_mail() {
    let network = Network::start(|_| Reply::ok("")).await;
    let egress = egress(names());
    let mut denied = 0;
    for host in FORBIDDEN {
        let Ok(to) = Origin::of_url(&format!("smtp://{host}:{}", network.port())) else { continue };
        let grants = Grants { origins: vec![to.clone()], ..grants(&[]) };
        let refused = egress.dial(&grants, &Budget::new(limits()), &to, Duration::from_secs(10)).await;
        assert!(matches!(refused, Err(HttpError::Denied(_))), "{host}: {refused:?}");
        denied += 1;
    }
    assert!(denied >= 110, "{denied} forms met the check");
    assert_eq!((network.public.accepted(), network.breaches()), (0, 0));
}

#[tokio::test]
async fn no_name_that_leads_to_a_forbidden_address_is_dialled() {
    let network = Network::start(|_| Reply::ok("public")).await;
    let (table, always, later) = bad_names();
    let egress = egress(table);
    let url = |name: &String| format!("http://{name}:{}/", network.port());
    assert!(always.len() >= 150, "{} names", always.len());
    for name in &always {
        let refused = send_granted(&egress, &url(name)).await;
        assert!(matches!(refused, Err(HttpError::Denied(_))), "{name}: {refused:?}");
    }
    assert_eq!(network.public.accepted(), 0);
    // The first look-up finds a good address, and that is where the request goes.
    for name in &later {
        assert_eq!(send_granted(&egress, &url(name)).await.unwrap().body, b"public", "{name}");
        let refused = send_granted(&egress, &url(name)).await;
        assert!(matches!(refused, Err(HttpError::Denied(_))), "{name}: {refused:?}");
    }
    assert_eq!((network.public.accepted(), network.breaches()), (later.len(), 0));
}

#[tokio::test]
async fn no_redirect_leads_to_a_forbidden_address() {
    let targets = Arc::new(Mutex::new((0, String::new())));
    let shared = Arc::clone(&targets);
    let network = Network::start(move |_| {
        let (status, location) = shared.lock().unwrap().clone();
        Reply::redirect(status, &location)
    })
    .await;
    let egress = egress(names());
    let base = format!("http://public.test:{}/", network.port());
    let mut sent = 0;
    for location in forbidden_urls(network.port()) {
        // What cannot stand in a header ends the header, and what cannot be granted is refused anyway.
        if !location.is_ascii() || location.contains(['\r', '\n']) || location.is_empty() {
            continue;
        }
        let mut grants = grants(&[&base]);
        grants.origins.extend(Origin::of_url(&location));
        for (status, method) in
            [(301, "GET"), (302, "POST"), (303, "GET"), (307, "POST"), (308, "PUT"), (302, "GET")]
        {
            *targets.lock().unwrap() = (status, location.clone());
            let refused = send(&egress, &grants, request(method, &base)).await;
            let named = matches!(refused, Err(HttpError::Denied(_) | HttpError::Unreachable(_)));
            assert!(named, "{status} {method} {location:?}: {refused:?}");
            sent += 1;
        }
    }
    assert!(sent >= 600, "{sent} redirects");
    assert_eq!(network.breaches(), 0);
}

#[tokio::test]
async fn allowed_hosts_are_reached_in_every_honest_form() {
    let (public, forbidden) = Remote::public_and_forbidden(|_| Reply::ok("public")).await;
    let inside =
        Remote::on(tokio::net::TcpListener::bind("127.0.0.3:0").await.unwrap(), |_| Reply::ok("inside"));
    let table = names()
        .with("public.test", &[&["127.0.0.2"]])
        .with("two.test", &[&["127.0.0.2", "127.0.0.2"]])
        .with("xn--bcher-kva.test", &[&["127.0.0.2"]])
        .with("inside.test", &[&["127.0.0.3"]]);
    let allow = AllowList::parse("127.0.0.2/32, inside.test").unwrap();
    let egress = Egress::new(allow, Arc::new(table), None).unwrap();
    let hosts = [
        "public.test",
        "PUBLIC.test",
        "pu%62lic.test",
        "ｐｕｂｌｉｃ.test",
        "two.test",
        "bücher.test",
        "BÜCHER.test",
        "xn--bcher-kva.test",
        "127.0.0.2",
        "127.2",
        "127.0.2",
        "2130706434",
        "0x7f000002",
        "0x7f.2",
        "0177.0.0.2",
        "017700000002",
        "127.0.0.2.",
        "%31%32%37.0.0.2",
        "①②⑦.⓪.⓪.②",
    ];
    assert_eq!(hosts.len() + 1, 20, "with the name below");
    for host in hosts {
        let answer = send_granted(&egress, &format!("http://{host}:{}/", public.port())).await;
        assert_eq!(answer.map(|answer| answer.body), Ok(b"public".to_vec()), "{host}");
    }
    // A name on the list stands for its address; the address alone and other names do not.
    let answer = send_granted(&egress, &format!("http://inside.test:{}/", inside.port())).await;
    assert_eq!(answer.unwrap().body, b"inside");
    let refused = send_granted(&egress, &format!("http://127.0.0.3:{}/", inside.port())).await;
    assert!(matches!(refused, Err(HttpError::Denied(_))));
    assert_eq!((inside.accepted(), forbidden.accepted()), (1, 0));
}

#[tokio::test]
async fn a_refusal_names_plugin_host_address_and_the_setting() {
    let refused = send_granted(&egress(names()), "http://private.test/path?q=1").await;
    let Err(HttpError::Denied(message)) = refused else { panic!("{refused:?}") };
    for part in ["`slack`", "`private.test`", "127.0.0.1", "loopback", "hint: ", "`SSRF_ALLOWED_HOSTS`"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(!message.contains("path"), "{message}");
}

#[tokio::test]
async fn odd_forms_on_the_list_of_exceptions_do_not_open_other_forms() {
    let network = Network::start(|_| Reply::ok("")).await;
    let allow = AllowList::parse("127.0.0.2,public.test,10.0.0.0/8,::ffff:10.0.0.1").unwrap();
    let egress = Egress::new(allow, Arc::new(names()), None).unwrap();
    for url in
        forbidden_urls(network.port()).iter().filter(|url| url.contains("127.") || url.contains("7f00"))
    {
        assert!(send_granted(&egress, url).await.is_err(), "{url}");
    }
    assert_eq!(network.breaches(), 0);
}

/// A design without the check, or one that looks the name up again after it.
struct Careless(Arc<Table>);

impl reqwest::dns::Resolve for Careless {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let found = self.0.resolve(name.as_str());
        Box::pin(async move {
            let addresses: reqwest::dns::Addrs =
                Box::new(found.await?.into_iter().map(|address| (address, 0).into()));
            Ok(addresses)
        })
    }
}

fn careless(table: &Arc<Table>) -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .dns_resolver(Arc::new(Careless(Arc::clone(table))))
        .connect_timeout(Duration::from_millis(50))
        .timeout(Duration::from_secs(2))
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_listeners_notice_a_design_without_the_check() {
    let network = Network::start(|_| Reply::ok("")).await;
    let client = careless(&Arc::new(names()));
    for url in forbidden_urls(network.port()) {
        // Others are routed somewhere by some machines, and nowhere by most.
        if ["127.", "localhost", "private", "::1]"].iter().any(|local| url.contains(local)) {
            let _ = client.get(url).send().await;
        }
    }
    assert!(network.breaches() >= 20, "{} connections", network.breaches());
}

#[tokio::test]
async fn the_listeners_notice_a_redirect_that_is_followed() {
    let network = Network::start(|request| {
        let port = request.split("host: public.test:").nth(1).unwrap().split('\r').next().unwrap();
        Reply::redirect(302, &format!("http://127.0.0.1:{port}/"))
    })
    .await;
    let client = careless(&Arc::new(Table::default().with("public.test", &[&[GOOD]])));
    let answer = client.get(format!("http://public.test:{}/", network.port())).send().await.unwrap();
    assert_eq!((answer.text().await.unwrap().as_str(), network.breaches()), ("forbidden", 1));
}

#[tokio::test]
async fn the_listeners_notice_a_design_that_looks_up_twice() {
    let network = Network::start(|_| Reply::ok("public")).await;
    let local = ["127.0.0.1", "127.1.1.1", "::ffff:127.0.0.1"];
    let mut table = Table::default();
    for (number, bad) in local.iter().enumerate() {
        table = table.with(&format!("later-{number}.test"), &[&[GOOD], &[bad]]);
    }
    let (table, allow) = (Arc::new(table), AllowList::parse(GOOD).unwrap());
    let client = careless(&table);
    for number in 0..local.len() {
        let name = format!("later-{number}.test");
        resolve::look_up(&allow, &*table, &name).await.unwrap();
        let answer = client.get(format!("http://{name}:{}/", network.port())).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "forbidden", "{name}");
    }
    assert_eq!((network.public.accepted(), network.breaches()), (0, local.len()));
}
