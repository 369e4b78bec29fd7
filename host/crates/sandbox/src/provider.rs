//! Intelligence providers: an incident in, recommendations out.

use std::fmt;
use std::sync::Arc;

use domain::limits::Limits;
use domain::plugin::{Analysis, AnalysisRequest, Problem, ProviderInfo};

use crate::bindings::driver::watchbell::plugin::types;
use crate::bindings::provider::exports::watchbell::plugin::intelligence as guest;
use crate::bound::{Reader, analysis, plugin_error, problems, provider_info};
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
type AnalyzeParams<'a> = (&'a guest::AnalysisRequest, &'a str);
type AnalyzeResult = (Result<guest::Analysis, types::PluginError>,);

/// A loaded provider. Cheap to clone.
#[derive(Clone)]
pub struct Provider(Arc<Loaded>);

#[derive(Clone)]
struct Loaded {
    remote: Remote,
    validate_config: Export,
    analyze: Export,
    info: ProviderInfo,
}

impl Provider {
    /// Asks who it is.
    pub(crate) fn from_prepared(shared: &Arc<Shared>, prepared: &Prepared<'_>) -> Result<Self, LoadError> {
        let info = prepared.metadata(provider_info, |info| &info.plugin)?;
        let loaded = Loaded {
            remote: Remote::new(Arc::clone(shared), prepared.callee(&info.plugin)?),
            validate_config: prepared.export::<ValidateParams<'_>, ValidateResult>("validate-config")?,
            analyze: prepared.export::<AnalyzeParams<'_>, AnalyzeResult>("analyze")?,
            info,
        };
        prepared.step(LoadStep::Linked);
        Ok(Self(Arc::new(loaded)))
    }

    /// Who it is and what it can be asked.
    pub fn info(&self) -> &ProviderInfo {
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

    /// Looks the provider's settings over. Empty: nothing is wrong. `config` is JSON.
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

    /// Looks at one incident. `config` is the provider's settings as JSON, secrets as placeholders.
    ///
    /// # Errors
    /// [`CallError::Plugin`] when the provider says so, [`CallError::Trap`] when it was stopped.
    pub async fn analyze(
        &self,
        request: &AnalysisRequest,
        config: &str,
        host: Arc<dyn HostServices>,
    ) -> Result<Analysis, CallError> {
        let Loaded { remote, analyze, .. } = &*self.0;
        let size = to_guest::size(request).saturating_add(config.len());
        let request = to_guest::analysis_request(request);
        remote.call(analyze, (size, (&request, config)), host, analyzed).await
    }
}

fn looked_over(reader: &mut Reader, (list,): ValidateResult) -> Read<Vec<Problem>> {
    let pairs = list.into_iter().map(|problem| (problem.path, problem.message)).collect();
    problems(reader, pairs).map(Ok)
}

fn analyzed(reader: &mut Reader, (answer,): AnalyzeResult) -> Read<Analysis> {
    match answer {
        Ok(thoughts) => analysis(reader, thoughts).map(Ok),
        Err(error) => plugin_error(reader, error).map(Err),
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("info", &self.0.info).field("digest", &self.digest()).finish()
    }
}
