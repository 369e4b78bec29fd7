//! `/openapi.json`: what it says holds, and nothing is left out.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Home, Hub, Schemathesis, Sink};

use crate::keys::listed;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// A hub that has something of everything, a management key, and what is there by name.
async fn full(sink: &Sink) -> (Hub, String, [String; 6]) {
    let hub = Home::new().await.with_local_remotes().start().await;
    let (_, token) = hub.create_key(&["--manage"]).await;
    hub.add_channel("ops", &sink.url()).await;
    let body = json!({ "name": "Known", "severity": "odd", "labels": { "host": "db-1" } });
    let accepted = hub.accept("/alerts/webhook/generic/", &body).await;
    let run = hub.downstream(accepted["trace_id"].as_str().unwrap()).await;
    let unread = hub.post("/alerts/webhook/", "not JSON").await.json();
    // Of a driver that nobody sends to here.
    hub.cli_on(&["secrets", "set", "webhook/pagerduty"], b"a secret").await;
    let alert = hub.list("/alerts/?limit=1").await.remove(0);
    let made = hub.cli_json(&["route", "add", "known", "--disabled", "--json"]).await;
    let channel = &hub.cli_json(&["channel", "list", "--json"]).await["channels"][0];
    let names = [
        &alert["id"],
        &run["incident_id"],
        &run["run_id"],
        &unread["run_id"],
        &made["route"]["id"],
        &channel["id"],
    ];
    (hub, token, names.map(|name| name.as_str().expect("an identifier").to_owned()))
}

async fn read(hub: &Hub, token: &str, path: &str) -> Value {
    let reply = hub.send(hub.anonymous(Method::GET, path).bearer_auth(token)).await;
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply.json()
}

/// `METHOD path` of every operation, paths without their last slash.
fn described(document: &Value) -> BTreeSet<String> {
    let operations = document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let path = path.strip_suffix('/').unwrap_or(path);
        let there = METHODS.into_iter().filter(|method| item.get(method).is_some());
        there.map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

#[tokio::test]
async fn every_route_is_described_and_asks_for_a_key() {
    let hub = Hub::new().await;
    hub.send(hub.anonymous(Method::GET, "/openapi.json")).await.problem(401, "unauthenticated");
    let (_, token) = hub.create_key(&["--manage"]).await;
    let document = read(&hub, &token, "/openapi.json").await;
    let listed = listed(&hub).await.into_iter().map(|(method, path, _)| format!("{method} {path}"));
    let listed: BTreeSet<String> = listed.collect();
    assert!(listed.len() > 15, "{listed:?}");
    assert_eq!(described(&document), listed);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let what = format!("{method} {path}");
            let open = operation["security"] == json!([]);
            let answers = operation["responses"].as_object().unwrap();
            for status in ["401", "403"] {
                assert_eq!(answers.contains_key(status), !open, "{what} {status}");
            }
            assert!(answers.contains_key("429") && answers.contains_key("503"), "{what}");
            assert!(operation["summary"].is_string() && operation["operationId"].is_string(), "{what}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{what}: {parameter}");
            }
            if open {
                let reply = hub.send(hub.anonymous(Method::GET, path)).await;
                assert_eq!(reply.status, 200, "{what}");
            }
        }
    }
}

/// Names of an answer that its description does not have.
fn undescribed(document: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    let schemas = all(document, schema);
    match value {
        Value::Object(fields) => {
            // Where any name may stand, there is nothing to compare.
            let free = schemas.iter().any(|schema| schema.get("additionalProperties").is_some());
            if free || schemas.iter().all(|schema| schema.get("properties").is_none()) {
                return;
            }
            for (name, value) in fields {
                let at = format!("{at}.{name}");
                match schemas.iter().find_map(|schema| schema["properties"].get(name)) {
                    Some(schema) => undescribed(document, schema, value, &at, found),
                    None => found.push(at),
                }
            }
        }
        Value::Array(items) => {
            let schema = schemas.iter().find_map(|schema| schema.get("items"));
            for item in items {
                match schema {
                    Some(schema) => undescribed(document, schema, item, at, found),
                    None => found.push(format!("{at}[]")),
                }
            }
        }
        _ => {}
    }
}

/// A schema with those that it refers to and is put together from.
fn all<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let mut schemas = vec![schema];
    if let Some(reference) = schema["$ref"].as_str() {
        schemas.extend(all(document, document.pointer(reference.trim_start_matches('#')).unwrap()));
    }
    for parts in ["allOf", "oneOf", "anyOf"] {
        for part in schema[parts].as_array().into_iter().flatten() {
            schemas.extend(all(document, part));
        }
    }
    schemas
}

#[tokio::test]
async fn answers_hold_nothing_that_is_not_described() {
    let sink = Sink::start([]).await;
    let (hub, token, [alert, incident, run, unread, route, channel]) = full(&sink).await;
    hub.cli_text(&["incident", "acknowledge", &incident, "known"]).await;
    let document = read(&hub, &token, "/openapi.json").await;
    let told = read(&hub, &token, &format!("/orchestration/pipeline/{run}/")).await;
    let delivery = told["deliveries"][0]["id"].as_str().unwrap().to_owned();
    let mut found = Vec::new();
    for (template, path) in [
        ("/alerts/webhook/", "/alerts/webhook/".to_owned()),
        ("/alerts/", "/alerts/".to_owned()),
        ("/alerts/{id}/", format!("/alerts/{alert}/")),
        ("/incidents/", "/incidents/".to_owned()),
        ("/incidents/{id}/", format!("/incidents/{incident}/")),
        ("/orchestration/pipelines/", "/orchestration/pipelines/".to_owned()),
        ("/orchestration/pipeline/{run_id}/", format!("/orchestration/pipeline/{run}/")),
        ("/orchestration/pipeline/{run_id}/", format!("/orchestration/pipeline/{unread}/")),
        ("/orchestration/why/{id}/", format!("/orchestration/why/{alert}/")),
        ("/manage/runs/{run_id}/outputs/", format!("/manage/runs/{run}/outputs/")),
        ("/notify/drivers/", "/notify/drivers/".to_owned()),
        ("/notify/drivers/{driver}/", "/notify/drivers/slack/".to_owned()),
        ("/manage/channels/", "/manage/channels/".to_owned()),
        ("/manage/channels/{id}/", format!("/manage/channels/{channel}/")),
        ("/manage/deliveries/", "/manage/deliveries/".to_owned()),
        ("/manage/deliveries/{id}/", format!("/manage/deliveries/{delivery}/")),
        ("/manage/quarantine/", "/manage/quarantine/".to_owned()),
        ("/manage/quarantine/{run_id}/", format!("/manage/quarantine/{unread}/")),
        ("/manage/secrets/", "/manage/secrets/".to_owned()),
        ("/intelligence/health/", "/intelligence/health/".to_owned()),
        ("/intelligence/providers/", "/intelligence/providers/".to_owned()),
        ("/intelligence/recommendations/", "/intelligence/recommendations/".to_owned()),
        ("/manage/plugins/", "/manage/plugins/".to_owned()),
        ("/manage/plugins/{kind}/{name}/", "/manage/plugins/driver/grafana/".to_owned()),
        ("/manage/providers/", "/manage/providers/".to_owned()),
        ("/manage/providers/{name}/", "/manage/providers/local/".to_owned()),
        ("/manage/routes/", "/manage/routes/".to_owned()),
        ("/manage/routes/{id}/", format!("/manage/routes/{route}/")),
        ("/healthz", "/healthz".to_owned()),
        ("/readyz", "/readyz".to_owned()),
    ] {
        let answer = read(&hub, &token, &path).await;
        let schema =
            &document["paths"][template]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{template}");
        undescribed(&document, schema, &answer, template, &mut found);
    }
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn what_the_description_says_holds_for_made_up_requests() {
    let Some(schemathesis) = Schemathesis::find() else { return };
    let sink = Sink::start([]).await;
    let (hub, token, [alert, incident, run, unread, route, channel]) = full(&sink).await;
    // Those with an identifier in the path first, about something that is there.
    let known = [
        ("GET /alerts/{id}/", "path.id", alert.as_str()),
        ("GET /incidents/{id}/", "path.id", &incident),
        ("POST /incidents/{id}/{action}/", "path.id", &incident),
        ("POST /alerts/{id}/{action}/", "path.id", &alert),
        ("GET /orchestration/pipeline/{run_id}/", "path.run_id", &run),
        ("GET /manage/routes/{id}/", "path.id", &route),
        ("GET /manage/channels/{id}/", "path.id", &channel),
        ("PATCH /manage/channels/{id}/", "path.id", &channel),
        ("POST /manage/channels/{id}/test/", "path.id", &channel),
        ("GET /notify/drivers/{driver}/", "path.driver", "generic"),
        ("PATCH /manage/routes/{id}/", "path.id", &route),
        ("GET /orchestration/why/{id}/", "path.id", &incident),
        ("GET /intelligence/recommendations/", "query.incident_id", &incident),
        ("GET /manage/providers/{name}/", "path.name", "local"),
        ("PUT /manage/providers/{name}/", "path.name", "local"),
        ("POST /manage/providers/{name}/activate/", "path.name", "local"),
        ("POST /manage/providers/{name}/test/", "path.name", "local"),
        ("GET /manage/quarantine/{run_id}/", "path.run_id", &unread),
        ("POST /manage/replay/{run_id}/", "path.run_id", &unread),
        ("POST /manage/quarantine/{run_id}/reparse/", "path.run_id", &unread),
    ];
    for (examples, parameters) in [(20, known.as_slice()), (20, &[])] {
        let (passed, said) = schemathesis.run(&hub, &token, examples, parameters).await;
        assert!(passed, "{said}");
        assert!(said.contains(" passed"), "{said}");
    }
}
