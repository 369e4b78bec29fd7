//! `watchbell check`: everything that can be told before the hub serves.

mod codes;
pub(super) mod files;
mod plugins;
mod settings;
mod storage;

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::output;
use crate::app;
use crate::config::{Config, Problems, Source};
pub(super) use codes::list as list_codes;
use codes::{Code, Level};

#[derive(Args)]
pub(super) struct Options {
    /// Also say what is not fit for production
    #[arg(long)]
    deploy: bool,
    /// Print {"findings":[{"code","level","message","hint"}]}
    #[arg(long)]
    json: bool,
    /// Print what each code means, and check nothing
    #[arg(long, conflicts_with_all = ["deploy", "json"])]
    codes: bool,
}

/// Something that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    code: &'static str,
    level: Level,
    message: String,
    hint: Option<String>,
}

/// What was found, in the order of looking.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn of_settings(problems: &Problems) -> Self {
        let mut findings = Self::default();
        problems.all().iter().for_each(|problem| findings.error(Code::Setting, problem));
        findings
    }

    fn add(&mut self, code: Code, message: impl Into<String>, hint: impl Into<String>) {
        let hint: String = hint.into();
        let hint = (!hint.is_empty()).then_some(hint);
        let (code, level) = (code.name(), code.level());
        self.0.push(Finding { code, level, message: message.into(), hint });
    }

    /// An error whose text may end in a hint of its own.
    fn error(&mut self, code: Code, error: &str) {
        match error.split_once("\nhint: ") {
            Some((message, hint)) => self.add(code, message, hint),
            None => self.add(code, error, ""),
        }
    }

    fn count(&self, level: Level) -> usize {
        self.0.iter().filter(|finding| finding.level == level).count()
    }
}

pub(super) fn run(options: &Options) -> Result<()> {
    if options.codes {
        return list_codes();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let findings = match Source::load() {
        Ok(source) => runtime.block_on(look(&source, options.deploy)),
        Err(problems) => Findings::of_settings(&problems),
    };
    runtime.shutdown_background();
    if options.json {
        output::json(&json!({ "findings": findings.0 }))?;
    } else {
        show(&findings)?;
    }
    match findings.count(Level::Error) {
        0 => Ok(()),
        errors => bail!("{errors} errors: the hub would not work as it should"),
    }
}

async fn look(source: &Source, deploy: bool) -> Findings {
    let mut findings = Findings::default();
    settings::unknown(source, &mut findings);
    files::env_files(source, &mut findings);
    let config = match Config::read(source) {
        Ok(config) => config,
        Err(problems) => {
            // Everything else is done with settings that can be used.
            findings.0.extend(Findings::of_settings(&problems).0);
            return findings;
        }
    };
    for error in app::unusable(&config).await {
        findings.error(Code::Setting, &format!("{error:#}"));
    }
    settings::access(&config, &mut findings);
    if deploy {
        settings::deploy(&config, &mut findings);
    }
    files::plugin_folder(&config, &mut findings);
    files::templates(&config, &mut findings);
    files::disk(&config, &mut findings).await;
    let catalogue = plugins::load(&config, &mut findings).await;
    storage::look(&config, catalogue.as_ref(), &mut findings).await;
    findings
}

fn show(findings: &Findings) -> Result<()> {
    for Finding { code, level, message, hint } in &findings.0 {
        output::line(&format!("{code} {level}: {message}"))?;
        if let Some(hint) = hint {
            output::line(&format!("    hint: {hint}"))?;
        }
    }
    let (errors, warnings) = (findings.count(Level::Error), findings.count(Level::Warning));
    output::line(&format!("{errors} errors, {warnings} warnings"))
}
