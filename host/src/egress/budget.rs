//! What one call of a plugin may still send and receive, and what it has sent.

use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::egress::{HttpError, HttpRequest};
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

impl Usage {
    /// What was used since then.
    pub(super) const fn since(self, then: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(then.calls),
            sent_bytes: self.sent_bytes.saturating_sub(then.sent_bytes),
            received_bytes: self.received_bytes.saturating_sub(then.received_bytes),
        }
    }
}

/// A request as a plugin asked for it, with its placeholders and without what they stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// HTTP method.
    pub method: String,
    /// The address up to its query; one that is a secret is its placeholder.
    pub address: String,
    /// The body. What of it was a placeholder has left as its value; nothing else differs.
    pub body: Vec<u8>,
}

impl Sent {
    fn of(request: &HttpRequest) -> Self {
        let address = request.url.split(['?', '#']).next().unwrap_or_default();
        Self { method: request.method.clone(), address: address.to_owned(), body: request.body.clone() }
    }
}

/// Counts one call's requests and bytes; make a fresh one for each call of a plugin.
#[derive(Debug)]
pub struct Budget {
    limits: EgressLimits,
    used: Mutex<Usage>,
    sent: Option<Mutex<Vec<Sent>>>,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(limits: EgressLimits) -> Self {
        Self { limits, used: Mutex::new(Usage::default()), sent: None }
    }

    /// The same, keeping every request to show later what has left.
    #[must_use]
    pub fn recording(self) -> Self {
        Self { sent: Some(Mutex::default()), ..self }
    }

    /// The requests that may have left, in order; nothing unless made by [`Budget::recording`].
    ///
    /// A request counts as soon as it is being sent, also if its answer never came. One that was refused,
    /// or found nobody to connect to, has not left. Redirects do not repeat it.
    pub fn sent(&self) -> Vec<Sent> {
        let kept = |sent: &Mutex<Vec<Sent>>| lock(sent).clone();
        self.sent.as_ref().map(kept).unwrap_or_default()
    }

    /// What is used so far.
    pub fn used(&self) -> Usage {
        *self.lock()
    }

    pub(super) const fn limits(&self) -> &EgressLimits {
        &self.limits
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

    /// Takes bytes that are sent over a connection, which was counted by itself.
    pub(super) fn take_sent(&self, bytes: usize) -> Result<(), HttpError> {
        let mut used = self.lock();
        let sent_bytes = used.sent_bytes.saturating_add(bytes);
        if sent_bytes > self.limits.sent_bytes {
            return Err(HttpError::BudgetExceeded(format!(
                "more than {} bytes sent",
                self.limits.sent_bytes
            )));
        }
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

    /// The request as it will be kept, taken before placeholders are replaced.
    pub(super) fn to_record(&self, request: &HttpRequest) -> Option<Sent> {
        self.sent.is_some().then(|| Sent::of(request))
    }

    /// Keeps a request that is about to leave.
    pub(super) fn record(&self, request: Option<Sent>) {
        if let Some((sent, request)) = self.sent.as_ref().zip(request) {
            lock(sent).push(request);
        }
    }

    /// Takes the last one back, for it has not left. Requests of one call come one after the other.
    pub(super) fn retract(&self) {
        if let Some(sent) = &self.sent {
            lock(sent).pop();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Usage> {
        lock(&self.used)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
