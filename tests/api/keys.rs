//! Who may call what.

use std::time::Duration;

use domain::id::KeyId;
use domain::key::ApiKey;
use domain::time::Timestamp;
use reqwest::Method;
use sha2::{Digest as _, Sha256};
use store::Store;
use tests::{Home, Hub, wait_for};

/// A revoked key is believed at most this long by a hub that knows it, and a moment for the machine.
const REVOKED_WITHIN: Duration = Duration::from_secs(8);

/// The identifier of the key that has ended.
const EXPIRED: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAX";

/// A request to one route.
struct Ask {
    method: Method,
    /// As the hub lists it.
    route: &'static str,
    path: String,
    body: &'static str,
    /// What who may call it is answered.
    allowed: u16,
}

/// One request to every route. A route that the hub lists and that is not here fails the test below.
#[expect(clippy::too_many_lines, reason = "a table")]
fn requests() -> Vec<Ask> {
    let rows = [
        ("GET", "/alerts/webhook", "", 200),
        ("POST", "/alerts/webhook", r#"{"name":"Key"}"#, 202),
        ("POST", "/alerts/webhook/{driver}", r#"{"name":"Key"}"#, 202),
        ("GET", "/alerts", "", 200),
        ("GET", "/alerts/{id}", "", 404),
        ("POST", "/alerts/{id}/{action}", "", 404),
        ("GET", "/incidents", "", 200),
        ("GET", "/incidents/{id}", "", 404),
        ("POST", "/incidents/{id}/{action}", "", 404),
        ("GET", "/intelligence/health", "", 200),
        ("GET", "/intelligence/providers", "", 200),
        ("GET", "/intelligence/recommendations", "", 200),
        ("POST", "/intelligence/recommendations", "", 200),
        // Without a `plugins.toml` nothing may look at the machine.
        ("GET", "/intelligence/memory", "", 409),
        ("GET", "/intelligence/disk", "", 409),
        ("GET", "/orchestration/pipelines", "", 200),
        ("POST", "/orchestration/pipeline", r#"{"payload":{"name":"Key"}}"#, 202),
        ("POST", "/orchestration/pipeline/sync", r#"{"payload":{"colour":"red"}}"#, 200),
        ("GET", "/orchestration/pipeline/{run_id}", "", 404),
        ("POST", "/orchestration/pipeline/{run_id}/resume", "", 404),
        ("GET", "/orchestration/why/{id}", "", 404),
        ("GET", "/orchestration/trace/{trace_id}", "", 404),
        ("POST", "/notify/send", r#"{"channel":"nobody","title":"Key","message":"Key"}"#, 404),
        // Without settings, so that nothing is sent.
        ("POST", "/notify/send/{driver}", r#"{"title":"Key","message":"Key","config":{}}"#, 422),
        ("POST", "/notify/batch", r#"{"notifications":[{}]}"#, 200),
        ("GET", "/notify/drivers", "", 200),
        ("GET", "/notify/drivers/{driver}", "", 200),
        ("GET", "/manage/channels", "", 200),
        ("POST", "/manage/channels", "{}", 400),
        ("GET", "/manage/channels/{id}", "", 404),
        ("PATCH", "/manage/channels/{id}", "{}", 404),
        ("DELETE", "/manage/channels/{id}", "", 404),
        ("POST", "/manage/channels/{id}/test", "", 404),
        ("POST", "/manage/channels/{id}/disable", "", 404),
        ("POST", "/manage/channels/{id}/enable", "", 404),
        ("GET", "/manage/deliveries", "", 200),
        ("POST", "/manage/deliveries/retry", r#"{"all":true}"#, 200),
        ("GET", "/manage/deliveries/{id}", "", 404),
        ("POST", "/manage/deliveries/{id}/retry", "", 404),
        ("GET", "/manage/hosts", "", 200),
        ("GET", "/manage/keys", "", 200),
        ("POST", "/manage/keys", r#"{"name":"Key"}"#, 201),
        ("POST", "/manage/keys/{id}/revoke", "", 404),
        ("GET", "/manage/plugins", "", 200),
        ("GET", "/manage/plugins/{kind}/{name}", "", 404),
        ("POST", "/manage/plugins/{kind}/{name}/approve", "", 404),
        ("POST", "/manage/plugins/{kind}/{name}/disable", "", 404),
        ("POST", "/manage/plugins/{kind}/{name}/enable", "", 404),
        ("POST", "/manage/plugins/{kind}/{name}/rollback", "", 404),
        ("GET", "/manage/providers", "", 200),
        ("GET", "/manage/providers/{name}", "", 404),
        ("PUT", "/manage/providers/{name}", r#"{"settings":{}}"#, 404),
        ("DELETE", "/manage/providers/{name}", "", 404),
        ("POST", "/manage/providers/{name}/activate", "", 404),
        ("POST", "/manage/providers/{name}/test", "", 404),
        ("GET", "/manage/quarantine", "", 200),
        ("POST", "/manage/quarantine/reparse", r#"{"all":true}"#, 200),
        // Which driver's has to be said.
        ("POST", "/manage/quarantine/discard", r#"{"driver":"generic"}"#, 200),
        ("GET", "/manage/quarantine/{run_id}", "", 404),
        ("POST", "/manage/quarantine/{run_id}/reparse", "", 404),
        ("POST", "/manage/quarantine/{run_id}/discard", "", 409),
        ("POST", "/manage/replay/{run_id}", "", 404),
        ("GET", "/manage/routes", "", 200),
        // Whether it is the first of this name is not the question here.
        ("POST", "/manage/routes", "{}", 400),
        ("POST", "/manage/routes/test", "{}", 200),
        ("GET", "/manage/routes/{id}", "", 404),
        ("PATCH", "/manage/routes/{id}", "{}", 404),
        ("DELETE", "/manage/routes/{id}", "", 404),
        ("GET", "/manage/runs/{run_id}/outputs", "", 404),
        ("GET", "/manage/secrets", "", 200),
        // A good one would have the requests above refused.
        ("POST", "/manage/secrets/webhook/{driver}", r#"{"value":""}"#, 400),
        ("POST", "/manage/secrets/webhook/{driver}/remove", "", 404),
        ("GET", "/metrics", "", 200),
        ("GET", "/openapi.json", "", 200),
        ("GET", "/healthz", "", 200),
        ("GET", "/readyz", "", 200),
    ];
    let ask = |(method, route, body, allowed): (&str, &'static str, &'static str, u16)| Ask {
        method: method.parse().unwrap(),
        route,
        path: fill(route),
        body,
        allowed,
    };
    rows.into_iter().map(ask).collect()
}

/// A path of this route, with names of things that are not there.
fn fill(route: &str) -> String {
    let unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let route = route.replace("{driver}", "generic").replace("{action}", "close");
    route.replace("{id}", unknown).replace("{run_id}", unknown)
}

/// What the hub says of its routes: method, path, what is needed.
pub(crate) async fn listed(hub: &Hub) -> Vec<(Method, String, String)> {
    let text = hub.cli_text(&["routes"]).await;
    let parse = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[0].parse().unwrap(), words[1].to_owned(), words[2].to_owned())
    };
    text.lines().map(parse).collect()
}

/// What a caller is answered for a route that needs this, if its key opens these prefixes.
fn expected(caller: Caller, needs: &str, ask: &Ask) -> u16 {
    match (needs, caller) {
        ("nothing", _) => ask.allowed,
        (_, Caller::Nobody) => 401,
        ("management", Caller::Manager) => ask.allowed,
        ("management", _) => 403,
        (_, Caller::Restricted(prefix)) if !ask.path.starts_with(prefix) => 403,
        _ => ask.allowed,
    }
}

#[derive(Clone, Copy)]
enum Caller {
    /// Without a key, or with one that is worth nothing.
    Nobody,
    Restricted(&'static str),
    Usual,
    Manager,
}

async fn check_all(hub: &Hub, who: &str, token: Option<&str>, caller: Caller) {
    let needs = listed(hub).await;
    for ask in requests() {
        let needs =
            needs.iter().find(|(method, route, _)| (method, route.as_str()) == (&ask.method, ask.route));
        let (_, _, needs) = needs.unwrap_or_else(|| panic!("{} {} is not there", ask.method, ask.route));
        let expected = expected(caller, needs, &ask);
        let also = (ask.method == Method::GET).then_some(Method::HEAD);
        for method in [ask.method.clone()].into_iter().chain(also) {
            for slash in ["", "/"] {
                let request = hub.anonymous(method.clone(), &format!("{}{slash}", ask.path)).body(ask.body);
                let request = token.iter().fold(request, |request, token| request.bearer_auth(token));
                let reply = hub.send(request).await;
                assert_eq!(reply.status, expected, "{who}: {method} {}{slash}: {}", ask.path, reply.text());
            }
        }
    }
}

/// A key that has ended, which the command line cannot make.
async fn expired_key(hub: &Hub) -> String {
    let token = format!("wbk_{}", "e".repeat(40));
    let key = ApiKey {
        id: EXPIRED.parse::<KeyId>().unwrap(),
        name: "expired".to_owned(),
        prefix: token[..8].to_owned(),
        allowed_endpoints: Vec::new(),
        manage: false,
        created_at: Timestamp::from_micros(0),
        expires_at: Some(Timestamp::from_micros(1)),
        revoked_at: None,
        last_used_at: None,
    };
    let url = format!("sqlite://{}", hub.database_files()[0].display());
    let store = Store::open(&url, store::Options::default()).await.unwrap();
    store.add_api_key(&key, &Sha256::digest(token.as_bytes()).into()).await.unwrap();
    store.close().await;
    token
}

#[tokio::test]
async fn each_caller_gets_the_answer_of_its_key_on_every_route() {
    let hub = Hub::new().await;
    let (id, revoked) = hub.create_key(&[]).await;
    hub.cli_text(&["key", "revoke", &id]).await;
    let (unknown, expired) = (format!("wbk_{}", "0".repeat(40)), expired_key(&hub).await);
    let (_, reader) = hub.create_key(&["--allow", "/incidents/"]).await;
    let (_, ingest) = hub.create_key(&["--allow", "/alerts/webhook/"]).await;
    let (_, manager) = hub.create_key(&["--manage"]).await;
    check_all(&hub, "none", None, Caller::Nobody).await;
    check_all(&hub, "malformed", Some("wbk_nonsense"), Caller::Nobody).await;
    check_all(&hub, "unknown", Some(&unknown), Caller::Nobody).await;
    check_all(&hub, "expired", Some(&expired), Caller::Nobody).await;
    check_all(&hub, "revoked", Some(&revoked), Caller::Nobody).await;
    check_all(&hub, "reader", Some(&reader), Caller::Restricted("/incidents")).await;
    check_all(&hub, "ingest", Some(&ingest), Caller::Restricted("/alerts/webhook")).await;
    check_all(&hub, "usual", Some(hub.token()), Caller::Usual).await;
    check_all(&hub, "manager", Some(&manager), Caller::Manager).await;
}

#[tokio::test]
async fn every_route_that_is_served_is_listed_and_tried_by_every_caller() {
    let hub = Hub::new().await;
    let listed = listed(&hub).await;
    let mut routes: Vec<_> =
        listed.iter().map(|(method, path, _)| (method.to_string(), path.clone())).collect();
    let mut tried: Vec<_> =
        requests().into_iter().map(|ask| (ask.method.to_string(), ask.route.to_owned())).collect();
    routes.sort();
    tried.sort();
    assert_eq!(routes, tried, "a route was added or taken away: `requests` has to follow");
    // What is not listed at all is not answered; of what is, the router says itself which methods it has.
    let (_, manager) = hub.create_key(&["--manage"]).await;
    for (_, path) in &routes {
        let reply = hub.send(hub.anonymous(Method::TRACE, &fill(path)).bearer_auth(&manager)).await;
        // Health belongs to no API, so that no key may do anything else to it.
        if matches!(path.as_str(), "/healthz" | "/readyz") {
            reply.problem(403, "forbidden");
            continue;
        }
        reply.problem(405, "method-not-allowed");
        let mut served: Vec<&str> =
            reply.header("allow").split(',').filter(|method| *method != "HEAD").collect();
        served.sort_unstable();
        let methods: Vec<&str> =
            routes.iter().filter(|(_, other)| other == path).map(|(method, _)| method.as_str()).collect();
        assert_eq!(served, methods, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_nobodys_business_without_a_key() {
    let hub = Hub::new().await;
    for (method, path, status) in [
        (Method::GET, "/alerts/no/such/path/", 404),
        (Method::OPTIONS, "/alerts/webhook/", 204),
        (Method::PUT, "/alerts/webhook/", 405),
        (Method::POST, "/healthz/", 403),
        (Method::GET, "/intelligence/health/more/", 404),
    ] {
        assert_eq!(hub.send(hub.anonymous(method.clone(), path)).await.status, 401, "{method} {path}");
        assert_eq!(hub.send(hub.request(method.clone(), path)).await.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_key_made_over_http_works_until_it_is_revoked_there_and_then_not_once_more() {
    let hub = Hub::new().await;
    let (_, manager) = hub.create_key(&["--manage"]).await;
    let manage = |method: Method, path: &str| hub.anonymous(method, path).bearer_auth(&manager);
    let end = "2999-01-01T00:00:00Z";
    let wish = format!(r#"{{"name":"made","allowed_endpoints":["/alerts/"],"expires_at":"{end}"}}"#);
    let made = hub.send(manage(Method::POST, "/manage/keys/").body(wish)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let (id, token) = (made["key"]["id"].as_str().unwrap(), made["token"].as_str().unwrap());
    let status =
        async |path: &str| hub.send(hub.anonymous(Method::GET, path).bearer_auth(token)).await.status;
    assert_eq!((status("/alerts/").await, status("/incidents/").await), (200, 403));
    let find = async || {
        let list = hub.send(manage(Method::GET, "/manage/keys/")).await;
        assert!(!list.text().contains(token), "a token is shown once");
        let keys = list.json()["keys"].as_array().unwrap().clone();
        keys.into_iter().find(|key| key["id"] == id).unwrap()
    };
    let shown = find().await;
    assert_eq!(
        (&shown["state"], &shown["name"], &shown["manage"]),
        (&"live".into(), &"made".into(), &false.into())
    );
    assert!(shown["expires_at"].as_str().unwrap().starts_with("2999-01-01"), "{shown}");
    let revoked = hub.send(manage(Method::POST, &format!("/manage/keys/{id}/revoke/"))).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    assert_eq!(status("/alerts/").await, 401, "at once in this process");
    assert_eq!(find().await["state"], "revoked");
}

#[tokio::test]
async fn keys_that_could_never_be_used_are_refused_and_say_why() {
    let hub = Hub::new().await;
    let (_, manager) = hub.create_key(&["--manage"]).await;
    for (wish, why) in [
        ("", "name"),
        (r#"{"name":" "}"#, "name"),
        (r#"{"name":"x","expires_at":"2001-01-01T00:00:00Z"}"#, "past"),
        (r#"{"name":"x","expires_at":"soon"}"#, "expires_at"),
        (r#"{"name":"x","allowed_endpoints":["alerts"]}"#, "path prefix"),
        (r#"{"name":"x","allowed_endpoints":["/manage/keys/"]}"#, "management key"),
        (r#"{"name":"x","admin":true}"#, "admin"),
    ] {
        let request = hub.anonymous(Method::POST, "/manage/keys/").bearer_auth(&manager).body(wish);
        let detail = hub.send(request).await.problem(400, "invalid-parameter");
        assert!(detail.contains(why), "{wish}: {detail}");
    }
}

#[tokio::test]
async fn keys_end_when_the_command_line_said_so_and_the_list_says_in_which_state_they_are() {
    let hub = Hub::new().await;
    let (live, _) = hub.create_key(&["--expires-in", "90d"]).await;
    let (dated, _) = hub.create_key(&["--expires-at", "2999-01-01T00:00:00Z"]).await;
    let (revoked, _) = hub.create_key(&[]).await;
    hub.cli_text(&["key", "revoke", &revoked]).await;
    expired_key(&hub).await;
    let keys = hub.cli_json(&["key", "list", "--json"]).await["keys"].as_array().unwrap().clone();
    let find = |id: &str| keys.iter().find(|key| key["id"] == id).unwrap();
    let time = |value: &serde_json::Value| value.as_str().unwrap().parse::<Timestamp>().unwrap();
    let lives = time(&find(&live)["expires_at"]).since(time(&find(&live)["created_at"]));
    assert_eq!(lives, Duration::from_secs(90 * 86_400));
    assert_eq!(find(&dated)["expires_at"], "2999-01-01T00:00:00.000000Z");
    for (id, state) in
        [(&live, "live"), (&dated, "live"), (&revoked, "revoked"), (&EXPIRED.to_owned(), "expired")]
    {
        assert_eq!(find(id)["state"], state, "{id}");
    }
    for wrong in
        [["--expires-in", "90"], ["--expires-at", "tomorrow"], ["--expires-at", "2001-01-01T00:00:00Z"]]
    {
        let output = hub.cli(&[&["key", "create", "--name", "x"][..], &wrong].concat()).await;
        assert!(!output.status.success(), "{wrong:?}");
    }
}

#[tokio::test]
async fn refusals_are_problems_that_say_nothing_of_the_key() {
    let hub = Hub::new().await;
    let missing = hub.send(hub.anonymous(Method::GET, "/alerts/")).await;
    let wrong = hub.send(hub.anonymous(Method::GET, "/alerts/").bearer_auth("wbk_nonsense")).await;
    let detail = missing.problem(401, "unauthenticated");
    assert_eq!(detail, wrong.problem(401, "unauthenticated"));
    assert_eq!(missing.header("www-authenticate"), "Bearer");
    let (_, token) = hub.create_key(&["--allow", "/incidents/"]).await;
    let refused = hub.send(hub.anonymous(Method::GET, "/alerts/").bearer_auth(token)).await;
    refused.problem(403, "forbidden");
}

#[tokio::test]
async fn a_key_is_taken_from_any_of_its_three_places() {
    let hub = Hub::new().await;
    let (get, token) = (|| hub.anonymous(Method::GET, "/alerts/"), hub.token());
    assert_eq!(hub.send(get().bearer_auth(token)).await.status, 200);
    assert_eq!(hub.send(get().header("x-api-key", token)).await.status, 200);
    assert_eq!(hub.send(get().basic_auth("whoever", Some(token))).await.status, 200);
    assert_eq!(hub.send(get().basic_auth(token, Some("x"))).await.status, 401);
    assert_eq!(hub.get(&format!("/alerts/?limit=1&key={token}")).await.status, 400);
}

#[tokio::test]
async fn revoked_key_that_is_in_use_is_refused_within_seconds() {
    let hub = Hub::new().await;
    let (id, token) = hub.create_key(&[]).await;
    let status = async || hub.send(hub.anonymous(Method::GET, "/alerts/").bearer_auth(&token)).await.status;
    assert_eq!(status().await, 200);
    hub.cli_text(&["key", "revoke", &id]).await;
    wait_for("the revoked key is refused", REVOKED_WITHIN, async || (status().await == 401).then_some(()))
        .await;
}

#[tokio::test]
async fn without_keys_everybody_is_let_in_and_the_log_warns() {
    let hub = Home::new().await.with("API_KEY_AUTH_ENABLED", "0").start().await;
    assert_eq!(hub.send(hub.anonymous(Method::GET, "/alerts/")).await.status, 200);
    let warning = hub.log().find(0, "API_KEY_AUTH_ENABLED").unwrap();
    assert!(warning.contains("WARN"), "{warning}");
}
