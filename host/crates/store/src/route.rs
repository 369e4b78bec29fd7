//! Routes: rules that pick stages and channels.

use domain::route::Route;

use crate::db::{Columns as _, Row, query, readable, to_json};
use crate::error::{Doing as _, StoreError};
use crate::open::Store;
use crate::sql;

impl Store {
    /// Lists all routes in the order in which they are asked: by priority, then identifier. One that cannot
    /// be read is left out and logged: it must not stop the others.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database does not answer.
    pub async fn routes(&self) -> Result<Vec<Route>, StoreError> {
        let statement = query(sql::channel::ROUTES);
        let rows = statement.fetch_all(&self.inner.readers).await.doing("list routes")?;
        Ok(readable(&rows, read_route))
    }

    /// Keeps a new route.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if its name or identifier is taken.
    pub async fn add_route(&self, route: &Route) -> Result<(), StoreError> {
        const DOING: &str = "keep a route";
        query(sql::channel::INSERT_ROUTE)
            .bind(route.id.to_string())
            .bind(route.name.clone())
            .bind(route.priority)
            .bind(to_json(DOING, &route.conditions)?)
            .bind(to_json(DOING, &route.stages)?)
            .bind(to_json(DOING, &route.channels)?)
            .bind(route.enabled)
            .execute(&self.inner.writer)
            .await
            .doing(DOING)
            .map_err(|error| match error {
                StoreError::Conflict(_) => {
                    StoreError::Conflict(format!("there is a route `{}` already", route.name))
                }
                other => other,
            })?;
        Ok(())
    }
}

fn read_route(row: &Row) -> Result<Route, StoreError> {
    Ok(Route {
        id: row.parse("id")?,
        name: row.text("name")?,
        priority: row.int("priority")?,
        conditions: row.json("conditions")?,
        stages: row.json("stages")?,
        channels: row.json("channels")?,
        enabled: row.flag("enabled")?,
    })
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use crate::open::{Options, Store};

    #[tokio::test]
    async fn route_of_another_build_is_left_out_and_the_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("t.sqlite3").display());
        let store = Store::open(&url, Options::default()).await.unwrap();
        store.migrate(Timestamp::default()).await.unwrap();
        sqlx::query(
            "UPDATE route SET conditions = '[{\"field\":\"source\",\"op\":\"like\",\"value\":\"a\"}]'
             WHERE name = 'resolved-all-clear'",
        )
        .execute(&store.inner.writer)
        .await
        .unwrap();
        let names: Vec<String> = store.routes().await.unwrap().into_iter().map(|route| route.name).collect();
        assert_eq!(names, ["catch-all"]);
    }
}
