//! `watchbell migrate`

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use store::{Migration, Store};

use super::check::files;
use super::output;
use crate::clock;
use crate::config::Config;

#[derive(Args)]
pub(super) struct Options {
    /// Only say what would be applied
    #[arg(long)]
    dry_run: bool,
    /// Print the statements too, in the words of the database
    #[arg(long, requires = "dry_run")]
    sql: bool,
    /// Print {"applied","migrations":[{"number","name","sql"}]}; `sql` where it is asked for
    #[arg(long)]
    json: bool,
}

/// Brings the schema up to date. Several hosts may do so at once: one does it, the others wait.
pub(super) async fn run(options: &Options, config: &Config) -> Result<()> {
    let steps = steps(options, config).await?;
    if options.json {
        let steps: Vec<Value> = steps.iter().map(|step| shown(step, options.sql)).collect();
        return output::json(&json!({ "applied": !options.dry_run, "migrations": steps }));
    }
    let did = if options.dry_run { "would apply" } else { "applied" };
    for step in &steps {
        let line = format!("{did} {:04} {}", step.number, step.name);
        match options.sql {
            // So that all of it can be read, or run, as one file.
            true => output::text(&format!("-- {line}\n{}\n", step.sql))?,
            false => output::line(&line)?,
        }
    }
    if steps.is_empty() {
        output::line(if options.sql { "-- nothing to do" } else { "nothing to do" })?;
    }
    Ok(())
}

/// What was applied, or would be.
async fn steps(options: &Options, config: &Config) -> Result<Vec<Migration>> {
    let url = &config.database.url;
    // Looking must not make a database.
    if options.dry_run && files::database_file(config).is_some_and(|file| files::is_missing(&file)) {
        return Ok(Migration::all(url)?.to_vec());
    }
    let store = Store::open(url, store::Options::default()).await?;
    let steps = match options.dry_run {
        true => store.pending_migrations().await,
        false => store.migrate(clock::now()).await,
    };
    store.close().await;
    Ok(steps?)
}

fn shown(step: &Migration, sql: bool) -> Value {
    match sql {
        true => json!({ "number": step.number, "name": step.name, "sql": step.sql }),
        false => json!({ "number": step.number, "name": step.name }),
    }
}
