//! Small writes of workers, committed together.
//!
//! A transaction of its own would cost each of them a commit, and have webhooks wait behind every
//! one. So they queue: whoever finds nobody at work starts a task that takes what waits, runs it all,
//! commits once and answers. It ends when nothing waits. Meanwhile the next changes gather, as webhooks
//! do for theirs. Where one refuses itself, which is rare, all are undone and run again, each behind a
//! savepoint: two trips to the database for each of them.
//!
//! On a server each has a transaction of its own, several at once: the server flushes those that commit at
//! the same time together. One that held the rows of many would wait for other hosts in all orders.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::db::{Connection, Transaction};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::tries::tried;

const DOING: &str = "store what workers did";

/// The most changes of one transaction: webhooks wait for it.
const MAX_CHANGES: usize = 64;

/// A change under way. It must leave committing and rolling back to us.
type Changing<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// Makes a change of what it is given. It may be run again after it was undone.
type Make<S, T> = for<'c> fn(&'c mut Connection, &'c S) -> Changing<'c, T>;

/// Changes that wait for the writer.
#[derive(Default)]
pub(crate) struct Queue(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn Waiting>>,
    /// Whether a task works them off.
    at_work: bool,
}

/// A change and who asked for it.
trait Waiting: Send {
    /// Runs it; says whether what it did is to be kept.
    fn run<'c>(
        &'c mut self,
        connection: &'c mut Connection,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'c>>;

    /// Tells what came of it, now that the commit succeeded or did not.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Change<S, T> {
    given: S,
    make: Make<S, T>,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<S: Send + Sync, T: Send> Waiting for Change<S, T> {
    fn run<'c>(
        &'c mut self,
        connection: &'c mut Connection,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'c>> {
        Box::pin(async move {
            self.outcome = Some((self.make)(connection, &self.given).await);
            matches!(self.outcome, Some(Ok(_)))
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match (self.outcome, committed) {
            // What refused itself would have failed alone, too.
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(broken_off()),
        };
        // Who asked may have gone away.
        drop(self.answer.send(outcome));
    }
}

fn broken_off() -> StoreError {
    StoreError::Unavailable { doing: DOING, source: Arc::new(std::io::Error::other("it broke off")) }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a change; says whether a task has to be started for it.
    fn add(&self, change: Box<dyn Waiting>) -> bool {
        let mut state = self.state();
        state.waiting.push_back(change);
        !std::mem::replace(&mut state.at_work, true)
    }

    /// What is to be done next. Nothing: the task may end, and the next change starts another.
    fn take(&self) -> Vec<Box<dyn Waiting>> {
        let mut state = self.state();
        let count = state.waiting.len().min(MAX_CHANGES);
        state.at_work = count > 0;
        state.waiting.drain(..count).collect()
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.state().waiting.len()).finish()
    }
}

/// Lets go of what waits if the task breaks off: who asked is told, and the next change starts another.
struct AtWork<'a> {
    queue: &'a Queue,
    /// Set once the queue was found empty: from then on what is in it is another task's.
    is_over: bool,
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            *self.queue.state() = State::default();
        }
    }
}

impl Store {
    /// Makes a change of what is given in a transaction that it may share with others, and returns when that
    /// is committed. A change that fails is undone alone. It is carried out even if nobody waits for it any
    /// longer.
    ///
    /// # Errors
    /// The change's own, or [`StoreError::Unavailable`] when the transaction did not come to an end.
    pub(crate) async fn together<S, T>(&self, given: S, make: Make<S, T>) -> Result<T, StoreError>
    where
        S: Send + Sync + 'static,
        T: Send + 'static,
    {
        if self.dialect().is_server() {
            let store = self.clone();
            let change = tokio::spawn(async move { tried!(store, store.alone(&given, make)) });
            return change.await.unwrap_or_else(|_| Err(broken_off()));
        }
        let (answer, wait) = oneshot::channel();
        let change = Change { given, make, outcome: None, answer };
        if self.inner.queue.add(Box::new(change)) {
            let store = self.clone();
            tokio::spawn(async move { store.work_off().await });
        }
        wait.await.unwrap_or_else(|_| Err(broken_off()))
    }

    /// Makes a change in a transaction of its own.
    async fn alone<S, T>(&self, given: &S, make: Make<S, T>) -> Result<T, StoreError> {
        let mut tx = self.begin(DOING).await?;
        let made = make(&mut tx, given).await?;
        tx.commit().await.doing(DOING)?;
        Ok(made)
    }

    async fn work_off(&self) {
        let mut at_work = AtWork { queue: &self.inner.queue, is_over: false };
        loop {
            let mut changes = at_work.queue.take();
            if changes.is_empty() {
                at_work.is_over = true;
                return;
            }
            let committed = self.commit(&mut changes).await;
            for change in changes {
                change.answer(committed.clone());
            }
        }
    }

    async fn commit(&self, changes: &mut [Box<dyn Waiting>]) -> Result<(), StoreError> {
        let mut tx = self.begin(DOING).await?;
        if !run_all(&mut tx, changes).await {
            tx.rollback().await.doing(DOING)?;
            if changes.len() == 1 {
                return Ok(());
            }
            tx = self.begin(DOING).await?;
            for change in changes {
                behind_savepoint(&mut tx, change).await?;
            }
        }
        tx.commit().await.doing(DOING)
    }
}

/// Runs changes until one refuses itself; says whether none did.
async fn run_all(tx: &mut Transaction, changes: &mut [Box<dyn Waiting>]) -> bool {
    for change in changes {
        if !change.run(tx).await {
            return false;
        }
    }
    true
}

async fn behind_savepoint(tx: &mut Transaction, change: &mut Box<dyn Waiting>) -> Result<(), StoreError> {
    tx.savepoint().await.doing(DOING)?;
    let keep = change.run(tx).await;
    if keep { tx.keep().await } else { tx.undo().await }.doing(DOING)
}
