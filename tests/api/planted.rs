//! A secret in every secret setting of every plugin that is built: it arrives where it is bound, and is
//! nowhere else to be seen, also where the remote repeats it.
//!
//! Which settings are secret is read from the plugins' own schemas, so a plugin that is added later is
//! covered by itself, as long as [`example`] knows what to write into what it requires.

use std::path::Path;

use domain::limits::Limits;
use domain::plugin::{PluginKind, PluginName, Wasi};
use reqwest::Method;
use sandbox::{ComponentFile, LoadRequest, Plugin, Sandbox};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use tests::{Answer, Home, Hub, PATIENCE, Sink, wait_for};

use crate::secrets::{Finder, check_clean};

/// What the hub is told of: one alert for each way in which a delivery may end.
const ALERTS: usize = 3;

/// Taken, refused with all that was sent, and failed with all that was sent.
fn answers() -> impl Iterator<Item = Answer> {
    let first = [Answer::Status(200, Vec::new()), Answer::Echo(400)];
    first.into_iter().chain(std::iter::repeat_n(Answer::Echo(503), 1000))
}

/// Name and schema of the settings of every built plugin of a kind.
fn built(kind: PluginKind, folder: &str) -> Vec<(String, Value)> {
    let sandbox = Sandbox::new(&sandbox::Settings::default()).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/components").join(folder);
    let files = std::fs::read_dir(folder).expect("`cargo xtask plugins` builds the components");
    let mut found: Vec<_> = files
        .map(|entry| {
            let path = entry.unwrap().path();
            let name: PluginName = path.file_stem().unwrap().to_string_lossy().parse().unwrap();
            let bytes = std::fs::read(&path).unwrap();
            let file = ComponentFile::new(bytes.as_slice().into());
            let request =
                LoadRequest { kind, name: &name, file: &file, limits: Limits::of(kind), wasi: Wasi::None };
            let schema = match sandbox.load(&request, &|_| {}).unwrap() {
                Plugin::Notifier(notifier) => notifier.info().config_schema.clone(),
                Plugin::Provider(provider) => provider.info().config_schema.clone(),
                Plugin::Driver(_) => Value::Null,
            };
            (name.to_string(), schema)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Settings, and the secrets in them.
#[derive(Default)]
struct Planted {
    settings: Map<String, Value>,
    secrets: Vec<String>,
}

impl Planted {
    /// Fills what is required, every address, and those secrets that `chosen` takes.
    fn new(plugin: &str, schema: &Value, sink: &Sink, chosen: &dyn Fn(&str) -> bool) -> Self {
        let mut planted = Self::default();
        planted.settings = planted.object(plugin, schema, sink, chosen);
        planted
    }

    fn object(
        &mut self,
        path: &str,
        schema: &Value,
        sink: &Sink,
        chosen: &dyn Fn(&str) -> bool,
    ) -> Map<String, Value> {
        let mut filled = Map::new();
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        for (name, part) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            let is_secret = part["format"] == "secret";
            let holds_secrets = part["additionalProperties"]["format"] == "secret";
            let value = if is_secret && (chosen(&path) || required.contains(&json!(name))) {
                self.secret(&path, part, sink)
            } else if holds_secrets && chosen(&path) {
                json!({ "x-planted": self.secret(&path, &part["additionalProperties"], sink) })
            } else if part["properties"].is_object() {
                Value::Object(self.object(&path, part, sink, chosen))
            } else if !is_secret
                && (part["format"] == "uri" || name == "username" || required.contains(&json!(name)))
            {
                example(name, part, sink)
            } else {
                continue;
            };
            filled.insert(name.clone(), value);
        }
        filled
    }

    /// A value that is found nowhere else; at the end of an address, where one is meant.
    fn secret(&mut self, path: &str, part: &Value, sink: &Sink) -> Value {
        let most = part["maxLength"].as_u64().unwrap_or(32).min(32);
        let mut secret = hex::encode(Sha256::digest(format!("planted {path}")));
        secret.truncate(most.try_into().unwrap());
        self.secrets.push(secret.clone());
        let is_address = path.ends_with("url") || part["format"] == "uri";
        Value::String(if is_address { format!("{}/{secret}", sink.url()) } else { secret })
    }
}

/// Something that a setting of this name may hold.
fn example(name: &str, part: &Value, sink: &Sink) -> Value {
    let authority = sink.url().split('/').nth(2).unwrap().to_owned();
    let (host, port) = authority.split_once(':').unwrap();
    match (name, part["type"].as_str()) {
        ("server", _) if part["format"] == "uri" => json!(format!("smtp://{authority}")),
        ("from_address" | "to_addresses", _) => json!("somebody@example.org"),
        _ if part["format"] == "uri" => json!(sink.url()),
        _ if part["enum"].is_array() => part["enum"][0].clone(),
        _ if !part["default"].is_null() => part["default"].clone(),
        ("host" | "server", _) => json!(host),
        ("port", _) => json!(port.parse::<u16>().unwrap()),
        ("from", _) => json!("watchbell@example.org"),
        ("to", Some("array")) => json!(["somebody@example.org"]),
        ("to", _) => json!("somebody@example.org"),
        (_, Some("integer" | "number")) => json!(part["minimum"].as_i64().unwrap_or(1)),
        (_, Some("boolean")) => json!(false),
        (_, Some("array")) => json!([example("", &part["items"], sink)]),
        (_, Some("object")) => json!({}),
        _ => json!("example"),
    }
}

/// A channel that was made, with what is planted in it and who gets it.
struct Channel {
    name: String,
    secrets: Vec<String>,
    sink: Sink,
}

impl Channel {
    /// Makes one; none where the notifier does not take the settings.
    async fn add(
        hub: &Hub,
        name: &str,
        notifier: &str,
        schema: &Value,
        chosen: &dyn Fn(&str) -> bool,
    ) -> Result<Self, String> {
        let sink = Sink::start(answers()).await;
        let Planted { settings, secrets } = Planted::new(notifier, schema, &sink, chosen);
        let settings = Value::Object(settings).to_string();
        let added = hub.cli(&["channel", "add", name, "--notifier", notifier, "--config", &settings]).await;
        match added.status.success() {
            true => Ok(Self { name: name.to_owned(), secrets, sink }),
            false => Err(String::from_utf8_lossy(&added.stderr).into_owned()),
        }
    }
}

/// One channel with all secrets of a notifier; where these exclude each other, one for each.
async fn channels(hub: &Hub, notifier: &str, schema: &Value) -> Vec<Channel> {
    let all = Channel::add(hub, notifier, notifier, schema, &|_| true).await;
    let Err(refusal) = all else { return all.into_iter().collect() };
    let probe = Sink::start([]).await;
    let mut probed = Vec::new();
    let names = std::cell::RefCell::new(&mut probed);
    Planted::new(notifier, schema, &probe, &|path| {
        names.borrow_mut().push(path.to_owned());
        false
    });
    let mut made = Vec::new();
    for (number, path) in probed.iter().enumerate() {
        let name = format!("{notifier}-{number}");
        made.extend(Channel::add(hub, &name, notifier, schema, &|other| other == path).await.ok());
    }
    assert!(!made.is_empty(), "`{notifier}` takes no settings that were tried; teach `example`: {refusal}");
    made
}

/// Sends the alerts; returns what was answered.
async fn alert(hub: &Hub) -> Vec<Value> {
    let mut accepted = Vec::new();
    for number in 0..ALERTS {
        let alert = json!({ "name": "DiskFull", "host": format!("db{number}") });
        accepted.push(hub.accept("/alerts/webhook/", &alert).await);
    }
    accepted
}

/// Deliveries to a channel, once each has been tried.
async fn tried(hub: &Hub, channel: &str) -> Vec<Value> {
    wait_for(&format!("`{channel}` was tried with every alert"), PATIENCE, async || {
        let list = hub.cli_json(&["delivery", "list", "--channel", channel, "--json"]).await;
        let deliveries = list["deliveries"].as_array()?.clone();
        let ended = |delivery: &Value| delivery["status"] == "delivered" || !delivery["error_type"].is_null();
        (deliveries.len() == ALERTS && deliveries.iter().all(ended)).then_some(deliveries)
    })
    .await
}

/// All that can be read of a hub about these deliveries.
async fn readable(hub: &Hub, deliveries: &[Value], accepted: &[Value]) -> Vec<String> {
    let (_, manage) = hub.create_key(&["--manage"]).await;
    let mut paths: Vec<String> = [
        "/alerts/",
        "/incidents/",
        "/orchestration/pipelines/",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/manage/deliveries/",
        "/manage/quarantine/",
    ]
    .map(str::to_owned)
    .to_vec();
    paths.extend(
        accepted
            .iter()
            .map(|accepted| format!("/orchestration/pipeline/{}/", accepted["run_id"].as_str().unwrap())),
    );
    let mut shown = Vec::new();
    for delivery in deliveries {
        let text = |name: &str| delivery[name].as_str().unwrap().to_owned();
        let id = text("id");
        paths.push(format!("/manage/deliveries/{id}/"));
        paths.push(format!("/orchestration/pipeline/{}/", text("run_id")));
        paths.push(format!("/incidents/{}/", text("incident_id")));
        shown.push(hub.cli_text(&["why", &id]).await);
        shown.push(hub.cli_text(&["why", &id, "--json"]).await);
        shown.push(hub.cli_text(&["delivery", "show", &id, "--json"]).await);
    }
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let reply = hub.send(hub.anonymous(Method::GET, &path).bearer_auth(&manage)).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        shown.push(format!("{:?} {}", reply.headers, reply.text()));
    }
    for arguments in [
        &["channel", "list", "--json"][..],
        &["channel", "list"],
        &["delivery", "list", "--json"],
        &["incident", "list", "--json"],
        &["plugin", "list", "--json"],
        &["check", "--json"],
    ] {
        let output = hub.cli(arguments).await;
        shown.push(String::from_utf8([output.stdout, output.stderr].concat()).unwrap());
    }
    shown
}

#[tokio::test]
async fn secrets_of_channels_go_to_their_own_remote_and_nowhere_else() {
    let home = Home::new().await.with_local_remotes();
    let mut hub = home.with("WATCHBELL_LOG", "trace").with("WATCHBELL_LOG_FORMAT", "json").start().await;
    let mut made = Vec::new();
    for (notifier, schema) in built(PluginKind::Notifier, "notifiers") {
        made.extend(channels(&hub, &notifier, &schema).await);
    }
    let accepted = alert(&hub).await;
    let mut deliveries = Vec::new();
    for channel in &made {
        deliveries.extend(tried(&hub, &channel.name).await);
    }
    for channel in &made {
        let received = text_of(&channel.sink);
        let is_sent = |secret: &&String| received.contains(secret.as_str());
        // Not each is sent: what signs is not. But a remote that got anything got one of them.
        let got = channel.secrets.iter().filter(is_sent).count();
        assert!(got > 0 || channel.sink.received().is_empty(), "`{}` sends no secret", channel.name);
        for other in made.iter().filter(|other| other.name != channel.name) {
            let foreign = other.secrets.iter().find(|secret| received.contains(secret.as_str()));
            assert_eq!(foreign, None, "`{}` got a secret of `{}`", channel.name, other.name);
        }
    }
    let http = ["generic", "slack"].map(|name| made.iter().find(|channel| channel.name == name));
    for channel in http.into_iter().flatten() {
        assert!(channel.sink.received().len() >= ALERTS, "`{}` was asked", channel.name);
    }
    let shown = readable(&hub, &deliveries, &accepted).await;
    let secrets: Vec<&str> = made.iter().flat_map(|channel| &channel.secrets).map(String::as_str).collect();
    assert!(secrets.len() >= 2, "there are secrets to look for");
    check_clean(&mut hub, &Finder::new(&secrets), &shown).await;
}

/// All that a remote got, as text.
fn text_of(sink: &Sink) -> String {
    let text = |received: &tests::Received| {
        let body = String::from_utf8_lossy(&received.body);
        format!("{} {:?} {body}\n", received.target, received.headers)
    };
    sink.received().iter().map(text).collect()
}

/// A value as `plugins.toml` takes it.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let pairs: Vec<_> =
                object.iter().map(|(name, value)| format!("{} = {}", json!(name), toml(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        other => other.to_string(),
    }
}

#[tokio::test]
async fn secrets_of_providers_go_to_their_own_remote_and_nowhere_else() {
    for (provider, schema) in built(PluginKind::Intelligence, "intelligence") {
        let (sink, told) = (Sink::start(answers()).await, Sink::start([]).await);
        let Planted { settings, secrets } = Planted::new(&provider, &schema, &sink, &|_| true);
        let origin = sink.url().trim_end_matches("/hook").to_owned();
        let lines: Vec<String> =
            settings.iter().map(|(name, value)| format!("{name} = {}", toml(value))).collect();
        let manifest = format!(
            "[provider.{provider}]\nallow_hosts = [\"{origin}\"]\n[provider.{provider}.settings]\n{}\n",
            lines.join("\n")
        );
        let home = Home::new().await.with_local_remotes();
        std::fs::write(home.path().join("plugins.toml"), manifest).unwrap();
        let home = home.with("INTELLIGENCE_PROVIDER", &provider).with("WATCHBELL_LOG", "trace");
        let mut hub = home.with("WATCHBELL_LOG_FORMAT", "json").start().await;
        hub.add_channel("good", &told.url()).await;
        let accepted = alert(&hub).await;
        let deliveries = tried(&hub, "good").await;
        assert!(secrets.is_empty() || !sink.received().is_empty(), "`{provider}` asks its remote");
        let shown = readable(&hub, &deliveries, &accepted).await;
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        check_clean(&mut hub, &Finder::new(&secrets), &shown).await;
        let received = text_of(&told);
        assert_eq!(secrets.iter().find(|secret| received.contains(**secret)), None, "`{provider}`");
    }
}
