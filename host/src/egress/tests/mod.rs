//! The whole way out, against listeners on loopback.
//!
//! `127.0.0.2` is on the allow list and plays the public network; `127.0.0.1` is not and must never
//! see a connection. The check is on in every test but one, which shows that the listeners notice.

mod addresses;
mod dialling;
mod exchanges;
mod mail;
mod mail_server;
mod recording;
mod redirects;
mod remote;
mod secrets;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::egress::{HttpError, HttpRequest, HttpResponse};
use domain::limits::{EgressLimits, Limits};
use domain::plugin::PluginKind;

use super::*;
use remote::{Remote, Reply};

/// Answers from a table; a name with several answers gives them one after the other.
#[derive(Default)]
struct Table {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
}

impl Table {
    fn with(self, host: &str, answers: &[&[&str]]) -> Self {
        let parse = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        self.answers.lock().unwrap().insert(host.to_owned(), answers.iter().map(parse).collect());
        self
    }
}

impl Resolver for Table {
    fn resolve(&self, host: &str) -> Resolution {
        let mut answers = self.answers.lock().unwrap();
        let found = answers.get_mut(host).map(|answers| match answers.len() {
            1 => answers[0].clone(),
            _ => answers.remove(0),
        });
        Box::pin(async move { found.ok_or_else(|| io::Error::other("no such name")) })
    }
}

/// A way out for which `public.test` and the names of `table` exist.
fn egress(table: Table) -> Egress {
    let table = table.with("public.test", &[&["127.0.0.2"]]);
    Egress::new(AllowList::parse("127.0.0.2").unwrap(), Arc::new(table), None).unwrap()
}

fn grants(origins: &[&str]) -> Grants {
    Grants {
        trace: None,
        kind: PluginKind::Notifier,
        plugin: "slack".parse().unwrap(),
        channel: None,
        origins: origins.iter().map(|origin| Origin::of_url(origin).unwrap()).collect(),
        secrets: Vec::new(),
    }
}

fn limits() -> EgressLimits {
    Limits::of(PluginKind::Notifier).egress
}

fn request(method: &str, url: &str) -> HttpRequest {
    HttpRequest {
        method: method.to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        resolve_in_body: false,
        credential: None,
        timeout_ms: None,
        signing: None,
    }
}

/// One request with a fresh budget and plenty of time.
async fn send(egress: &Egress, grants: &Grants, request: HttpRequest) -> Result<HttpResponse, HttpError> {
    egress.call(grants, &Budget::new(limits()), request, Duration::from_secs(10)).await
}
