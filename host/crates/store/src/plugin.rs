//! What operators decided about plugins, and who did.

use domain::approval::{Approval, Decision, Grants, PluginEvent, Rollback};
use domain::id::DecisionId;
use domain::plugin::{PluginKind, PluginName};
use domain::time::Timestamp;
use serde::Serialize;

use crate::db::{Columns as _, Query, Row, query, to_json};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;
use crate::tries::tried;

/// How much of the history is shown.
const HISTORY: i64 = 50;
/// How far back it is looked for what hubs had to do.
const NOTES: i64 = 500;

/// What stands about one plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginDecision {
    /// What it is a plugin for.
    pub kind: PluginKind,
    /// Its name.
    pub name: PluginName,
    /// What was decided.
    #[serde(flatten)]
    pub decision: Decision,
    /// When any of it was last changed.
    pub updated_at: Timestamp,
}

/// What is decided about a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginChange {
    /// This component may run with these grants. An earlier way back is over.
    Approve(Approval),
    /// It is switched off, or on again.
    Switch {
        /// Whether it is off.
        disabled: bool,
    },
    /// It goes back to an earlier component.
    RollBack {
        /// From where to where.
        rollback: Rollback,
        /// What is approved from now on.
        approval: Option<Approval>,
    },
}

/// Who decides, and when.
#[derive(Debug, Clone)]
pub struct PluginAct {
    /// Names it in the history.
    pub id: DecisionId,
    /// `key:<name>`, `cli:<user>`, `anonymous`, or `hub` for what its breaker does.
    pub actor: String,
    /// In words, where there are some.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Something that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PluginHistory {
    /// What.
    pub event: PluginEvent,
    /// SHA-256 of the component that it is about.
    pub sha256: Option<String>,
    /// What was granted.
    pub grants: Option<Grants>,
    /// Who decided.
    pub actor: String,
    /// In words, where there were some.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// What a hub had to do about a plugin, or what ended it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginNote {
    /// What it is a plugin for.
    pub kind: PluginKind,
    /// Its name.
    pub name: PluginName,
    /// What.
    pub event: PluginEvent,
    /// SHA-256 of the component that it is about.
    pub sha256: Option<String>,
    /// Who.
    pub actor: String,
    /// In words, where there were some.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

impl PluginChange {
    const fn event(&self) -> PluginEvent {
        match self {
            Self::Approve(_) => PluginEvent::Approved,
            Self::Switch { disabled: true } => PluginEvent::Disabled,
            Self::Switch { disabled: false } => PluginEvent::Enabled,
            Self::RollBack { .. } => PluginEvent::RolledBack,
        }
    }

    /// The component that it is about.
    fn digest(&self) -> Option<&str> {
        match self {
            Self::Approve(approval) => Some(&approval.sha256),
            Self::Switch { .. } => None,
            Self::RollBack { rollback, .. } => Some(&rollback.to),
        }
    }

    const fn approval(&self) -> Option<&Approval> {
        match self {
            Self::Approve(approval) => Some(approval),
            Self::Switch { .. } => None,
            Self::RollBack { approval, .. } => approval.as_ref(),
        }
    }
}

impl Store {
    /// Lists what was decided about plugins, by kind and name.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if any of it cannot be understood: who was refused something must not get it
    /// because a row is broken.
    pub async fn plugin_decisions(&self) -> Result<Vec<PluginDecision>, StoreError> {
        let statement = query(sql::plugin::PLUGIN_DECISIONS);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("list decisions about plugins")?;
        rows.iter().map(read_decision).collect()
    }

    /// Decides something about a plugin, whether it is there or not, and writes down who did.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if somebody else decided first about it at the same moment.
    pub async fn decide_plugin(
        &self,
        kind: PluginKind,
        name: &PluginName,
        change: &PluginChange,
        act: &PluginAct,
    ) -> Result<(), StoreError> {
        tried!(self, self.decide_plugin_once(kind, name, change, act))
    }

    async fn decide_plugin_once(
        &self,
        kind: PluginKind,
        name: &PluginName,
        change: &PluginChange,
        act: &PluginAct,
    ) -> Result<(), StoreError> {
        const DOING: &str = "keep a decision about a plugin";
        let key = || (kind.as_str().to_owned(), name.to_string());
        let now = act.at.as_micros();
        let approved = change.approval().map(|approval| approval.sha256.clone());
        let grants = change.approval().map(|approval| to_json(DOING, &approval.grants)).transpose()?;
        let (to, from) = match change {
            PluginChange::RollBack { rollback, .. } => (Some(&rollback.to), Some(&rollback.from)),
            PluginChange::Approve(_) | PluginChange::Switch { .. } => (None, None),
        };
        let (to, from) = (to.cloned(), from.cloned());
        let disabled = matches!(change, PluginChange::Switch { disabled: true });
        let update = match change {
            PluginChange::Approve(_) => {
                query(sql::plugin::APPROVE_PLUGIN).bind(approved.clone()).bind(grants.clone())
            }
            PluginChange::Switch { .. } => query(sql::plugin::SWITCH_PLUGIN).bind(disabled),
            PluginChange::RollBack { .. } => query(sql::plugin::ROLL_PLUGIN_BACK)
                .bind(approved.clone())
                .bind(grants.clone())
                .bind(to.clone())
                .bind(from.clone()),
        };
        let update = update.bind(now).bind(key().0).bind(key().1);
        let mut tx = self.begin(DOING).await?;
        if update.execute(&mut *tx).await.doing(DOING)?.rows_affected() == 0 {
            let insert = query(sql::plugin::INSERT_PLUGIN_DECISION)
                .bind(key().0)
                .bind(key().1)
                .bind(approved)
                .bind(grants.clone())
                .bind(disabled)
                .bind(to)
                .bind(from)
                .bind(now);
            insert.execute(&mut *tx).await.doing(DOING)?;
        }
        let entry = Entry { event: change.event(), sha256: change.digest(), grants };
        let history = history(kind, name, entry, act);
        history.execute(&mut *tx).await.doing(DOING)?;
        tx.commit().await.doing(DOING)
    }

    /// Writes down what happened to a component without anybody's decision.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn note_plugin(
        &self,
        kind: PluginKind,
        name: &PluginName,
        (event, sha256): (PluginEvent, &str),
        act: &PluginAct,
    ) -> Result<(), StoreError> {
        let entry = Entry { event, sha256: Some(sha256), grants: None };
        let statement = history(kind, name, entry, act);
        statement.execute(&self.inner.writer).await.doing("write down what happened to a plugin").map(|_| ())
    }

    /// The newest of what hubs had to do about plugins and what ended it, newest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn plugin_notes(&self) -> Result<Vec<PluginNote>, StoreError> {
        let statement = query(sql::plugin::PLUGIN_NOTES).bind(NOTES);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("read notes about plugins")?;
        rows.iter().map(read_note).collect()
    }

    /// What was decided about a plugin, newest first, at most 50.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn plugin_history(
        &self,
        kind: PluginKind,
        name: &PluginName,
    ) -> Result<Vec<PluginHistory>, StoreError> {
        let statement = query(sql::plugin::PLUGIN_HISTORY)
            .bind(kind.as_str().to_owned())
            .bind(name.to_string())
            .bind(HISTORY);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("read decisions about a plugin")?;
        rows.iter().map(read_history).collect()
    }
}

/// What is written down.
struct Entry<'a> {
    event: PluginEvent,
    sha256: Option<&'a str>,
    grants: Option<String>,
}

fn history(kind: PluginKind, name: &PluginName, entry: Entry<'_>, act: &PluginAct) -> Query {
    query(sql::plugin::INSERT_PLUGIN_HISTORY)
        .bind(act.id.to_string())
        .bind(kind.as_str().to_owned())
        .bind(name.to_string())
        .bind(entry.event.as_str().to_owned())
        .bind(entry.sha256.map(ToOwned::to_owned))
        .bind(entry.grants)
        .bind(act.actor.clone())
        .bind(act.reason.clone())
        .bind(act.at.as_micros())
}

fn read_decision(row: &Row) -> Result<PluginDecision, StoreError> {
    let approved = match (row.opt_text("approved")?, row.opt_json("grants")?) {
        (Some(sha256), Some(grants)) => Some(Approval { sha256, grants }),
        _ => None,
    };
    let rollback = match (row.opt_text("rolled_to")?, row.opt_text("rolled_from")?) {
        (Some(to), Some(from)) => Some(Rollback { to, from }),
        _ => None,
    };
    Ok(PluginDecision {
        kind: row.parse("kind")?,
        name: row.parse("name")?,
        decision: Decision { approved, disabled: row.flag("disabled")?, rollback },
        updated_at: row.time("updated_at")?,
    })
}

fn read_note(row: &Row) -> Result<PluginNote, StoreError> {
    Ok(PluginNote {
        kind: row.parse("kind")?,
        name: row.parse("name")?,
        event: row.parse("event")?,
        sha256: row.opt_text("sha256")?,
        actor: row.text("actor")?,
        reason: row.opt_text("reason")?,
        at: row.time("at")?,
    })
}

fn read_history(row: &Row) -> Result<PluginHistory, StoreError> {
    Ok(PluginHistory {
        event: row.parse("event")?,
        sha256: row.opt_text("sha256")?,
        grants: row.opt_json("grants")?,
        actor: row.text("actor")?,
        reason: row.opt_text("reason")?,
        at: row.time("at")?,
    })
}
