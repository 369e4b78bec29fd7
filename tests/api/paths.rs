//! Paths, methods and what every answer carries.

use reqwest::Method;
use tests::{Home, Hub, PATIENCE, wait_for};

const READ: [&str; 6] =
    ["/alerts", "/incidents", "/orchestration/pipelines", "/alerts/webhook", "/healthz", "/readyz"];

#[tokio::test]
async fn every_path_works_with_and_without_its_slash_and_is_never_redirected() {
    let hub = Hub::new().await;
    for path in READ {
        for end in ["", "/", "//"] {
            assert_eq!(hub.get(&format!("{path}{end}")).await.status, 200, "{path}{end}");
        }
        assert_eq!(hub.get(&format!("{path}/?")).await.status, 200, "{path}");
    }
    for path in ["/alerts/webhook", "/alerts/webhook/generic"] {
        for end in ["", "/", "/?strict=1", "?strict=1"] {
            let reply = hub.post(&format!("{path}{end}"), r#"{"name":"Slash"}"#).await;
            assert_eq!(reply.status, 202, "{path}{end}: {}", reply.text());
        }
    }
    let alert = hub.list("/alerts/?name=Slash").await.remove(0);
    let path = format!("/alerts/{}", alert["id"].as_str().unwrap());
    for end in ["", "/"] {
        assert_eq!(hub.get(&format!("{path}{end}")).await.json()["id"], alert["id"]);
    }
}

#[tokio::test]
async fn head_is_get_without_a_body_and_options_says_what_is_allowed() {
    let hub = Hub::new().await;
    for path in READ {
        let get = hub.get(path).await;
        let head = hub.send(hub.request(Method::HEAD, path)).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        // Health needs no key to read, and is no API that a key opens.
        if matches!(path, "/healthz" | "/readyz") {
            continue;
        }
        let options = hub.send(hub.request(Method::OPTIONS, path)).await;
        assert_eq!(options.status, 204, "{path}");
        assert!(options.header("allow").contains("GET"), "{path}: {:?}", options.headers);
    }
    let options = hub.send(hub.request(Method::OPTIONS, "/alerts/webhook/generic/")).await;
    assert_eq!((options.status, options.header("allow")), (204, "POST"));
}

#[tokio::test]
async fn wrong_methods_and_unknown_paths_are_problems() {
    let hub = Hub::new().await;
    for path in READ {
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let reply = hub.send(hub.request(method, path)).await;
            // What belongs to no API is nothing that an API key may write to.
            if matches!(path, "/healthz" | "/readyz") {
                reply.problem(403, "forbidden");
                continue;
            }
            reply.problem(405, "method-not-allowed");
            assert!(reply.header("allow").contains("GET"), "{path}: {:?}", reply.headers);
        }
    }
    hub.get("/alerts/webhook/generic/").await.problem(405, "method-not-allowed");
    hub.post("/alerts/", "{}").await.problem(405, "method-not-allowed");
    hub.get("/alerts/one/two/three/").await.problem(404, "not-found");
    hub.get("/orchestration/").await.problem(404, "not-found");
    hub.get("/nowhere/").await.problem(404, "not-found");
    let detail = hub.post("/alerts/webhook/nobody/", "{}").await.problem(404, "unknown-driver");
    for driver in ["`nobody`", "`alertmanager`", "`generic`", "`grafana`"] {
        assert!(detail.contains(driver), "{detail}");
    }
}

#[tokio::test]
async fn every_answer_names_its_request_and_is_no_page_for_a_browser() {
    let hub = Hub::new().await;
    let replies = [
        hub.get("/alerts/").await,
        hub.get("/healthz").await,
        hub.get("/alerts/nowhere/at/all").await,
        hub.post("/alerts/webhook/", "{}").await,
        hub.send(hub.anonymous(Method::GET, "/alerts/")).await,
    ];
    let mut ids: Vec<&str> = replies.iter().map(|reply| reply.header("x-request-id")).collect();
    assert!(ids.iter().all(|id| id.len() == 26), "{ids:?}");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), replies.len());
    for reply in &replies {
        assert_eq!(reply.header("x-frame-options"), "DENY");
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(reply.header("referrer-policy"), "same-origin");
        assert_eq!(reply.header("cache-control"), "no-store");
        assert!(reply.header("content-security-policy").contains("default-src 'none'"));
        assert!(reply.headers.get("server").is_none() && reply.headers.get("set-cookie").is_none());
    }
}

#[tokio::test]
async fn health_is_told_without_a_key() {
    let hub = Hub::new().await;
    let alive = hub.send(hub.anonymous(Method::GET, "/healthz")).await;
    assert_eq!((alive.status, &alive.json()["status"]), (200, &"ok".into()));
    let ready = hub.send(hub.anonymous(Method::GET, "/readyz/")).await;
    assert_eq!((ready.status, &ready.json()["status"]), (200, &"ready".into()));
    let endpoint = hub.send(hub.anonymous(Method::GET, "/alerts/webhook/")).await;
    assert_eq!((endpoint.status, &endpoint.json()["status"]), (200, &"ok".into()));
}

#[tokio::test]
async fn the_line_of_a_refused_request_says_where_it_came_from() {
    let hub = Home::new().await.with("TRUSTED_PROXIES", "127.0.0.1").start().await;
    let request = hub.anonymous(Method::GET, "/alerts/").header("x-forwarded-for", "6.6.6.6, 203.0.113.5");
    hub.send(request).await.problem(401, "unauthenticated");
    let line = wait_for("the line", PATIENCE, async || hub.log().find(0, "GET /alerts answered 401")).await;
    assert!(line.contains("client.address=203.0.113.5"), "{line}");
}
