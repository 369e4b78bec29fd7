//! Group commit: many webhooks, one transaction.
//!
//! One task owns writing. It takes what waits, commits it, answers all, and while it commits the
//! next batch gathers: no timer and no linger. When the queue is full, the sender is told to try
//! again.

use std::sync::Arc;
use std::time::Instant;

use store::{IngestWrite, Ingested, Store, StoreError};
use tokio::sync::{mpsc, oneshot};

use crate::clock::{self, Ids};
use crate::telemetry::{chain, metrics};
use crate::wake::Wakes;

/// The most webhooks in one transaction.
const MAX_BATCH: usize = 256;
/// The most bytes of sealed requests in one transaction, give or take one request.
const MAX_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// How many webhooks may wait; beyond it they are answered 503.
const MAX_WAITING: usize = 1024;

type Answer = oneshot::Sender<Result<Ingested, NotWritten>>;

/// Why a webhook is not on disk. Nothing of it is stored.
#[derive(Debug)]
pub(super) enum NotWritten {
    /// Not now: the queue is full, the database does not answer, or the hub is stopping.
    Unavailable(String),
    /// The store will never take it as it is; here it is again.
    Refused(StoreError, Box<IngestWrite>),
}

/// Where requests hand in what they want written.
#[derive(Clone)]
pub struct WriterHandle {
    queue: mpsc::Sender<(IngestWrite, Answer)>,
}

/// The task that writes.
pub struct Writer {
    store: Store,
    queue: mpsc::Receiver<(IngestWrite, Answer)>,
    wakes: Arc<Wakes>,
}

impl WriterHandle {
    /// Waits until the webhook is on disk.
    ///
    /// # Errors
    /// [`NotWritten`].
    pub(super) async fn commit(&self, write: IngestWrite) -> Result<Ingested, NotWritten> {
        let (answer, wait) = oneshot::channel();
        let stopping = || NotWritten::Unavailable("the hub is stopping".to_owned());
        self.queue.try_send((write, answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                NotWritten::Unavailable(format!("{MAX_WAITING} webhooks are waiting to be written already"))
            }
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })?;
        wait.await.unwrap_or_else(|_| Err(stopping()))
    }
}

impl Writer {
    /// A writer and the handle to it; those who work on runs are woken after each commit that has some.
    pub fn new(store: Store, wakes: Arc<Wakes>) -> (Self, WriterHandle) {
        let (sender, queue) = mpsc::channel(MAX_WAITING);
        (Self { store, queue, wakes }, WriterHandle { queue: sender })
    }

    /// Writes until every handle is gone and the queue is empty.
    pub async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            let (writes, mut answers) = self.gather(first);
            if cfg!(feature = "defect-ack-before-commit") {
                acknowledge_too_early(&mut answers);
            }
            metrics::queue(self.queue.len().saturating_add(writes.len()));
            let began = Instant::now();
            let results = self.store.ingest(&writes, &mut Ids, clock::now()).await;
            metrics::commit(writes.len(), began.elapsed());
            let has_runs = results
                .iter()
                .any(|result| matches!(result, Ok(Ingested::Stored { runs, .. }) if !runs.is_empty()));
            for ((answer, write), result) in answers.into_iter().zip(writes).zip(results) {
                let result = result.map_err(|error| match error.is_unavailable() {
                    true => NotWritten::Unavailable(chain(&error)),
                    false => NotWritten::Refused(error, Box::new(write)),
                });
                // A sender that hung up meanwhile has its webhook on disk all the same.
                drop(answer.send(result));
            }
            if has_runs {
                self.wakes.runs.notify();
            }
        }
    }

    fn gather(&mut self, first: (IngestWrite, Answer)) -> (Vec<IngestWrite>, Vec<Answer>) {
        let mut bytes = first.0.sealed_request.len();
        let (mut writes, mut answers) = (vec![first.0], vec![first.1]);
        while writes.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
            let Ok((write, answer)) = self.queue.try_recv() else { break };
            bytes = bytes.saturating_add(write.sealed_request.len());
            writes.push(write);
            answers.push(answer);
        }
        (writes, answers)
    }
}

/// Wrong on purpose, and never built in: `tests/crash` has to notice what is lost by it.
fn acknowledge_too_early(answers: &mut Vec<Answer>) {
    for answer in answers.drain(..) {
        drop(answer.send(Ok(Ingested::Stored { alerts: 0, incidents: Vec::new(), runs: Vec::new() })));
    }
}
