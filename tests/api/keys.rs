//! Who may call what.

use std::time::Duration;

use domain::id::KeyId;
use domain::key::ApiKey;
use domain::time::Timestamp;
use reqwest::{Method, RequestBuilder};
use sha2::{Digest as _, Sha256};
use store::Store;
use tests::{Home, Hub, wait_for};

/// A revoked key is believed at most this long by a hub that knows it, and a moment for the machine.
const REVOKED_WITHIN: Duration = Duration::from_secs(8);

/// Every route, with the status of an answer to a caller who may call it, and whether it needs no key.
fn routes() -> Vec<(Method, &'static str, u16, bool)> {
    let unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let with = |prefix: &str| -> &'static str { Box::leak(format!("{prefix}{unknown}/").into_boxed_str()) };
    vec![
        (Method::GET, "/alerts/webhook/", 200, true),
        (Method::HEAD, "/alerts/webhook/", 200, true),
        (Method::POST, "/alerts/webhook/", 202, false),
        (Method::POST, "/alerts/webhook/generic/", 202, false),
        (Method::GET, "/alerts/", 200, false),
        (Method::GET, with("/alerts/"), 404, false),
        (Method::GET, "/incidents/", 200, false),
        (Method::GET, with("/incidents/"), 404, false),
        (Method::GET, "/orchestration/pipelines/", 200, false),
        (Method::GET, with("/orchestration/pipeline/"), 404, false),
        (Method::GET, "/metrics", 200, false),
        (Method::GET, "/healthz", 200, true),
        (Method::GET, "/readyz", 200, true),
        // Not there, and that is nobody's business without a key.
        (Method::GET, "/alerts/no/such/path/", 404, false),
        (Method::OPTIONS, "/alerts/webhook/", 204, false),
        (Method::PUT, "/alerts/webhook/", 405, false),
    ]
}

/// Asks every route as one caller; `expected` says the status where a key is needed.
async fn check_all(
    hub: &Hub,
    who: &str,
    credentials: impl Fn(RequestBuilder) -> RequestBuilder,
    expected: impl Fn(&Method, &str, u16) -> u16,
) {
    for (method, path, allowed, exempt) in routes() {
        let mut request = hub.anonymous(method.clone(), path);
        if method == Method::POST {
            request = request.body(r#"{"name":"Key"}"#);
        }
        let status = hub.send(credentials(request)).await.status;
        let expected = if exempt { allowed } else { expected(&method, path, allowed) };
        assert_eq!(status, expected, "{who}: {method} {path}");
    }
}

/// A key that has ended, which the command line cannot make.
async fn expired_key(hub: &Hub) -> String {
    let token = format!("wbk_{}", "e".repeat(40));
    let key = ApiKey {
        id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<KeyId>().unwrap(),
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
    let bearer = |token: String| move |request: RequestBuilder| request.bearer_auth(&token);
    check_all(&hub, "none", |request| request, |_, _, _| 401).await;
    check_all(&hub, "unknown", bearer(format!("wbk_{}", "0".repeat(40))), |_, _, _| 401).await;
    check_all(&hub, "expired", bearer(expired_key(&hub).await), |_, _, _| 401).await;
    let (id, token) = hub.create_key(&[]).await;
    hub.cli_text(&["key", "revoke", &id]).await;
    check_all(&hub, "revoked", bearer(token), |_, _, _| 401).await;
    let (_, token) = hub.create_key(&["--allow", "/alerts/webhook/"]).await;
    check_all(&hub, "restricted", bearer(token), |_, path, allowed| {
        let nothing = path.contains("/no/such/");
        if nothing || path.starts_with("/alerts/webhook/") { allowed } else { 403 }
    })
    .await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    check_all(&hub, "manager", bearer(token), |_, _, allowed| allowed).await;
    check_all(&hub, "usual", bearer(hub.token().to_owned()), |_, _, allowed| allowed).await;
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
