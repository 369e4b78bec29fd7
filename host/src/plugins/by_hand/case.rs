//! Golden cases: an input, and what was reviewed to come of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use domain::golden;
use domain::plugin::Incoming;
use domain::shape::ShapeSet;
use sandbox::{CallError, Driver, LogLevel, Notifier, Plugin, PluginLog, Provider, Trap};
use serde_json::{Value, json};

use super::input;
use super::rehearsal::Rehearsal;
use super::subject::Subject;

/// How the files with results end.
const EXPECTED: &str = ".expected.json";
/// How inputs end, and as what a driver gets them.
const INPUTS: [(&str, &str); 2] =
    [(".json", "application/json"), (".form", "application/x-www-form-urlencoded")];

/// One case of a folder: `<name>.json` or `<name>.form`, and `<name>.expected.json`.
#[derive(Debug)]
pub struct Case {
    /// What the files are called.
    pub name: String,
    /// The input.
    pub input: PathBuf,
    /// Where the result that is right is kept.
    pub expected: PathBuf,
    content_type: &'static str,
}

/// What a case showed.
#[derive(Debug)]
pub enum Verdict {
    /// The plugin does what is expected of it.
    Same,
    /// It does something else, or nothing is expected yet.
    Differs {
        /// What is expected, where anything is.
        expected: Option<Value>,
        /// What was found.
        found: Value,
    },
    /// The call has no result that could be compared.
    Trapped(Box<Trap>),
}

/// The cases of a folder, by name.
///
/// # Errors
/// When the folder cannot be read, holds no case, or a result without its input.
pub fn cases(folder: &Path) -> Result<Vec<Case>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("`{}`", folder.display()))? {
        files.push(entry?.file_name().to_string_lossy().into_owned());
    }
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with(EXPECTED)) {
        let Some((name, content_type)) =
            INPUTS.iter().find_map(|(end, content_type)| Some((file.strip_suffix(end)?, *content_type)))
        else {
            continue;
        };
        ensure!(
            cases.iter().all(|case| case.name != name),
            "two inputs are called `{name}` and would share one result\nhint: rename one of them"
        );
        cases.push(Case {
            name: name.to_owned(),
            input: folder.join(file),
            expected: folder.join(format!("{name}{EXPECTED}")),
            content_type,
        });
    }
    for name in files.iter().filter_map(|file| file.strip_suffix(EXPECTED)) {
        ensure!(
            cases.iter().any(|case| case.name == name),
            "`{name}{EXPECTED}` has no input beside it\nhint: add `{name}.json`, or delete it"
        );
    }
    ensure!(
        !cases.is_empty(),
        "`{}` holds no case\nhint: a case is an input such as `firing.json`",
        folder.display()
    );
    Ok(cases)
}

impl Subject {
    /// Runs one case and compares.
    ///
    /// # Errors
    /// When a file of the case cannot be read or understood.
    pub async fn judge(&self, case: &Case) -> Result<Verdict> {
        let input = std::fs::read(&case.input).with_context(|| format!("`{}`", case.input.display()))?;
        let expected = expected(&case.expected)?;
        let found = match &self.plugin {
            Plugin::Driver(driver) => parse(driver, case.content_type, input).await,
            Plugin::Notifier(notifier) => send(notifier, &whole(&input)?).await?,
            Plugin::Provider(provider) => analyze(provider, &whole(&input)?).await?,
        };
        Ok(match found {
            Ok(found) if expected.as_ref() == Some(&found) => Verdict::Same,
            Ok(found) => Verdict::Differs { expected, found },
            Err(trap) => Verdict::Trapped(trap),
        })
    }
}

fn expected(file: &Path) -> Result<Option<Value>> {
    match std::fs::read(file) {
        Ok(bytes) => {
            let expected = serde_json::from_slice(&bytes);
            expected.map(Some).with_context(|| format!("`{}` is not JSON", file.display()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("`{}`", file.display())),
    }
}

fn whole(input: &[u8]) -> Result<Value> {
    serde_json::from_slice(input).context("the input is not JSON")
}

type Found = Result<Value, Box<Trap>>;

/// The result, or the refusal; a trap is neither.
fn result(called: Result<Value, CallError>) -> Found {
    match called {
        Ok(found) => Ok(found),
        Err(CallError::Plugin(error)) => Ok(golden::error(&error)),
        Err(CallError::Trap(trap)) => Err(trap),
    }
}

/// Without the settings of `plugins.toml`: a case means the same wherever it runs. The shape pins
/// detection too.
async fn parse(driver: &Driver, content_type: &str, body: Vec<u8>) -> Found {
    let incoming = Incoming {
        method: "POST".to_owned(),
        query: String::new(),
        content_type: content_type.to_owned(),
        headers: Vec::new(),
        body,
        received_at: golden::RECEIVED_AT,
    };
    let parsed = driver.parse(&incoming, "{}", &Silence).await;
    let mut found = result(parsed.map(|parsed| golden::parsed(&parsed)))?;
    let info = driver.info();
    let shapes = ShapeSet::new([(&info.plugin.name, info.shapes.as_slice())]);
    let matches = shapes.matches(content_type, |_| false, &incoming.body).unwrap_or_default();
    put(&mut found, "shape", json!(matches.first().map(|found| &found.shape)));
    Ok(found)
}

async fn send(notifier: &Notifier, case: &Value) -> Result<Found> {
    let part = |name: &str| case.get(name).cloned().unwrap_or_else(|| json!({}));
    let notification = input::notification(part("notification"))?;
    let config = part("config").to_string();
    let host = Arc::new(Rehearsal::new(case)?);
    let problems = match notifier.validate_config(&config, Arc::<Rehearsal>::clone(&host)).await {
        Ok(problems) => golden::problems(&problems),
        Err(error) => match result(Err(error)) {
            Ok(error) => error,
            Err(trap) => return Ok(Err(trap)),
        },
    };
    let sent = notifier.send(&notification, &config, Arc::<Rehearsal>::clone(&host)).await;
    let sent = result(sent.map(|receipt| golden::receipt(&receipt)));
    Ok(sent.map(|result| json!({ "problems": problems, "requests": host.requests(), "result": result })))
}

async fn analyze(provider: &Provider, case: &Value) -> Result<Found> {
    let part = |name: &str| case.get(name).cloned().unwrap_or_else(|| json!({}));
    let request = input::analysis_request(part("request"))?;
    let host = Arc::new(Rehearsal::new(case)?);
    let config = part("config").to_string();
    let analysis = provider.analyze(&request, &config, Arc::<Rehearsal>::clone(&host)).await;
    Ok(result(analysis.map(|analysis| golden::analysis(&analysis))).map(|mut found| {
        let requests = host.requests();
        if !requests.is_empty() {
            put(&mut found, "requests", Value::Array(requests));
        }
        found
    }))
}

fn put(value: &mut Value, key: &str, part: Value) {
    if let Value::Object(fields) = value {
        fields.insert(key.to_owned(), part);
    }
}

struct Silence;

impl PluginLog for Silence {
    fn log(&self, _: LogLevel, _: &str) {}
}
