//! Moving the write-ahead log into the database file, off the path of commits.

use sqlx::{Row as _, SqlitePool};

use crate::db::Pool;
use crate::error::{Doing as _, StoreError};
use crate::open::Store;

/// How often the log is caught up with before writers have to wait.
const CATCHING_UP: usize = 3;

/// What a checkpoint did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Pages in the log.
    pub log_pages: u64,
    /// The size of these, in bytes.
    pub log_bytes: u64,
    /// How many of them are in the database file by now.
    pub moved_pages: u64,
    /// Whether the log had passed its bound and all of it was moved.
    pub emptied: bool,
}

impl Store {
    /// Moves the log into the database file without getting in anybody's way; call it about once a
    /// second. Past [`crate::Options::wal_limit_bytes`] it has writers wait for a moment, so that the next
    /// commit begins the log anew unless somebody reads from it still. On a server there is nothing to do.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the file cannot be written.
    pub async fn checkpoint(&self) -> Result<Checkpoint, StoreError> {
        // Servers do so by themselves.
        let (Pool::Sqlite(upkeep), Pool::Sqlite(writer)) = (&self.inner.upkeep, &self.inner.writer) else {
            return Ok(Checkpoint::default());
        };
        let gentle = run(upkeep).await?;
        let page_bytes: i64 =
            sqlx::query_scalar("PRAGMA page_size").fetch_one(upkeep).await.doing("read its page size")?;
        let log_bytes = gentle.log_pages.saturating_mul(u64::try_from(page_bytes).unwrap_or(4096));
        if log_bytes <= self.inner.wal_limit_bytes {
            return Ok(Checkpoint { log_bytes, ..gentle });
        }
        // Writers went on meanwhile. Each round leaves a fraction of what the one before left.
        for _ in 0..CATCHING_UP {
            run(upkeep).await?;
        }
        // The rest in a turn of the writer's own, in which nobody adds to it. The log is neither cut, which
        // is slower than to write over it, nor waited for: `RESTART` would wait behind a reader with
        // every webhook behind it.
        let thorough = run(writer).await?;
        Ok(Checkpoint { emptied: thorough.moved_pages == thorough.log_pages, log_bytes, ..thorough })
    }
}

async fn run(pool: &SqlitePool) -> Result<Checkpoint, StoreError> {
    const DOING: &str = "move its log into the file";
    let row = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").fetch_one(pool).await.doing(DOING)?;
    // -1 where there is no log.
    let pages = |column: usize| -> Result<u64, StoreError> {
        Ok(u64::try_from(row.try_get::<i64, _>(column).doing(DOING)?).unwrap_or(0))
    };
    Ok(Checkpoint { log_pages: pages(1)?, log_bytes: 0, moved_pages: pages(2)?, emptied: false })
}
