//! Notifiers: a notification in, a delivery out.

use std::fmt;
use std::sync::Arc;

use domain::limits::Limits;
use domain::plugin::{Notification, NotifierInfo, Problem, Receipt};

use crate::bindings::driver::watchbell::plugin::types;
use crate::bindings::notifier::exports::watchbell::plugin::notifier as guest;
use crate::bound::{Reader, notifier_info, plugin_error, problems, receipt};
use crate::call::Export;
use crate::guest as to_guest;
use crate::host::HostServices;
use crate::load::Prepared;
use crate::load_error::LoadError;
use crate::remote::{Read, Remote};
use crate::sandbox::Shared;
use crate::step::LoadStep;
use crate::trap::CallError;

type ValidateParams<'a> = (&'a str,);
type ValidateResult = (Vec<guest::Problem>,);
type SendParams<'a> = (&'a guest::Notification, &'a str);
type SendResult = (Result<guest::Receipt, types::PluginError>,);

/// A loaded notifier. Cheap to clone.
#[derive(Clone)]
pub struct Notifier(Arc<Loaded>);

#[derive(Clone)]
struct Loaded {
    remote: Remote,
    validate_config: Export,
    send: Export,
    info: NotifierInfo,
}

impl Notifier {
    /// Asks who it is.
    pub(crate) fn from_prepared(shared: &Arc<Shared>, prepared: &Prepared<'_>) -> Result<Self, LoadError> {
        let info = prepared.metadata(notifier_info, |info| &info.plugin)?;
        let loaded = Loaded {
            remote: Remote::new(Arc::clone(shared), prepared.callee(&info.plugin)?),
            validate_config: prepared.export::<ValidateParams<'_>, ValidateResult>("validate-config")?,
            send: prepared.export::<SendParams<'_>, SendResult>("send")?,
            info,
        };
        prepared.step(LoadStep::Linked);
        Ok(Self(Arc::new(loaded)))
    }

    /// Who it is and what it needs.
    pub fn info(&self) -> &NotifierInfo {
        &self.0.info
    }

    /// The same component under other limits. Nothing is compiled, and it is not asked again who it is.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        let remote = self.0.remote.with_limits(limits);
        Self(Arc::new(Loaded { remote, ..Loaded::clone(&self.0) }))
    }

    /// What a call may use.
    pub fn limits(&self) -> &Limits {
        self.0.remote.limits()
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn digest(&self) -> &str {
        self.0.remote.digest()
    }

    /// Looks a channel's settings over. Empty: nothing is wrong. `config` is JSON.
    ///
    /// # Errors
    /// [`CallError::Trap`] when it was stopped or returned what the contract does not allow.
    pub async fn validate_config(
        &self,
        config: &str,
        host: Arc<dyn HostServices>,
    ) -> Result<Vec<Problem>, CallError> {
        let Loaded { remote, validate_config, .. } = &*self.0;
        remote.call(validate_config, (config.len(), (config,)), host, looked_over).await
    }

    /// Delivers one notification. `config` is the channel's settings as JSON, secrets as
    /// placeholders.
    ///
    /// # Errors
    /// [`CallError::Plugin`] when the notifier says so, which decides whether to try again;
    /// [`CallError::Trap`] when it was stopped: the remote may or may not have acted.
    pub async fn send(
        &self,
        notification: &Notification,
        config: &str,
        host: Arc<dyn HostServices>,
    ) -> Result<Receipt, CallError> {
        let Loaded { remote, send, .. } = &*self.0;
        let size = to_guest::size(notification).saturating_add(config.len());
        let notification = to_guest::notification(notification);
        remote.call(send, (size, (&notification, config)), host, sent).await
    }
}

fn looked_over(reader: &mut Reader, (list,): ValidateResult) -> Read<Vec<Problem>> {
    let pairs = list.into_iter().map(|problem| (problem.path, problem.message)).collect();
    problems(reader, pairs).map(Ok)
}

fn sent(reader: &mut Reader, (sent,): SendResult) -> Read<Receipt> {
    match sent {
        Ok(taken) => receipt(reader, taken).map(Ok),
        Err(error) => plugin_error(reader, error).map(Err),
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("info", &self.0.info).field("digest", &self.digest()).finish()
    }
}
