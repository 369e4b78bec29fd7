//! What an error of a notifier means for the delivery.

use std::time::Duration;

use domain::lanes::End;
use domain::plugin::PluginError;

/// What to do after an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: the remote took it.
    Delivered {
        /// The remote's identifier.
        remote_ref: Option<String>,
    },
    /// Try again.
    Retry {
        /// In one word.
        error_type: String,
        /// In words.
        error_message: String,
        /// How long the remote asks to wait.
        retry_after: Option<Duration>,
    },
    /// A person must act first.
    Dead {
        /// In one word.
        error_type: String,
        /// In words.
        error_message: String,
        /// Whether it was the remote that said so.
        answered: bool,
    },
}

impl Verdict {
    pub(super) fn dead(error_type: &str, error_message: String) -> Self {
        Self::Dead { error_type: error_type.to_owned(), error_message, answered: false }
    }

    /// What it says about the channel.
    pub(super) const fn end(&self) -> End {
        match self {
            Self::Delivered { .. } | Self::Dead { answered: true, .. } => End::Answered,
            Self::Retry { retry_after, .. } => End::Failed { retry_after: *retry_after },
            Self::Dead { answered: false, .. } => End::Unknown,
        }
    }

    pub(super) fn retry(error_type: &str, error_message: String, retry_after: Option<Duration>) -> Self {
        Self::Retry { error_type: error_type.to_owned(), error_message, retry_after }
    }
}

/// Sorts what a plugin reports. Only what the remote may take later is tried again.
pub(super) fn plugin(error: &PluginError) -> Verdict {
    let (kind, words) = (error.kind(), error.to_string());
    match error {
        PluginError::RateLimited(seconds) => {
            Verdict::retry(kind, words, seconds.map(|seconds| Duration::from_secs(seconds.into())))
        }
        PluginError::Unavailable(_) | PluginError::Internal(_) => Verdict::retry(kind, words, None),
        PluginError::InvalidInput(_)
        | PluginError::Unsupported(_)
        | PluginError::Config(_)
        | PluginError::Other(..) => Verdict::dead(kind, words),
        PluginError::Auth(_) | PluginError::Rejected(_) => {
            Verdict::Dead { error_type: kind.to_owned(), error_message: words, answered: true }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_later_is_tried_again() {
        let retried = |error: PluginError| matches!(plugin(&error), Verdict::Retry { .. });
        assert!(retried(PluginError::Unavailable("503".into())));
        assert!(retried(PluginError::RateLimited(None)));
        assert!(!retried(PluginError::Auth("401".into())));
        assert!(!retried(PluginError::Rejected("400".into())));
        assert!(!retried(PluginError::Config("url".into())));
    }

    #[test]
    fn remote_s_pause_is_kept() {
        let retry_after = Some(Duration::from_secs(7));
        assert_eq!(plugin(&PluginError::RateLimited(Some(7))).end(), End::Failed { retry_after });
    }

    #[test]
    fn a_refusal_shows_that_the_remote_is_there_and_a_defect_of_ours_does_not() {
        let end = |error: PluginError| plugin(&error).end();
        assert_eq!(end(PluginError::Auth("401".into())), End::Answered);
        assert_eq!(end(PluginError::Rejected("400".into())), End::Answered);
        assert_eq!(end(PluginError::Config("url".into())), End::Unknown);
        assert_eq!(end(PluginError::Unavailable("503".into())), End::Failed { retry_after: None });
        assert_eq!(Verdict::Delivered { remote_ref: None }.end(), End::Answered);
    }
}
