//! Signs that there is work: within this process, and to and from others on the same database.
//!
//! A sign is a hint and never the only way to work: workers look now and then without one. So one that is
//! lost costs time, and no work.

use tokio::sync::Notify;

/// Wakes those who do one kind of work.
#[derive(Debug, Default)]
pub struct Wake {
    here: Notify,
    elsewhere: Notify,
    left_over: Notify,
}

/// Where work came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// This process.
    Here,
    /// Another one, which has more than it can take.
    Elsewhere,
}

/// One for each kind of work.
#[derive(Debug, Default)]
pub struct Wakes {
    /// Runs.
    pub runs: Wake,
    /// Deliveries.
    pub deliveries: Wake,
}

impl Wake {
    /// This process has made work.
    pub fn notify(&self) {
        self.here.notify_one();
    }

    /// Another process has work left.
    pub fn hear(&self) {
        self.elsewhere.notify_one();
    }

    /// Waits for a sign.
    pub async fn told(&self) -> Origin {
        tokio::select! {
            () = self.here.notified() => Origin::Here,
            () = self.elsewhere.notified() => Origin::Elsewhere,
        }
    }

    /// There is more than this process can take just now.
    pub fn leave(&self) {
        self.left_over.notify_one();
    }

    /// Waits until that was said.
    pub async fn left(&self) {
        self.left_over.notified().await;
    }
}
