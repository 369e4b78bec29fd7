//! Notifiers: the trait to implement.

#[doc(hidden)]
pub use crate::bindings::notifier::exports::watchbell::plugin::notifier::Guest;
pub use crate::bindings::notifier::exports::watchbell::plugin::notifier::{
    Notification, NotifierInfo, Problem, Receipt,
};

use crate::PluginError;
use crate::http::Remote;
use crate::text::clip;

/// Delivers notifications to one kind of channel.
pub trait Notifier {
    /// Who the notifier is and which settings a channel has.
    fn metadata() -> NotifierInfo;

    /// What is wrong with a channel's settings. Empty: nothing.
    fn validate_config(config: &str) -> Vec<Problem>;

    /// Delivers one notification through `remote`.
    ///
    /// # Errors
    /// The case says whether another attempt makes sense: see [`crate::http`].
    fn send(
        notification: &Notification,
        config: &str,
        remote: &mut dyn Remote,
    ) -> Result<Receipt, PluginError>;
}

/// Makes a component of the world `alert-notifier` from a type that implements [`Notifier`].
#[macro_export]
macro_rules! export_notifier {
    ($notifier:ty) => {
        $crate::export_notifier!($notifier, $crate::notifier::Notifier, $crate::http::HostRemote);
    };
    ($notifier:ty, $kind:path, $remote:expr) => {
        struct Component;

        impl $crate::notifier::Guest for Component {
            fn metadata() -> $crate::notifier::NotifierInfo {
                <$notifier as $kind>::metadata()
            }

            fn validate_config(config: String) -> Vec<$crate::notifier::Problem> {
                <$notifier as $kind>::validate_config(&config)
            }

            fn send(
                notification: $crate::notifier::Notification,
                config: String,
            ) -> Result<$crate::notifier::Receipt, $crate::PluginError> {
                <$notifier as $kind>::send(&notification, &config, &mut $remote)
                    .map_err($crate::within_bounds)
            }
        }

        $crate::bindings::notifier::export_notifier_world!(
            Component with_types_in $crate::bindings::notifier
        );
    };
}

/// One thing that is wrong with the setting at `path`, a JSON Pointer. Both are cut to what the host
/// takes: 512 bytes and 4 KiB.
pub fn problem(path: &str, message: &str) -> Problem {
    Problem { path: clip(path, 512).into_owned(), message: clip(message, 4_096).into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_to_its_bounds() {
        let long = "é".repeat(5_000);
        let problem = problem(&long, &long);
        assert!(problem.path.len() <= 512 && problem.message.len() <= 4_096);
    }
}
