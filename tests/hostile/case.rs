//! A hostile plugin as an entry of a table: what it is, how its calls end, and which limit does it.

use std::sync::Arc;
use std::time::Duration;

use domain::limits::Limits;
use domain::plugin::{PluginKind, Wasi};
use sandbox::{CallError, ComponentFile, LoadError, LoadRequest, Sandbox, Spent};

use crate::driver::Driver;
use crate::harness::{Lines, is_clean, subject, webhook};
use crate::notifier::Notifier;
use crate::remote::{Host, Remote, notification};

/// The world of drivers that virtual WASI is made for.
const WITH_WASI: &str = "driver-with-wasi";

/// One hostile component.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) plugin: Plugin,
    pub(crate) limits: Limits,
    /// The end of every call under these limits.
    pub(crate) ends: Ends,
    pub(crate) proof: Proof,
}

/// The component, and what its calls need besides.
#[derive(Clone)]
pub(crate) enum Plugin {
    /// Called with this body.
    Driver(Driver, Vec<u8>),
    /// Its settings are looked over, then it delivers through this remote.
    Notifier(Notifier, Remote),
}

/// How a call ends.
#[derive(Clone, Copy)]
pub(crate) enum Ends {
    /// With a result.
    Answered,
    /// With this `error.type` and a message that has this text.
    With(&'static str, &'static str),
}

/// What shows that it is this limit which ends the calls, and not another or a mistake in the test.
pub(crate) enum Proof {
    /// The same component under other limits ends so.
    Raised(Limits, Ends),
    /// No setting raises this limit; a component that keeps within it is answered.
    Benign(Plugin),
}

impl From<Driver> for Plugin {
    fn from(driver: Driver) -> Self {
        Self::Driver(driver, b"{}".to_vec())
    }
}

impl From<Notifier> for Plugin {
    fn from(notifier: Notifier) -> Self {
        Self::Notifier(notifier, Remote::Answers)
    }
}

impl Case {
    /// A case whose limit can be raised.
    pub(crate) fn raised(
        name: &'static str,
        plugin: impl Into<Plugin>,
        (limits, ends): (Limits, Ends),
        (raised, then): (Limits, Ends),
    ) -> Self {
        Self { name, plugin: plugin.into(), limits, ends, proof: Proof::Raised(raised, then) }
    }

    /// A case whose limit is fixed.
    pub(crate) fn fixed(
        name: &'static str,
        plugin: impl Into<Plugin>,
        ends: Ends,
        benign: impl Into<Plugin>,
    ) -> Self {
        let plugin = plugin.into();
        let limits = match plugin {
            Plugin::Driver(..) => driver_limits(),
            Plugin::Notifier(..) => notifier_limits(),
        };
        Self { name, plugin, limits, ends, proof: Proof::Benign(benign.into()) }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// A driver's limits with room for a busy machine in wall time: what must bite is set by the case.
pub(crate) fn driver_limits() -> Limits {
    Limits { wall: MINUTE, ..Limits::of(PluginKind::Driver) }
}

/// The same for notifiers.
pub(crate) fn notifier_limits() -> Limits {
    Limits { wall: MINUTE, ..Limits::of(PluginKind::Notifier) }
}

/// A plugin that passed the loader.
pub(crate) enum Loaded {
    Driver(sandbox::Driver, Vec<u8>),
    Notifier(sandbox::Notifier, Remote),
}

/// What came of a call.
pub(crate) struct Ended {
    pub(crate) outcome: Result<(), CallError>,
    /// What is wrong with what it wrote to the log.
    log: Result<(), String>,
    pub(crate) spent: Spent,
}

impl Plugin {
    pub(crate) fn load(&self, sandbox: &Sandbox, limits: Limits) -> Result<Loaded, LoadError> {
        match self {
            Self::Driver(driver, body) => {
                let wasi = if driver.world == WITH_WASI { Wasi::Virtual } else { Wasi::None };
                let (kind, name) = (PluginKind::Driver, &subject());
                let file = &ComponentFile::new(driver.build().into());
                match sandbox.load(&LoadRequest { kind, name, file, limits, wasi }, &|_| {})? {
                    sandbox::Plugin::Driver(driver) => Ok(Loaded::Driver(driver, body.clone())),
                    other => panic!("loaded as a driver: {other:?}"),
                }
            }
            Self::Notifier(notifier, remote) => sandbox
                .load_notifier(&subject(), &notifier.build(), limits)
                .map(|notifier| Loaded::Notifier(notifier, *remote)),
        }
    }
}

impl Loaded {
    /// One call.
    pub(crate) async fn call(&self) -> Ended {
        match self {
            Self::Driver(driver, body) => {
                let lines = Lines::default();
                let parsed = driver.parse(&webhook(body.clone()), "{}", &lines).await;
                let (log, spent) = (lines.check(driver.limits().log_lines), *lines.1.lock().unwrap());
                Ended { outcome: parsed.map(drop), log, spent }
            }
            Self::Notifier(notifier, remote) => {
                let host = Arc::new(Host::new(*remote));
                let outcome = self.deliver(notifier, &host).await;
                // The lines of both of its calls.
                let log = host.lines.check(2 * notifier.limits().log_lines);
                Ended { outcome, log, spent: *host.lines.1.lock().unwrap() }
            }
        }
    }

    async fn deliver(&self, notifier: &sandbox::Notifier, host: &Arc<Host>) -> Result<(), CallError> {
        notifier.validate_config("{}", Arc::clone(host) as _).await?;
        notifier.send(&notification(), "{}", Arc::clone(host) as _).await.map(drop)
    }
}

impl Ends {
    /// Says what is wrong when a call ended otherwise, or when its log is not fit to be read.
    pub(crate) fn compare(self, ended: Ended) -> Result<(), String> {
        ended.log?;
        match (self, ended.outcome) {
            (Self::Answered, Ok(())) => Ok(()),
            (Self::With(error_type, text), Err(error)) if error.error_type() == error_type => {
                let message = error.to_string();
                let by_whom = error.as_trap().is_none() || message.contains("`subject` 1.0.0: `");
                let remedy = error.as_trap().is_none() || message.contains("\nhint: ");
                if message.contains(text) && by_whom && remedy && is_clean(&message) {
                    Ok(())
                } else {
                    Err(format!("the message is {message:?}, without {text:?}"))
                }
            }
            (Self::Answered, Err(error)) => Err(format!("was not answered: {error}")),
            (Self::With(error_type, _), Err(error)) => {
                Err(format!("ended with `{}` instead of `{error_type}`: {error}", error.error_type()))
            }
            (Self::With(error_type, _), Ok(())) => Err(format!("was answered instead of `{error_type}`")),
        }
    }
}
