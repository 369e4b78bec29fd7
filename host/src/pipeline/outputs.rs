//! What the stages of a run made, opened for a person.

use std::fmt::Display;
use std::sync::Arc;

use domain::id::{ArtifactId, RunId};
use serde::Serialize;
use serde_json::Value;
use store::{Store, StoreError};

use super::RunError;
use crate::crypto::{KeyRing, Place, Purpose};

/// Opens results of stages, and notes who did.
pub struct Outputs {
    store: Store,
    keys: Arc<KeyRing>,
}

/// What the stages of a run made; none where one made nothing, or it was taken away for its age.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Output {
    /// The run.
    pub run_id: RunId,
    /// What the check stage found.
    pub check: Option<Value>,
    /// What the analyze stage found.
    pub analyze: Option<Value>,
    /// Whom the notify stage told.
    pub notify: Option<Value>,
}

impl Outputs {
    /// From this store, with these keys.
    pub const fn new(store: Store, keys: Arc<KeyRing>) -> Self {
        Self { store, keys }
    }

    /// Opens what the stages of a run made.
    ///
    /// # Errors
    /// [`OutputError::Store`] with [`StoreError::NotFound`] if there is no such run.
    pub async fn open(&self, run_id: RunId, actor: &(dyn Display + Sync)) -> Result<Output, OutputError> {
        let run = self.store.run(run_id).await?.run;
        tracing::info!(%run_id, trace_id = %run.trace_id, "{actor} opened what the stages of run {run_id} made");
        Ok(Output {
            run_id,
            check: self.one(run.checker_output_ref).await?,
            analyze: self.one(run.intelligence_output_ref).await?,
            notify: self.one(run.notify_output_ref).await?,
        })
    }

    async fn one(&self, id: Option<ArtifactId>) -> Result<Option<Value>, OutputError> {
        let Some(id) = id else { return Ok(None) };
        match open(&self.store, &self.keys, id).await {
            Ok(value) => Ok(Some(value)),
            Err(RunError::Store(StoreError::NotFound(_))) => Ok(None),
            Err(error) => Err(OutputError::from(error)),
        }
    }
}

/// Why results could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The store did not give them.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// They could not be opened with the keys there are.
    #[error("a result could not be opened: {0}")]
    Sealed(String),
}

impl From<RunError> for OutputError {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => Self::Store(error),
            RunError::Crypto(error) => Self::Sealed(error.to_string()),
        }
    }
}

/// Reads and opens one result.
pub(super) async fn open(store: &Store, keys: &KeyRing, id: ArtifactId) -> Result<Value, RunError> {
    let sealed = store.artifact(id).await?;
    let row = id.to_string();
    let place = Place { table: "artifact", column: "sealed", row: &row };
    let plain = keys.open_value(Purpose::Artifact, place, &sealed)?;
    Ok(serde_json::from_slice(&plain).unwrap_or(Value::Null))
}
