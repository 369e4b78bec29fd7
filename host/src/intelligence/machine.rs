//! This machine as a provider may see it during one call.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use domain::egress::SnapshotKind;
use tokio::time::Instant;

use crate::checks::Shown;
use crate::plugins::Snapshots;

/// What is shown of this machine until a call has to end.
#[derive(Debug, Clone)]
pub struct View {
    shown: Shown,
    until: Instant,
}

impl View {
    /// For a call that ends then.
    pub const fn new(shown: Shown, until: Instant) -> Self {
        Self { shown, until }
    }
}

impl Snapshots for View {
    fn tell<'a>(
        &'a self,
        kind: SnapshotKind,
        options: &'a str,
        time_left: Duration,
    ) -> Pin<Box<dyn Future<Output = Result<String, String>> + Send + 'a>> {
        let time_left = time_left.min(self.until.saturating_duration_since(Instant::now()));
        Box::pin(self.shown.tell(kind, options, time_left))
    }
}
