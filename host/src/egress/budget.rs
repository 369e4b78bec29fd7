//! What one call of a plugin may still send and receive.

use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::egress::HttpError;
use domain::limits::EgressLimits;

/// What a call has used of its limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests, redirects included.
    pub calls: u32,
    /// Bytes of bodies sent.
    pub sent_bytes: usize,
    /// Bytes of bodies received.
    pub received_bytes: usize,
}

/// Counts one call's requests and bytes; make a fresh one for each call of a plugin.
#[derive(Debug)]
pub struct Budget {
    limits: EgressLimits,
    used: Mutex<Usage>,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(limits: EgressLimits) -> Self {
        Self { limits, used: Mutex::new(Usage::default()) }
    }

    /// What is used so far.
    pub fn used(&self) -> Usage {
        *self.lock()
    }

    /// Refuses when no request is left; asked before anything is done for one.
    pub(super) fn admit(&self) -> Result<(), HttpError> {
        if self.lock().calls >= self.limits.calls {
            return Err(HttpError::BudgetExceeded(format!("more than {} requests", self.limits.calls)));
        }
        Ok(())
    }

    /// Counts a request that was refused before it was sent: looking at it has cost something too.
    pub(super) fn take_refusal(&self) {
        let mut used = self.lock();
        used.calls = used.calls.saturating_add(1);
    }

    /// Takes one request with a body of this size.
    pub(super) fn take_call(&self, body_bytes: usize) -> Result<(), HttpError> {
        let mut used = self.lock();
        if used.calls >= self.limits.calls {
            return Err(HttpError::BudgetExceeded(format!("more than {} requests", self.limits.calls)));
        }
        let sent_bytes = used.sent_bytes.saturating_add(body_bytes);
        if sent_bytes > self.limits.sent_bytes {
            return Err(HttpError::BudgetExceeded(format!(
                "more than {} bytes sent",
                self.limits.sent_bytes
            )));
        }
        used.calls = used.calls.saturating_add(1);
        used.sent_bytes = sent_bytes;
        Ok(())
    }

    /// Takes received bytes; `so_far` of the same answer have been taken before.
    pub(super) fn take_received(&self, so_far: usize, bytes: usize) -> Result<(), HttpError> {
        let mut used = self.lock();
        used.received_bytes = used.received_bytes.saturating_add(bytes);
        if used.received_bytes > self.limits.received_bytes {
            let limit = self.limits.received_bytes;
            return Err(HttpError::BudgetExceeded(format!("more than {limit} bytes received")));
        }
        if so_far.saturating_add(bytes) > self.limits.response_bytes {
            return Err(HttpError::TooLarge);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
