//! What goes between processes on one database beside rows: the time, and signs that there is work.
//!
//! PostgreSQL passes signs on. They are sent apart from what they are about, after its commit: those that are
//! sent in a transaction have all commits of a server wait for one another.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use domain::id::HostId;
use domain::time::Timestamp;
use sqlx::Executor as _;
use sqlx::postgres::{PgListener, PgNotification, PgPoolOptions};

use crate::db::{Columns as _, Dialect, Pool, query};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;

/// What signs are sent under.
const CHANNEL: &str = "watchbell";
/// After how much silence it is tested whether anything would be heard: a way that was cut tells nobody.
const TESTED_AFTER: Duration = Duration::from_secs(30);
/// How long a server may take to let itself be listened to, and to answer the test.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

const LISTENING: &str = "listen for other processes";

/// Work that a process has left for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftOver {
    /// Runs that are due.
    Runs,
    /// Deliveries that are due.
    Deliveries,
}

/// A sign that there is work, and whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sign {
    /// Which work.
    pub left_over: LeftOver,
    /// Who said so.
    pub from: HostId,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.left_over {
            LeftOver::Runs => "runs",
            LeftOver::Deliveries => "deliveries",
        };
        write!(f, "{what} {}", self.from)
    }
}

impl FromStr for Sign {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (what, from) = text.split_once(' ').ok_or(())?;
        let left_over = match what {
            "runs" => LeftOver::Runs,
            "deliveries" => LeftOver::Deliveries,
            _ => return Err(()),
        };
        Ok(Self { left_over, from: from.parse().map_err(|_| ())? })
    }
}

/// Hears what other processes say.
pub struct Listener(PgListener);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener")
    }
}

impl Store {
    /// What time it is for the database, where that may be another machine; none for a file.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        if self.dialect() == Dialect::Sqlite {
            return Ok(None);
        }
        query(sql::signal::TIME)
            .fetch_one(&self.inner.readers)
            .await
            .doing("tell the time")?
            .time("now_us")
            .map(Some)
    }

    /// Tells other processes what is left for them; only PostgreSQL can.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn say(&self, sign: Sign) -> Result<(), StoreError> {
        if self.dialect() == Dialect::Postgres {
            let say = query(sql::signal::NOTIFY).bind(sign.to_string());
            say.fetch_optional(&self.inner.writer).await.doing("tell other processes")?;
        }
        Ok(())
    }

    /// Listens to other processes, on a connection of its own; none where the database passes nothing on.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn listen(&self) -> Result<Option<Listener>, StoreError> {
        let Pool::Postgres(pool) = &self.inner.readers else { return Ok(None) };
        // Apart from the pools: who gives it up must not wait for a server that does not answer.
        let own = PgPoolOptions::new().max_connections(1).acquire_timeout(ANSWERS_WITHIN);
        let own = own.connect_lazy_with(pool.connect_options().as_ref().clone());
        let listening = async {
            let mut listener = PgListener::connect_with(&own).await?;
            listener.listen(CHANNEL).await?;
            Ok(listener)
        };
        Ok(Some(Listener(in_time(listening).await.doing(LISTENING)?)))
    }
}

impl Listener {
    /// Waits for a sign. None: something may have been missed, or was not understood.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if nothing can be heard any more.
    pub async fn hear(&mut self) -> Result<Option<Sign>, StoreError> {
        loop {
            let heard = tokio::time::timeout(TESTED_AFTER, self.0.try_recv()).await;
            if let Ok(heard) = heard {
                let understood = |heard: PgNotification| heard.payload().parse().ok();
                return Ok(heard.doing(LISTENING)?.and_then(understood));
            }
            in_time(self.0.execute("SELECT 1")).await.doing(LISTENING)?;
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let answer = tokio::time::timeout(ANSWERS_WITHIN, answer).await;
    answer.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
}

#[cfg(test)]
mod tests {
    use ulid::Ulid;

    use super::*;

    #[test]
    fn sign_is_read_as_it_was_written() {
        for left_over in [LeftOver::Runs, LeftOver::Deliveries] {
            let sign = Sign { left_over, from: HostId::from(Ulid(7)) };
            assert_eq!(sign.to_string().parse(), Ok(sign));
        }
        for other in ["", "runs", "runs x", "walks 00000000000000000000000007"] {
            assert_eq!(other.parse::<Sign>(), Err(()), "{other}");
        }
    }
}
