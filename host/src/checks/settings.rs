//! Which checks are made, with which limits and options.

use std::collections::BTreeMap;

use super::about::{Choice, Thresholds};
use super::{Checker, UnknownChecker};

/// Limits and options of one checker. Invariant: every option is what its [`super::Kind`] asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The limits.
    pub thresholds: Thresholds,
    /// What holds for each option, by its name.
    options: BTreeMap<&'static str, Vec<String>>,
}

impl Settings {
    /// What holds where nothing is set.
    pub fn defaults(checker: Checker) -> Self {
        let about = checker.about();
        let value = |option: &Choice| {
            let texts = option.default.split(',').filter(|text| !text.is_empty());
            (option.name, texts.map(str::to_owned).collect())
        };
        Self { thresholds: about.thresholds, options: about.options.iter().map(value).collect() }
    }

    /// Reads `warning=80,critical=95,root=/srv,root=/var/log`; a list is an option given several times.
    ///
    /// # Errors
    /// What is not understood, and what there is.
    pub fn parse(checker: Checker, text: &str) -> Result<Self, String> {
        let mut settings = Self::defaults(checker);
        let mut said: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let shown: String = pair.chars().take(64).flat_map(char::escape_default).collect();
            let (name, value) =
                pair.split_once('=').ok_or_else(|| format!("expected `name=value`, found `{shown}`"))?;
            let (name, value) = (name.trim(), value.trim());
            let limit = || value.parse().map_err(|_| format!("expected a number, found `{shown}`"));
            match name {
                "warning" => settings.thresholds.warning = limit()?,
                "critical" => settings.thresholds.critical = limit()?,
                _ => {
                    let option = checker.about().options.iter().find(|option| option.name == name);
                    let option = option.ok_or_else(|| unknown(checker, &shown))?;
                    if let Some(expected) = option.kind.defect(value) {
                        return Err(format!("expected {expected}, found `{shown}`"));
                    }
                    let values = said.entry(option.name).or_default();
                    if !option.kind.is_list() {
                        values.clear();
                    }
                    values.push(value.to_owned());
                }
            }
        }
        settings.options.extend(said);
        match settings.thresholds.defect() {
            Some(defect) => Err(defect),
            None => Ok(settings),
        }
    }

    /// What holds for an option; at most one value where it is no list.
    pub fn list(&self, name: &str) -> &[String] {
        self.options.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// A number.
    pub(super) fn number(&self, name: &str) -> u32 {
        self.list(name).first().and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// A yes or no.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.number(name) == 1
    }
}

fn unknown(checker: Checker, shown: &str) -> String {
    let options = checker.about().options.iter().map(|option| option.name);
    let known: Vec<String> =
        ["warning", "critical"].into_iter().chain(options).map(|name| format!("`{name}`")).collect();
    format!("`{checker}` has no such option: `{shown}`; it has {}", known.join(", "))
}

/// Which checks are made, and how. Each checker once.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    checks: Vec<(Checker, Settings)>,
}

impl Default for Plan {
    /// Every check with its defaults.
    fn default() -> Self {
        let checks = Checker::ALL.into_iter().map(|checker| (checker, Settings::defaults(checker)));
        Self { checks: checks.collect() }
    }
}

impl Plan {
    /// Sets the limits and options of one checker.
    ///
    /// # Errors
    /// What is not understood.
    pub fn set(&mut self, checker: &str, text: &str) -> Result<(), String> {
        let checker: Checker = checker.parse().map_err(|unknown: UnknownChecker| unknown.to_string())?;
        let settings = Settings::parse(checker, text)?;
        if let Some((_, found)) = self.checks.iter_mut().find(|(found, _)| *found == checker) {
            *found = settings;
        }
        Ok(())
    }

    /// Sets limits of every check there is.
    ///
    /// # Errors
    /// When they cannot be, for the first check that has it.
    pub fn limit(&mut self, warning: Option<f64>, critical: Option<f64>) -> Result<(), String> {
        for (checker, settings) in &mut self.checks {
            let limits = settings.thresholds;
            settings.thresholds = Thresholds {
                warning: warning.unwrap_or(limits.warning),
                critical: critical.unwrap_or(limits.critical),
            };
            if let Some(defect) = settings.thresholds.defect() {
                return Err(format!("`{checker}`: {defect}"));
            }
        }
        Ok(())
    }

    /// Leaves only these, in the order of reports.
    pub fn only(&mut self, wanted: &[Checker]) {
        self.checks.retain(|(checker, _)| wanted.contains(checker));
    }

    /// All of them, in the order of reports.
    pub fn checks(&self) -> &[(Checker, Settings)] {
        &self.checks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_options_come_over_the_defaults() {
        let settings =
            Settings::parse(Checker::DiskAnalysis, " warning=1.5, root=/srv,root=/opt ,depth=3,depth=4")
                .unwrap();
        assert_eq!(settings.thresholds, Thresholds { warning: 1.5, critical: 20.0 });
        assert_eq!(settings.list("root"), ["/srv", "/opt"]);
        assert_eq!((settings.number("depth"), settings.number("old_days")), (4, 30));
        assert_eq!(Settings::parse(Checker::Cpu, "").unwrap(), Settings::defaults(Checker::Cpu));
    }

    #[test]
    fn what_is_not_understood_is_named_with_what_is_expected() {
        for (checker, text, expected) in [
            (Checker::Cpu, "warn=1", "it has `warning`, `critical`"),
            (Checker::Cpu, "warning", "expected `name=value`"),
            (Checker::Cpu, "warning=much", "expected a number"),
            (Checker::Cpu, "warning=NaN", "0 or more"),
            (Checker::Cpu, "critical=10", "`warning` must not be above `critical`, found 80 and 10"),
            (Checker::DiskAnalysis, "root=var", "a path from the root"),
            (Checker::DiskAnalysis, "depth=0", "1 to 64"),
            (Checker::Network, "gateway=yes", "0 or 1"),
            (Checker::Network, "host=db1", "a host with a port"),
            (Checker::ListeningPorts, "expect=22/sctp", "a port as `22` or `53/udp`"),
            (Checker::ListeningPorts, "expect=0", "a port"),
            (Checker::Process, "name=", "a name"),
        ] {
            let error = Settings::parse(checker, text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        for host in ["db1:5432", "10.0.0.1:1", "[::1]:22"] {
            assert!(Settings::parse(Checker::Network, &format!("host={host}")).is_ok(), "{host}");
        }
    }

    #[test]
    fn defaults_are_what_can_be_set() {
        for checker in Checker::ALL {
            let about = checker.about();
            assert_eq!(about.thresholds.defect(), None, "{checker}");
            for option in about.options {
                let mut texts = option.default.split(',').filter(|text| !text.is_empty());
                assert!(texts.all(|text| option.kind.defect(text).is_none()), "{checker} {}", option.name);
                assert!(option.meaning.ends_with('.') && !matches!(option.name, "warning" | "critical"));
            }
        }
    }

    #[test]
    fn a_plan_sets_leaves_and_limits() {
        let mut plan = Plan::default();
        assert!(plan.set("nvme", "").unwrap_err().contains("known are cpu, memory"));
        plan.set("memory", "critical=99").unwrap();
        plan.only(&[Checker::Memory]);
        plan.limit(Some(50.0), None).unwrap();
        let [(checker, settings)] = plan.checks() else { panic!("one") };
        assert_eq!(*checker, Checker::Memory);
        assert_eq!(settings.thresholds, Thresholds { warning: 50.0, critical: 99.0 });
        assert!(plan.limit(Some(100.0), None).unwrap_err().contains("`memory`"));
    }
}
