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
mod machine;

use plugin_sdk::intelligence::{Analysis, AnalysisRequest, Problem, Provider, ProviderInfo, Surroundings};
use plugin_sdk::{PluginError, plugin_info};

use crate::advice::Finding;
use crate::area::Area;
use crate::incident::Subject;

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
            config_schema: r#"{"type":"object","properties":{},"additionalProperties":false}"#.to_owned(),
            hosts: Vec::new(),
            tasks: ["incident", "memory", "disk"].map(ToOwned::to_owned).to_vec(),
        }
    }

    fn validate_config(_config: &str) -> Vec<Problem> {
        Vec::new()
    }

    fn analyze(
        request: &AnalysisRequest,
        _config: &str,
        surroundings: &mut dyn Surroundings,
    ) -> Result<Analysis, PluginError> {
        let subject = Subject::read(&request.incident, &request.alerts);
        let named = match request.task.as_str() {
            "incident" => area::named_in(&subject),
            "memory" => vec![Area::Memory],
            "disk" => vec![Area::Disk],
            task => {
                return Err(PluginError::Unsupported(format!(
                    "task `{}` is none of `incident`, `memory` and `disk`",
                    plugin_sdk::text::cut(task, 64)
                )));
            }
        };
        let mut evidence = checks::failing(&request.checks);
        evidence.extend(machine::look(surroundings));
        if request.task != "incident" {
            evidence.retain(|piece| named.contains(&piece.area));
            if evidence.is_empty() {
                return Ok(nothing_stands_out(&named));
            }
        }
        let findings = advice::findings(&named, &evidence, &subject);
        Ok(Analysis {
            summary: summary(&subject, &findings),
            probable_cause: probable_cause(&findings),
            recommendations: findings.iter().map(|finding| finding.recommendation(&subject)).collect(),
            model: "local".to_owned(),
            prompt_version: None,
            usage: None,
        })
    }
}

/// The answer to a question about one area where there is nothing to say.
fn nothing_stands_out(named: &[Area]) -> Analysis {
    let nouns: Vec<&str> = named.iter().map(|area| area.noun()).collect();
    Analysis {
        summary: format!("Nothing stands out about {}.", nouns.join(" and ")),
        probable_cause: String::new(),
        recommendations: Vec::new(),
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
