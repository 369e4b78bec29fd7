//! `watchbell plugin test`: golden cases through the built component.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;
use similar::TextDiff;

use super::AsWhat;
use crate::cli::output;
use crate::config::{PluginSettings, Source};
use crate::plugins::{Case, Subject, Target, Verdict, cases};

/// What an author's component is called beside its cases.
const COMPONENT: &str = "plugin.wasm";
/// Lines around a difference.
const CONTEXT_LINES: usize = 3;

/// How to use it, below the list of options.
pub(super) const HELP: &str = "\
A case is an input and the result that was reviewed: `<case>.json` (or `<case>.form`, as which a driver gets
it) and `<case>.expected.json`. The component is `plugin.wasm` beside the cases or one folder above them.

  drivers    The input is the body of a webhook; it arrives at 2026-06-01T12:00:00Z.
  notifiers  {\"notification\": {…}, \"config\": {…}, \"answer\": {\"status\", \"headers\", \"body\"}}; what the
             remote answers is part of the input (or {\"error\": \"timeout\"}), and nothing is sent.
             A mail server answers {\"code\", \"text\", \"refused\": [{\"address\", \"code\", \"text\"}]}.
  providers  {\"request\": {…}, \"config\": {…}, \"snapshots\": {\"memory\": {…}, …}}

  watchbell plugin test acme/ --update && git diff acme/
  watchbell plugin test plugins/drivers/grafana --plugin grafana";

#[derive(Args)]
pub(in crate::cli) struct Options {
    /// The folder of the cases, or the one that holds it as `testdata`
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The component
    #[arg(long, value_name = "FILE", conflicts_with = "plugin")]
    file: Option<PathBuf>,
    /// A plugin that the hub loads, instead of a component
    #[arg(long, value_name = "NAME")]
    plugin: Option<String>,
    #[command(flatten)]
    as_what: AsWhat,
    /// Write what was found as what is expected; read the difference before you commit it
    #[arg(long)]
    update: bool,
}

pub(super) fn run(options: Options) -> Result<()> {
    let folder = folder(&options.folder);
    let cases = cases(&folder)?;
    let target = target(&folder, options.file, options.plugin, options.as_what)?;
    let settings = PluginSettings::without_secrets(&Source::load()?)?;
    let subject = Subject::load(&settings, &target)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("the runtime could not be started")?;
    let mut failed = 0_usize;
    for case in &cases {
        let verdict = runtime.block_on(subject.judge(case));
        failed = failed.saturating_add(usize::from(!show(case, verdict, options.update)?));
    }
    let passed = cases.len().saturating_sub(failed);
    output::line(&format!("{passed} passed, {failed} failed"))?;
    anyhow::ensure!(failed == 0, "{failed} of {} cases failed", cases.len());
    Ok(())
}

fn folder(given: &Path) -> PathBuf {
    let inside = given.join("testdata");
    if inside.is_dir() { inside } else { given.to_owned() }
}

fn target(folder: &Path, file: Option<PathBuf>, plugin: Option<String>, as_what: AsWhat) -> Result<Target> {
    if let Some(name) = plugin {
        return Ok(as_what.target(name));
    }
    let beside = [Some(folder), folder.parent()].into_iter().flatten().map(|folder| folder.join(COMPONENT));
    match file.or_else(|| beside.into_iter().find(|file| file.is_file())) {
        Some(file) => Ok(as_what.target(file.to_string_lossy().into_owned())),
        None => bail!(
            "there is no `{COMPONENT}` in `{}` or above it\n\
             hint: put it there, name it with `--file`, or a plugin of the hub with `--plugin`",
            folder.display()
        ),
    }
}

/// Prints how a case went; whether it is well.
fn show(case: &Case, verdict: Result<Verdict>, update: bool) -> Result<bool> {
    let name = &case.name;
    let (well, text) = match verdict {
        Ok(Verdict::Same) => (true, format!("ok      {name}")),
        Ok(Verdict::Differs { found, .. }) if update => {
            std::fs::write(&case.expected, pretty(&found)?)
                .with_context(|| format!("`{}` cannot be written", case.expected.display()))?;
            (true, format!("written {name}"))
        }
        Ok(Verdict::Differs { expected: Some(expected), found }) => {
            (false, format!("FAILED  {name}\n{}", difference(&expected, &found)?))
        }
        Ok(Verdict::Differs { expected: None, found }) => {
            let what = format!(
                "FAILED  {name}: nothing is expected of it yet\n\
                 hint: `--update` writes `{name}.expected.json`, which is to be read before it is committed\n{}",
                pretty(&found)?
            );
            (false, what)
        }
        Ok(Verdict::Trapped(trap)) => (false, format!("FAILED  {name}: {trap}")),
        Err(error) => (false, format!("FAILED  {name}: {error:#}")),
    };
    output::line(text.trim_end())?;
    Ok(well)
}

fn pretty(value: &Value) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

fn difference(expected: &Value, found: &Value) -> Result<String> {
    let (expected, found) = (pretty(expected)?, pretty(found)?);
    let diff = TextDiff::from_lines(&expected, &found);
    Ok(diff.unified_diff().context_radius(CONTEXT_LINES).header("expected", "found").to_string())
}
