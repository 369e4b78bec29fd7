//! Provider without a model: rules over what is known already.
//!
//! It looks at three things, none of which is needed: the words of the incident and its alerts, the
//! checks that ran before, and snapshots of the machine that Watchbell runs on. The same input always
//! gives the same answer, and it needs no network, so it is also what is left when another provider
//! fails.
//!
//! The reader has been woken up: say what it is about, what is known, and what to type first.

#![forbid(unsafe_code)]

mod advice;
mod area;
mod checks;
#[cfg(target_arch = "wasm32")]
mod component;
mod incident;
mod look;
mod machine;
mod settings;

use plugin_sdk::intelligence::{
    Analysis, AnalysisRequest, Problem, Provider, ProviderInfo, Recommendation, Surroundings,
};
use plugin_sdk::{PluginError, plugin_info};

use crate::advice::Finding;
use crate::area::Area;
use crate::incident::Subject;
use crate::settings::Settings;

/// The provider.
#[derive(Debug)]
pub struct Local;

impl Provider for Local {
    fn metadata() -> ProviderInfo {
        ProviderInfo {
            plugin: plugin_info(
                "local",
                env!("CARGO_PKG_VERSION"),
                "Advice from rules, checks and this machine",
            ),
            config_schema: settings::SCHEMA.to_owned(),
            hosts: Vec::new(),
            tasks: ["incident", "memory", "disk"].map(ToOwned::to_owned).to_vec(),
        }
    }

    fn validate_config(config: &str) -> Vec<Problem> {
        settings::problems(config)
    }

    fn analyze(
        request: &AnalysisRequest,
        config: &str,
        surroundings: &mut dyn Surroundings,
    ) -> Result<Analysis, PluginError> {
        let settings = Settings::read(&request.options, config);
        match request.task.as_str() {
            "incident" => Ok(incident(request, &settings, surroundings)),
            "memory" => Ok(look::memory(&settings, surroundings)),
            "disk" => Ok(look::disk(&settings, surroundings)),
            task => Err(PluginError::Unsupported(format!(
                "task `{}` is none of `incident`, `memory` and `disk`",
                plugin_sdk::text::cut(task, 64)
            ))),
        }
    }
}

/// What an incident is about, by its words and by what stands out here.
fn incident(request: &AnalysisRequest, settings: &Settings, surroundings: &mut dyn Surroundings) -> Analysis {
    let subject = Subject::read(&request.incident, &request.alerts);
    let named = area::named_in(&subject);
    let mut evidence = machine::look(settings, surroundings);
    if named.contains(&Area::Disk) {
        machine::name_files(&mut evidence, settings, surroundings);
    }
    let mut all = checks::failing(&request.checks);
    all.append(&mut evidence);
    let findings = advice::findings(&named, &all, &subject);
    let recommendations = findings.iter().map(|finding| finding.recommendation(&subject)).collect();
    analysis(summary(&subject, &findings), probable_cause(&findings), recommendations)
}

/// An answer of this provider.
fn analysis(summary: String, probable_cause: String, recommendations: Vec<Recommendation>) -> Analysis {
    Analysis {
        summary,
        probable_cause,
        recommendations,
        model: "local".to_owned(),
        prompt_version: None,
        usage: None,
    }
}

/// What it is about, in a sentence or two.
fn summary(subject: &Subject, findings: &[Finding]) -> String {
    let about = match findings.first() {
        Some(finding) if finding.area != Area::General => {
            format!("looks like trouble with {}", finding.area.noun())
        }
        _ => "is of no kind that the local rules know".to_owned(),
    };
    let others: Vec<&str> = findings.iter().skip(1).map(|finding| finding.area.noun()).collect();
    let also =
        if others.is_empty() { String::new() } else { format!(" Also look at {}.", others.join(" and ")) };
    format!("{} {about}.{also}", subject.heading())
}

/// What speaks for it: what was measured, or that nothing was.
fn probable_cause(findings: &[Finding]) -> String {
    let measured: Vec<&str> =
        findings.iter().flat_map(|finding| &finding.evidence).map(String::as_str).collect();
    if measured.is_empty() {
        return "Nothing that was checked here stands out. The cause is most likely where the alert comes from."
            .to_owned();
    }
    measured.join(" ")
}

#[cfg(test)]
mod tests {
    use plugin_sdk::testkit;

    use super::*;

    #[test]
    fn golden_incidents_are_analysed_as_reviewed() {
        testkit::provider::<Local>(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata"));
    }
}
