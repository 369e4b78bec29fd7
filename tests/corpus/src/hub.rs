//! What the built drivers make of a body.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use domain::alert::ParsedAlert;
use domain::fingerprint::fingerprint;
use domain::golden::RECEIVED_AT;
use domain::limits::Limits;
use domain::plugin::{Incoming, Outcome, PluginKind, PluginName};
use domain::shape::{Shape, ShapeSet};
use sandbox::{CallError, Driver, LogLevel, PluginLog, Sandbox};

/// All drivers that the hub brings, in the sandbox.
pub(crate) struct Hub {
    drivers: BTreeMap<PluginName, Driver>,
    shapes: ShapeSet,
}

/// What a driver made of a body.
#[derive(Debug, Clone)]
pub(crate) enum Made {
    /// Alerts, each with the identity that the hub keeps it under.
    Alerts(Vec<(ParsedAlert, String)>),
    /// Rightly nothing.
    Nothing(String),
    /// A refusal: the body goes to quarantine.
    Refused(String),
}

impl Hub {
    /// Loads the components of a folder.
    ///
    /// # Errors
    /// There is none, or one does not load.
    pub(crate) fn load(folder: &Path) -> Result<Self> {
        let sandbox = Sandbox::new(&sandbox::Settings::default())?;
        let entries = std::fs::read_dir(folder).with_context(|| {
            format!("`{}`\nhint: `cargo xtask plugins` builds the components", folder.display())
        })?;
        let mut drivers = BTreeMap::new();
        for entry in entries {
            let file = entry?.path();
            let name: PluginName = file.file_stem().unwrap_or_default().to_string_lossy().parse()?;
            let driver =
                sandbox.load_driver(&name, &std::fs::read(&file)?, Limits::of(PluginKind::Driver))?;
            drivers.insert(name, driver);
        }
        ensure!(!drivers.is_empty(), "`{}` holds no driver", folder.display());
        let shapes = drivers.iter().map(|(name, driver)| (name, driver.info().shapes.as_slice() as &[Shape]));
        let shapes = ShapeSet::new(shapes);
        Ok(Self { drivers, shapes })
    }

    /// The driver that reads a body which was sent to no driver's URL.
    pub(crate) fn detect(&self, body: &[u8]) -> Option<String> {
        let matches = self.shapes.matches("application/json", |_| false, body).ok()?;
        matches.first().map(|found| found.driver.to_string())
    }

    /// Has a driver read a body; none where there is no such driver.
    ///
    /// # Errors
    /// The call was stopped, which no body may bring about.
    pub(crate) async fn read(&self, driver: &str, body: Vec<u8>) -> Result<Option<Made>> {
        let Some((name, driver)) = self.drivers.iter().find(|(name, _)| name.as_str() == driver) else {
            return Ok(None);
        };
        let incoming = Incoming {
            method: "POST".to_owned(),
            query: String::new(),
            content_type: "application/json".to_owned(),
            headers: Vec::new(),
            body,
            received_at: RECEIVED_AT,
        };
        Ok(Some(match driver.parse(&incoming, "{}", &Silence).await {
            Ok(parsed) => match parsed.outcome {
                Outcome::Alerts(alerts) => {
                    let known = |alert: ParsedAlert| {
                        let identity = fingerprint(name, &alert);
                        (alert, identity)
                    };
                    Made::Alerts(alerts.into_iter().map(known).collect())
                }
                Outcome::Nothing(why) => Made::Nothing(why),
            },
            Err(CallError::Plugin(error)) => Made::Refused(error.to_string()),
            Err(CallError::Trap(trap)) => return Err(trap.into()),
        }))
    }
}

struct Silence;

impl PluginLog for Silence {
    fn log(&self, _: LogLevel, _: &str) {}
}
