//! Routes: rules that pick stages and channels.

use domain::alert::Alert;
use domain::id::RouteId;
use domain::route::Route;
use domain::time::Timestamp;
use serde::Serialize;

use crate::alert::read_alert;
use crate::db::{Columns as _, Query, Row, query, to_json};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;

/// A route, and how often it was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptRoute {
    /// The rule.
    #[serde(flatten)]
    pub route: Route,
    /// How many runs have taken it.
    pub hits: u64,
    /// When the last of them did.
    pub last_hit_at: Option<Timestamp>,
}

/// A route that is stored and cannot be understood: another build, or somebody else, wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokenRoute {
    /// Its identifier, as it is stored.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub problem: String,
}

/// All routes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Routes {
    /// Those that can be understood, in the order in which they are asked: by priority, then identifier.
    pub routes: Vec<KeptRoute>,
    /// The others. They match nothing.
    pub broken: Vec<BrokenRoute>,
}

impl Store {
    /// Lists all routes. One that cannot be understood is among the broken ones: it must not stop the others,
    /// and must not catch what another one is meant for.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn routes(&self) -> Result<Routes, StoreError> {
        let statement = query(sql::channel::ROUTES);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("list routes")?;
        Ok(read_routes(&rows))
    }

    /// Keeps a new route.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if its name or identifier is taken.
    pub async fn add_route(&self, route: &Route) -> Result<(), StoreError> {
        let insert = query(sql::channel::INSERT_ROUTE).bind(route.id.to_string());
        let insert = bind_rule(insert, route)?.execute(&self.inner.writer).await;
        insert.doing("keep a route").map_err(|error| name_taken(error, route)).map(|_| ())
    }

    /// Changes a route; what was counted for it stays.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none with its identifier; [`StoreError::Conflict`] if another one
    /// has its name.
    pub async fn update_route(&self, route: &Route) -> Result<(), StoreError> {
        let update = bind_rule(query(sql::channel::UPDATE_ROUTE), route)?.bind(route.id.to_string());
        let done = update.execute(&self.inner.writer).await.doing("change a route");
        match done.map_err(|error| name_taken(error, route))?.rows_affected() {
            0 => Err(StoreError::NotFound(format!("route `{}`", route.id))),
            _ => Ok(()),
        }
    }

    /// Takes a route away, one that cannot be understood too.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none.
    pub async fn remove_route(&self, id: RouteId) -> Result<(), StoreError> {
        let statement = query(sql::channel::DELETE_ROUTE).bind(id.to_string());
        match statement.execute(&self.inner.writer).await.doing("remove a route")?.rows_affected() {
            0 => Err(StoreError::NotFound(format!("route `{id}`"))),
            _ => Ok(()),
        }
    }

    /// Alerts of which something was heard since a time: those among the `most` that are known the shortest.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn recent_alerts(&self, since: Timestamp, most: u32) -> Result<Vec<Alert>, StoreError> {
        let statement = query(sql::read::RECENT_ALERTS).bind(most).bind(since.as_micros());
        let rows = statement.fetch_all(&self.inner.readers).await.doing("read recent alerts")?;
        rows.iter().map(read_alert).collect()
    }
}

/// Name, priority, conditions, stages, channels, enabled.
fn bind_rule(statement: Query, route: &Route) -> Result<Query, StoreError> {
    const DOING: &str = "keep a route";
    Ok(statement
        .bind(route.name.clone())
        .bind(route.priority)
        .bind(to_json(DOING, &route.conditions)?)
        .bind(to_json(DOING, &route.stages)?)
        .bind(to_json(DOING, &route.channels)?)
        .bind(route.enabled))
}

fn name_taken(error: StoreError, route: &Route) -> StoreError {
    match error {
        StoreError::Conflict(_) => StoreError::Conflict(format!("there is a route `{}` already", route.name)),
        other => other,
    }
}

/// Sorts those that can be understood from the others.
pub(crate) fn read_routes(rows: &[Row]) -> Routes {
    let mut found = Routes::default();
    for row in rows {
        let problem = match read_route(row) {
            Ok(kept) if kept.route.defects().is_empty() => {
                found.routes.push(kept);
                continue;
            }
            Ok(kept) => kept.route.defects().join("; "),
            Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
        };
        let text = |column| row.text(column).unwrap_or_default();
        found.broken.push(BrokenRoute { id: text("id"), name: text("name"), problem });
    }
    found
}

fn read_route(row: &Row) -> Result<KeptRoute, StoreError> {
    let route = Route {
        id: row.parse("id")?,
        name: row.text("name")?,
        priority: row.int("priority")?,
        conditions: row.json("conditions")?,
        stages: row.json("stages")?,
        channels: row.json("channels")?,
        enabled: row.flag("enabled")?,
    };
    Ok(KeptRoute { route, hits: row.int("hits")?, last_hit_at: row.opt_time("last_hit_at")? })
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use crate::open::{Options, Store};

    #[tokio::test]
    async fn route_that_cannot_be_understood_is_named_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.sqlite3").display());
        let store = Store::open(&url, Options::default()).await.unwrap();
        store.migrate(Timestamp::default()).await.unwrap();
        for (conditions, named) in [
            (r#"[{"field":"source","op":"like","value":"a"}]"#, "like"),
            (r#"[{"field":"colour","op":"is-not","value":"a"}]"#, "colour"),
            ("nonsense", "conditions"),
        ] {
            crate::db::fixed("UPDATE route SET conditions = $1 WHERE name = 'resolved-all-clear'")
                .bind(conditions)
                .execute(&store.inner.writer)
                .await
                .unwrap();
            let found = store.routes().await.unwrap();
            let names: Vec<&str> = found.routes.iter().map(|kept| kept.route.name.as_str()).collect();
            assert_eq!(names, ["catch-all"]);
            let [broken] = found.broken.as_slice() else { panic!("{found:?}") };
            assert!(broken.name == "resolved-all-clear" && broken.problem.contains(named), "{broken:?}");
        }
    }
}
