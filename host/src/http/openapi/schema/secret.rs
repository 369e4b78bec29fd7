//! What answers about secrets of senders look like.

use utoipa::ToSchema;

use super::Time;

/// A secret that is kept; never what it is.
#[derive(ToSchema)]
pub(crate) struct KeptSecret {
    /// `webhook/` and a driver.
    name: String,
    created_at: Time,
    /// When the one before was set, if that is accepted too.
    previous_created_at: Option<Time>,
    /// Whether a setting of this hub counts instead of it.
    overridden: bool,
}

/// All secrets that are kept.
#[derive(ToSchema)]
pub(crate) struct Secrets {
    secrets: Vec<KeptSecret>,
}

/// A secret that was set.
#[derive(ToSchema)]
pub(crate) struct SecretSet {
    secret: KeptSecret,
}

/// A secret that was removed.
#[derive(ToSchema)]
pub(crate) struct RemovedSecret {
    name: String,
    /// How many went: the current one, and the one before where there was one.
    removed: u64,
}
