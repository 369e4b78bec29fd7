//! What `cargo xtask corpus` starts: payloads of senders through detection and the built drivers, and
//! how what comes of them differs from what another system once made of them.
//!
//! That system is a witness and no judge: where it is known to be wrong, a rule says so, with its
//! reason and a condition on the difference itself. A difference without a rule is an error of ours.

#![forbid(unsafe_code)]

mod body;
mod compare;
mod hub;
mod rules;
mod witness;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::compare::{Difference, Field, Identities, What};
use crate::hub::Hub;
use crate::witness::Witness;

#[derive(Parser)]
struct Cli {
    /// Folder of the payloads
    corpus: PathBuf,
    /// Folder of the built drivers
    drivers: PathBuf,
    /// Show every deliberate difference, not only how many there are
    #[arg(long)]
    all: bool,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // When standard error is gone there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing is wrong.
fn run(cli: &Cli) -> Result<bool> {
    let corpus = witness::read(&cli.corpus)?;
    let hub = Hub::load(&cli.drivers)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let differences = runtime.block_on(differences(&corpus, &hub))?;
    report(&corpus, &differences, cli.all)
}

async fn differences<'w>(corpus: &'w [Witness], hub: &Hub) -> Result<Vec<Difference<'w>>> {
    let mut differences = Vec::new();
    let mut identities = Identities::default();
    for witness in corpus {
        let body = serde_json::to_vec(&witness.payload)?;
        let detected = hub.detect(&body);
        let named = witness.driver.as_deref();
        let what = if detected == witness.detected {
            rules::shared_mistake(witness).map(What::Shared)
        } else {
            Some(What::Detection(detected.clone()))
        };
        let driver = || named.unwrap_or("any").to_owned();
        differences.extend(what.map(|what| Difference { witness, driver: driver(), what }));
        // At its own URL and at the one for all: what the witness says is of the former.
        let readers: BTreeSet<&str> = named.into_iter().chain(detected.as_deref()).collect();
        for driver in readers {
            let Some(made) = hub.read(driver, body.clone()).await? else {
                differences.push(Difference { witness, driver: driver.to_owned(), what: What::NoDriver });
                continue;
            };
            if named == Some(driver) || witness.alerts.is_some() {
                differences.extend(compare::made(witness, driver, &made));
                identities.add(witness, driver, &made);
            }
        }
    }
    differences.extend(identities.differences());
    Ok(differences)
}

fn report(corpus: &[Witness], differences: &[Difference<'_>], all: bool) -> Result<bool> {
    let mut out = std::io::stdout().lock();
    let mut by_reason: BTreeMap<&str, Vec<&Difference<'_>>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for difference in differences {
        match rules::reason(difference) {
            Some(reason) => by_reason.entry(reason).or_default().push(difference),
            None => wrong.push(difference),
        }
    }
    for (reason, differences) in &by_reason {
        writeln!(out, "{:5}  {reason}", differences.len())?;
        for difference in differences.iter().filter(|_| all) {
            writeln!(out, "         {difference}")?;
        }
    }
    for difference in &wrong {
        writeln!(out, "WRONG  {difference}")?;
    }
    let fields = Field::ALL.map(Field::name).join(", ");
    writeln!(
        out,
        "compared: who reads a body; whether alerts, nothing or a refusal comes of it; how many alerts; of each \
         {fields}; which alerts are one. Nothing else is, such as labels, descriptions and links."
    )?;
    let files = |list: &[&Difference<'_>]| -> BTreeSet<String> {
        list.iter().map(|difference| difference.witness.file.clone()).collect()
    };
    let wrong_files = files(&wrong);
    let other: BTreeSet<String> = files(&differences.iter().collect::<Vec<_>>());
    writeln!(
        out,
        "{} payloads: {} same as the witness, {} deliberately different, {} wrong",
        corpus.len(),
        corpus.len().saturating_sub(other.len()),
        other.difference(&wrong_files).count(),
        wrong_files.len()
    )?;
    Ok(wrong.is_empty())
}
