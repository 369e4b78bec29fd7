//! Suites that drive a program of Debian or a library of Python, and whether it is here.

use std::path::Path;

use crate::test::report::{Outcome, Report};
use crate::test::{npm, python};
use crate::workspace::Workspace;
use crate::{debian, process};

/// Environment variable by which a test knows that a missing program is a failure: names of suites
/// with a comma between.
pub(crate) const REQUIRE: &str = "WATCHBELL_TEST_REQUIRE";

/// A program that a suite starts. One row per suite; nothing else has to be changed for a new one.
struct Program {
    suite: &'static str,
    /// Found on `PATH` under this name.
    name: &'static str,
    /// Debian package that brings it.
    package: &'static str,
}

const PROGRAMS: &[Program] = &[
    Program { suite: "alertmanager", name: "prometheus-alertmanager", package: "prometheus-alertmanager" },
    Program { suite: "mariadb", name: "mariadb-install-db", package: "mariadb-server" },
    Program { suite: "memcached", name: "memcached", package: "memcached" },
    // The server itself is not on `PATH`.
    Program { suite: "postgres", name: "pg_ctlcluster", package: "postgresql" },
    Program { suite: "redis", name: "redis-server", package: "redis-server" },
];

/// A library that a suite calls.
struct Library {
    /// Also the folder it is in, among the tools.
    suite: &'static str,
    /// Packages with their versions, as pip takes them, with a blank between.
    packages: &'static str,
}

const LIBRARIES: &[Library] = &[
    Library { suite: "aiosmtpd", packages: "aiosmtpd==1.4.6" },
    Library { suite: "componentize_py", packages: "componentize-py==0.25.1" },
    Library { suite: "standardwebhooks", packages: "standardwebhooks==1.1.0" },
    Library { suite: "schemathesis", packages: "schemathesis==4.32.5" },
    Library { suite: "slack_sdk", packages: "slack_sdk==3.47.0" },
    // The official clients of language models.
    Library {
        suite: "ai_sdks",
        packages: "openai==3.54.0 anthropic==2.12.0 google-genai==3.4.0 mistralai==3.7.0 ollama==0.6.3",
    },
];

/// The suite that builds components from JavaScript, and its folder among the tools. Its version and all that
/// it needs is in the lock file of the example that authors begin with.
const JCO: &str = "jco";
const JCO_LOCKED_BY: &str = "plugins/examples/javascript";

/// Suites whose program or library is here.
#[derive(Default)]
pub(crate) struct Present(Vec<&'static str>);

impl Present {
    /// The suites that must not be left out: all of them in CI, else those that can run.
    pub(crate) fn required(&self, is_ci: bool) -> String {
        let all = || {
            let programs = PROGRAMS.iter().map(|program| program.suite);
            programs.chain(LIBRARIES.iter().map(|library| library.suite)).chain([JCO]).collect()
        };
        if is_ci { all() } else { self.0.clone() }.join(",")
    }
}

/// Looks for what suites need, installs what is missing if that is allowed, and reports what will not
/// run.
pub(crate) fn prepare(
    may_install: bool,
    workspace: &Workspace,
    target_directory: &Path,
    report: &mut Report,
) -> Present {
    let mut present = programs(may_install, report);
    for library in LIBRARIES {
        let folder = target_directory.join("tools").join(library.suite);
        let mut install = python::install(&folder, library.packages);
        if may_install && !folder.is_dir() {
            report.step("libraries", || process::run(&mut install).map(|()| Outcome::Passed));
        }
        if folder.is_dir() {
            present.0.push(library.suite);
            continue;
        }
        let remedy = process::shown(&install);
        report.step(library.suite, || {
            Ok(Outcome::NotRun(format!("not here\nhint: run `{remedy}`, or use `--install`")))
        });
    }
    present.0.extend(jco(may_install, workspace, target_directory, report));
    present
}

fn jco(
    may_install: bool,
    workspace: &Workspace,
    target_directory: &Path,
    report: &mut Report,
) -> Option<&'static str> {
    let folder = target_directory.join("tools").join(JCO);
    if may_install && !folder.is_dir() {
        report.step("npm packages", || {
            npm::install(&workspace.root.join(JCO_LOCKED_BY), &folder).map(|()| Outcome::Passed)
        });
    }
    if folder.is_dir() {
        return Some(JCO);
    }
    report.step(JCO, || Ok(Outcome::NotRun("not here\nhint: use `--install`; it needs Node.js".to_owned())));
    None
}

fn programs(may_install: bool, report: &mut Report) -> Present {
    let is_here = |program: &&Program| process::find_program(program.name).is_some();
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|program| !is_here(program)).map(|program| program.package).collect();
    if may_install && !missing.is_empty() {
        report.step("packages", || debian::install(&missing).map(|()| Outcome::Passed));
    }
    let (present, missing): (Vec<&Program>, Vec<&Program>) = PROGRAMS.iter().partition(is_here);
    for program in missing {
        let remedy = debian::command_line(&[program.package]);
        report.step(program.suite, || {
            Ok(Outcome::NotRun(format!(
                "no `{}` here\nhint: run `{remedy}`, or use `--install`",
                program.name
            )))
        });
    }
    Present(present.iter().map(|program| program.suite).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_ci_every_suite_is_required() {
        assert_eq!(
            Present::default().required(true),
            "alertmanager,mariadb,memcached,postgres,redis,aiosmtpd,componentize_py,standardwebhooks,schemathesis,\
             slack_sdk,ai_sdks,jco"
        );
    }

    #[test]
    fn elsewhere_only_suites_whose_program_is_here_are_required() {
        assert_eq!(Present::default().required(false), "");
        assert_eq!(Present(vec!["alertmanager"]).required(false), "alertmanager");
    }
}
