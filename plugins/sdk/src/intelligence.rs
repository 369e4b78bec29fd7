//! Intelligence providers: the trait to implement and what the host's machine can tell.

#[doc(hidden)]
pub use crate::bindings::intelligence::exports::watchbell::plugin::intelligence::Guest;
pub use crate::bindings::intelligence::exports::watchbell::plugin::intelligence::{
    Analysis, AnalysisRequest, Priority, Problem, ProviderInfo, Recommendation, Usage,
};
pub use crate::bindings::intelligence::watchbell::plugin::host_system::SnapshotKind;

use crate::PluginError;
use crate::http::{HostRemote, Remote};

/// What a provider can reach: remotes and, where granted, the host's machine.
pub trait Surroundings: Remote {
    /// A snapshot of the machine as JSON (`wit/host.wit` has the shapes). The error says what is not
    /// granted or not to be had.
    ///
    /// # Errors
    /// A line for people, where there is no snapshot.
    fn snapshot(&mut self, kind: SnapshotKind, options: &str) -> Result<String, String>;
}

impl Surroundings for HostRemote {
    fn snapshot(&mut self, kind: SnapshotKind, options: &str) -> Result<String, String> {
        crate::bindings::intelligence::watchbell::plugin::host_system::snapshot(kind, options)
    }
}

/// Says what is probably wrong and what to do about it.
pub trait Provider {
    /// Who the provider is, which settings it has and what it can be asked.
    fn metadata() -> ProviderInfo;

    /// What is wrong with the settings. Empty: nothing.
    fn validate_config(config: &str) -> Vec<Problem>;

    /// Looks at one incident.
    ///
    /// # Errors
    /// The case says whether another attempt makes sense.
    fn analyze(
        request: &AnalysisRequest,
        config: &str,
        surroundings: &mut dyn Surroundings,
    ) -> Result<Analysis, PluginError>;
}

/// Makes a component of the world `intelligence-provider` from a type that implements [`Provider`].
#[macro_export]
macro_rules! export_provider {
    ($provider:ty) => {
        struct Component;

        impl $crate::intelligence::Guest for Component {
            fn metadata() -> $crate::intelligence::ProviderInfo {
                <$provider as $crate::intelligence::Provider>::metadata()
            }

            fn validate_config(config: String) -> Vec<$crate::intelligence::Problem> {
                <$provider as $crate::intelligence::Provider>::validate_config(&config)
            }

            fn analyze(
                request: $crate::intelligence::AnalysisRequest,
                config: String,
            ) -> Result<$crate::intelligence::Analysis, $crate::PluginError> {
                <$provider as $crate::intelligence::Provider>::analyze(
                    &request,
                    &config,
                    &mut $crate::http::HostRemote,
                )
                .map_err($crate::within_bounds)
            }
        }

        $crate::bindings::intelligence::export_intelligence_world!(
            Component with_types_in $crate::bindings::intelligence
        );
    };
}
