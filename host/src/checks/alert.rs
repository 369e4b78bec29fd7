//! Results as alerts, in the form in which drivers give them.

use domain::alert::{Labels, ParsedAlert, ReportedSeverity, ReportedStatus};
use serde_json::{Map, Value};

use super::{CheckResult, CheckStatus};

/// Figures that identify what was found ([`domain::alert::context_key`]); others change all the time.
const CONTEXT: [&str; 2] = ["unexpected_ports", "missing_ports"];

/// What results say of the machine called `instance`, one alert for each checker that gave an answer.
pub fn alerts(results: &[CheckResult], instance: &str) -> Vec<ParsedAlert> {
    results.iter().filter_map(|result| alert(result, instance)).collect()
}

fn alert(result: &CheckResult, instance: &str) -> Option<ParsedAlert> {
    let (status, severity) = match result.status {
        CheckStatus::Skipped | CheckStatus::Unknown => return None,
        CheckStatus::Ok => (ReportedStatus::Resolved, ReportedSeverity::Info),
        CheckStatus::Warning => (ReportedStatus::Firing, ReportedSeverity::Warning),
        CheckStatus::Critical => (ReportedStatus::Firing, ReportedSeverity::Critical),
    };
    let checker = result.checker.as_str();
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let context: Map<String, Value> = CONTEXT
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), result.metrics.get(*name)?.clone())))
        .collect();
    let metrics = (!context.is_empty()).then(|| label("metrics", &Value::Object(context).to_string()));
    Some(ParsedAlert {
        fingerprint: Some(format!("{checker}-{instance}")),
        name: format!("{checker} check"),
        status,
        raw_status: result.status.as_str().to_owned(),
        severity,
        raw_severity: result.status.as_str().to_owned(),
        description: result.message.clone(),
        starts_at: None,
        ends_at: None,
        labels: Labels::from([label("checker", checker), label("instance", instance)]),
        annotations: metrics.into_iter().collect(),
        links: Labels::new(),
        extra: Value::Null,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Checker, Finding, Thresholds};
    use super::*;

    fn result(checker: Checker, status: CheckStatus) -> CheckResult {
        let found = Finding::skipped("words").with("unexpected_ports", json!(["22/tcp"])).with("load_1", 7.5);
        CheckResult {
            checker,
            status,
            value: Some(1.0),
            unit: "%",
            thresholds: Thresholds { warning: 1.0, critical: 2.0 },
            message: found.message,
            metrics: found.metrics,
        }
    }

    #[test]
    fn one_alert_for_each_checker_that_gave_an_answer() {
        let states = [
            CheckStatus::Skipped,
            CheckStatus::Unknown,
            CheckStatus::Ok,
            CheckStatus::Warning,
            CheckStatus::Critical,
        ];
        let results = states.map(|status| result(Checker::DiskTemp, status));
        let told: Vec<_> = alerts(&results, "web-03").iter().map(|a| (a.status, a.severity)).collect();
        assert_eq!(
            told,
            [
                (ReportedStatus::Resolved, ReportedSeverity::Info),
                (ReportedStatus::Firing, ReportedSeverity::Warning),
                (ReportedStatus::Firing, ReportedSeverity::Critical),
            ]
        );
    }

    #[test]
    fn who_it_is_stays_the_same_and_what_changes_all_the_time_is_left_out() {
        let [alert] = &alerts(&[result(Checker::ListeningPorts, CheckStatus::Warning)], "web-03")[..] else {
            panic!("one")
        };
        assert_eq!(alert.fingerprint.as_deref(), Some("listening_ports-web-03"));
        assert_eq!(alert.labels["checker"], "listening_ports");
        assert_eq!(domain::alert::instance(&alert.labels), Some("web-03"));
        assert_eq!(alert.annotations["metrics"], r#"{"unexpected_ports":["22/tcp"]}"#);
    }
}
