//! Drivers in languages that bring a runtime, in the real sandbox and behind a real hub.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use domain::limits::Limits;
use domain::plugin::{Incoming, Outcome, PluginKind, Wasi};
use domain::time::Timestamp;
use sandbox::{
    CallError, ComponentFile, Driver, LoadError, LoadRequest, LogLevel, Plugin, PluginLog, Sandbox, Settings,
};
use serde_json::json;
use tests::{ComponentizePy, Home, Jco, golden_cases};

/// When these webhooks arrive: 2026-06-01T12:00:00Z.
const RECEIVED_AT: i64 = 1_780_315_200_000;

/// A driver that does what the body says.
const OBEDIENT: &str = r#"
import { log } from "watchbell:plugin/host-log@0.1.0";
const bytes = (ascii) => Uint8Array.from(ascii, (character) => character.charCodeAt(0));
const alert = (description) => ({
  name: "a", status: "firing", rawStatus: "", severity: "info", rawSeverity: "", description,
  labels: [], annotations: [], links: [], extra: "",
});
const orders = {
  clock: () => `${Date.now()} ${Math.random()}`,
  loop: () => { for (;;) {} },
  hoard: () => { const all = []; for (;;) all.push(new Uint8Array(1 << 20)); },
  recurse: () => orders.recurse() + 1,
  throw: () => { throw new Error("on purpose"); },
  chatter: () => { for (let n = 0; n < 500; n++) log("info", `line ${n}`); return ""; },
};
export const driver = {
  metadata: () => ({
    plugin: { name: "subject", version: "1.0.0", summary: "obeys", extra: "" },
    signatures: [], shapes: [], sample: bytes("clock"),
  }),
  parse: ({ body }) => ({
    outcome: { tag: "alerts", val: [alert(orders[String.fromCharCode(...body)]())] },
    groupKey: "", receiver: "", externalUrl: "", version: "", warnings: [],
  }),
};
"#;

/// Python's own clock, random numbers, output and exit.
const PYTHON: &str = r#"
import random, sys, time
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports import driver
from wit_world.imports import types

class Driver(exports.Driver):
    def metadata(self):
        info = types.PluginInfo(name="subject", version="1.0.0", summary="obeys", homepage=None, extra="")
        return driver.DriverInfo(plugin=info, signatures=[], shapes=[], delivery_id_header=None, sample=b"clock")

    def parse(self, request, config):
        order = request.body.decode(errors="replace")
        if order == "loop":
            while True:
                pass
        if order == "exit":
            sys.exit(3)
        if order != "clock":
            raise Err(types.PluginError_InvalidInput(f"no such order: {order[:20]}"))
        print("a line")
        alert = types.Alert(
            fingerprint=None, name="a", status=types.AlertStatus.FIRING, raw_status="",
            severity=types.Severity.INFO, raw_severity="",
            description=f"{int(time.time() * 1000)} {random.random()}",
            starts_at=None, ends_at=None, labels=[], annotations=[], links=[], extra="",
        )
        return driver.Parsed(
            outcome=driver.Outcome_Alerts([alert]), group_key="", receiver="", external_url="", version="", warnings=[],
        )
"#;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/examples/javascript")
}

fn load(name: &str, component: &[u8], wasi: Wasi) -> Result<Driver, LoadError> {
    let sandbox =
        Sandbox::new(&Settings { slots: 8, reserved_for_drivers: 4, ..Settings::default() }).unwrap();
    // The machine may be busy; what is to bite is the processor's time.
    let limits = Limits { wall: Duration::from_secs(60), ..Limits::of(PluginKind::Driver) };
    let (kind, name, file) =
        (PluginKind::Driver, &name.parse().unwrap(), &ComponentFile::new(component.into()));
    match sandbox.load(&LoadRequest { kind, name, file, limits, wasi }, &|_| {})? {
        Plugin::Driver(driver) => Ok(driver),
        other => panic!("loaded as a driver: {other:?}"),
    }
}

#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

impl PluginLog for Lines {
    fn log(&self, _: LogLevel, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

async fn parse(driver: &Driver, body: &[u8], lines: &Lines) -> Result<Outcome, CallError> {
    let incoming = Incoming {
        method: "POST".into(),
        query: String::new(),
        content_type: "application/json".into(),
        headers: vec![],
        body: body.to_vec(),
        received_at: Timestamp::from_millis(RECEIVED_AT),
    };
    driver.parse(&incoming, "{}", lines).await.map(|parsed| parsed.outcome)
}

/// The description of the one alert.
async fn description(driver: &Driver, body: &str) -> String {
    match parse(driver, body.as_bytes(), &Lines::default()).await.unwrap() {
        Outcome::Alerts(alerts) => alerts[0].description.clone(),
        Outcome::Nothing(why) => panic!("nothing: {why}"),
    }
}

/// How a call ends that has no result.
async fn end(driver: &Driver, body: &str) -> &'static str {
    parse(driver, body.as_bytes(), &Lines::default()).await.map_or_else(|error| error.error_type(), |_| "ok")
}

#[tokio::test]
async fn javascript_example_keeps_the_contract() {
    let Some(jco) = Jco::find() else { return };
    let source = std::fs::read_to_string(example().join("driver.js")).unwrap();
    let component = jco.driver(&source);
    let refused = load("siren", &component, Wasi::None).unwrap_err();
    assert_eq!(refused.error_type(), "load.import");
    assert!(refused.to_string().contains("put `wasi = \"virtual\"` under `[driver.siren]`"), "{refused}");

    golden_cases(&example(), &component);
    let driver = load("siren", &component, Wasi::Virtual).unwrap();
    // The engine's own reader nests its calls: 100,000 of these end the call as `trap.stack`.
    let nested = "[".repeat(400);
    let hostile: [&[u8]; 9] = [
        b"",
        b"null",
        b"[]",
        b"\"text\"",
        b"\xff\xfe",
        b"{\"state\":{}}",
        b"{\"check\":1,\"state\":\"crit\"}",
        b"{\"__proto__\":1,\"state\":\"toString\"}",
        nested.as_bytes(),
    ];
    for body in hostile {
        match parse(&driver, body, &Lines::default()).await {
            Ok(_) | Err(CallError::Plugin(_)) => {}
            Err(CallError::Trap(trap)) => {
                panic!("{trap} of {:?}", String::from_utf8_lossy(&body[..body.len().min(40)]))
            }
        }
    }
}

#[tokio::test]
async fn javascript_is_bounded_and_sees_the_moment_of_its_webhook() {
    let Some(jco) = Jco::find() else { return };
    let component = jco.driver(OBEDIENT);
    let driver = load("subject", &component, Wasi::Virtual).unwrap();
    let first = description(&driver, "clock").await;
    assert!(first.starts_with(&format!("{RECEIVED_AT} 0.")), "{first}");
    assert_eq!(first, description(&driver, "clock").await);
    let elsewhere = load("subject", &component, Wasi::Virtual).unwrap();
    assert_eq!(first, description(&elsewhere, "clock").await, "in another sandbox too");

    assert_eq!(end(&driver, "loop").await, "trap.cpu");
    assert_eq!(end(&driver, "hoard").await, "trap.memory");
    assert_eq!(end(&driver, "recurse").await, "trap.stack");
    for gives_up in ["throw", "no such order"] {
        assert_eq!(end(&driver, gives_up).await, "trap.panic", "{gives_up}");
    }
    let lines = Lines::default();
    parse(&driver, b"chatter", &lines).await.unwrap();
    let lines = lines.0.into_inner().unwrap();
    assert_eq!((lines.len(), lines[100].as_str()), (101, "400 further lines of this call were dropped"));
}

#[tokio::test]
async fn javascript_driver_works_behind_a_hub() {
    let Some(jco) = Jco::find() else { return };
    let source = std::fs::read_to_string(example().join("driver.js")).unwrap();
    let home = Home::new().await;
    std::fs::create_dir(home.path().join("plugins.d")).unwrap();
    std::fs::write(home.path().join("plugins.d/siren.wasm"), jco.driver(&source)).unwrap();
    std::fs::write(home.path().join("plugins.toml"), "[driver.siren]\nwasi = \"virtual\"\n").unwrap();
    let hub = home.start().await;
    // By its shape, and by its URL.
    let event = json!({ "via": "siren", "check": "disk", "host": "db-3", "state": "crit" });
    for path in ["/alerts/webhook/", "/alerts/webhook/siren/"] {
        let answer = hub.accept(path, &event).await;
        assert_eq!((&answer["driver"], &answer["outcome"]), (&json!("siren"), &json!("parsed")), "{answer}");
    }
    let alerts = hub.list("/alerts/?source=siren").await;
    assert_eq!((alerts.len(), &alerts[0]["name"]), (1, &json!("disk")));
    let answer = hub.accept("/alerts/webhook/siren/", &json!({ "state": 7 })).await;
    assert_eq!(answer["outcome"], "quarantined", "{answer}");
}

#[tokio::test]
async fn python_is_bounded_and_sees_the_moment_of_its_webhook() {
    let Some(tool) = ComponentizePy::find() else { return };
    let component = tool.driver(PYTHON);
    assert_eq!(load("subject", &component, Wasi::None).unwrap_err().error_type(), "load.import");
    let driver = load("subject", &component, Wasi::Virtual).unwrap();
    let first = description(&driver, "clock").await;
    assert!(first.starts_with(&format!("{RECEIVED_AT} 0.")), "{first}");
    assert_eq!(first, description(&driver, "clock").await);
    let lines = Lines::default();
    parse(&driver, b"clock", &lines).await.unwrap();
    assert_eq!(*lines.0.lock().unwrap(), ["a line"]);
    assert_eq!(end(&driver, "loop").await, "trap.cpu");
    assert_eq!(end(&driver, "exit").await, "trap.exit");
    assert_eq!(end(&driver, "\u{fffd}").await, "invalid_input");
}
