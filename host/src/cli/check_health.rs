//! `watchbell check-health`: how this machine is.

use std::sync::Arc;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use super::output::{self, Usage};
use crate::app;
use crate::checks::{self, CheckResult, CheckStatus, Checker, Checks, Choice, Kind, Machine, Plan};
use crate::clock;
use crate::config::{CheckSettings, Config, Source};
use crate::telemetry;

#[derive(Args)]
pub(super) struct Options {
    /// Which checks; without any those of WATCHBELL_CHECKS, or all
    names: Vec<Checker>,
    /// From this value on a check is a warning; each of the checks named has its own unit
    #[arg(long, value_name = "N", requires = "names", allow_negative_numbers = true)]
    warning: Option<f64>,
    /// From this value on a check is critical
    #[arg(long, value_name = "N", requires = "names", allow_negative_numbers = true)]
    critical: Option<f64>,
    /// Also exit with 1 where a check is a warning
    #[arg(long)]
    fail_on_warning: bool,
    /// Take what the checks say as alerts of this machine
    #[arg(long)]
    record: bool,
    /// Print {"instance","checks":[{"checker","status","value","unit","warning","critical","message","metrics"}],
    /// "recorded"}; with --list {"checkers":[…]}
    #[arg(long)]
    json: bool,
    /// Print which checks there are, with the limits and options that hold, and check nothing
    #[arg(long, conflicts_with_all = ["record", "fail_on_warning"])]
    list: bool,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let source = Source::load()?;
    // Checking needs neither a database nor a secret key; recording does.
    let config = if options.record { Some(Config::read(&source)?) } else { None };
    let settings = match &config {
        Some(config) => config.checks.clone(),
        None => CheckSettings::without_secrets(&source)?,
    };
    let plan = options.plan(&source, settings.plan)?;
    if options.list {
        return if options.json { list_json(&plan) } else { list(&plan) };
    }
    if let Some(config) = &config {
        telemetry::start(&config.telemetry, clock::now)?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let checked = runtime.block_on(async {
        match &config {
            Some(config) => app::record_checks(config, &plan).await,
            None => Ok((Checks::new(&plan, Arc::new(Machine::new())).run(checks::PATIENCE).await, None)),
        }
    });
    // A device that does not answer must not hold the process up.
    runtime.shutdown_background();
    let (results, recorded) = checked?;
    if options.json {
        let recorded = recorded.map(|recorded| {
            json!({
                "run_id": recorded.run_id,
                "trace_id": recorded.trace_id,
                "alerts": recorded.alerts,
                "runs": recorded.runs,
            })
        });
        output::json(&json!({ "instance": settings.instance, "checks": results, "recorded": recorded }))?;
    } else {
        let rows: Vec<_> = results.iter().map(row).collect();
        output::table(["CHECK", "STATE", "VALUE", "WARNING", "CRITICAL", "WHY"], &rows)?;
        if let Some(recorded) = recorded {
            output::line(&format!("recorded {} alerts as run {}", recorded.alerts, recorded.run_id))?;
        }
    }
    judge(&results, options.fail_on_warning)
}

impl Options {
    /// What is checked: the names given, else what the settings say.
    fn plan(&self, source: &Source, configured: Plan) -> Result<Plan> {
        let mut plan = configured;
        if !self.names.is_empty() {
            // Also those that are not made otherwise.
            plan = CheckSettings::all(source)?;
            plan.only(&self.names);
        }
        plan.limit(self.warning, self.critical).map_err(Usage)?;
        Ok(plan)
    }
}

fn judge(results: &[CheckResult], fail_on_warning: bool) -> Result<()> {
    let in_state = |wanted| results.iter().filter(|result| result.status == wanted).count();
    let (critical, warning) = (in_state(CheckStatus::Critical), in_state(CheckStatus::Warning));
    if critical > 0 || (fail_on_warning && warning > 0) {
        bail!("checks that are critical: {critical}; that are a warning: {warning}");
    }
    Ok(())
}

fn row(result: &CheckResult) -> [String; 6] {
    let unit = result.unit;
    let value = result.value.map_or_else(|| "-".to_owned(), |value| format!("{value} {unit}"));
    let limits = result.thresholds;
    [
        result.checker.to_string(),
        result.status.as_str().to_owned(),
        value,
        limits.warning.to_string(),
        limits.critical.to_string(),
        result.message.clone(),
    ]
}

fn list(plan: &Plan) -> Result<()> {
    for (checker, settings) in plan.checks() {
        let about = checker.about();
        let limits = settings.thresholds;
        let unit = about.unit;
        output::line(&format!("{checker}: {}", about.meaning))?;
        output::line(&format!("    reads: {}", about.source))?;
        output::line(&format!("    warning={} critical={} ({unit})", limits.warning, limits.critical))?;
        for option in about.options {
            let values = settings.list(option.name);
            let said: Vec<String> = values.iter().map(|value| format!("{}={value}", option.name)).collect();
            let said = if said.is_empty() { format!("{}=", option.name) } else { said.join(" ") };
            output::line(&format!("    {said}: {}", option.meaning))?;
        }
    }
    Ok(())
}

fn list_json(plan: &Plan) -> Result<()> {
    let checkers = plan.checks().iter().map(|(checker, settings)| {
        let about = checker.about();
        let option = |option: &Choice| {
            let kind = match option.kind {
                Kind::Flag => "flag",
                Kind::Number(..) => "number",
                Kind::Names | Kind::Folders | Kind::Ports | Kind::Hosts => "list",
            };
            let values = settings.list(option.name);
            json!({ "name": option.name, "kind": kind, "values": values, "meaning": option.meaning })
        };
        json!({
            "checker": checker,
            "meaning": about.meaning,
            "unit": about.unit,
            "reads": about.source,
            "warning": settings.thresholds.warning,
            "critical": settings.thresholds.critical,
            "options": about.options.iter().map(option).collect::<Vec<_>>(),
        })
    });
    output::json(&json!({ "checkers": checkers.collect::<Vec<Value>>() }))
}
