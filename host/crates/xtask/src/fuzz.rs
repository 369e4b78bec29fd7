//! `cargo xtask fuzz`: bodies that a fuzzer makes up, for drivers, detection and signatures.
//!
//! The targets are in `tests/fuzz`, a workspace of its own. They are built with the flags that libFuzzer
//! needs and nothing more, so no other tool has to be installed than a nightly compiler.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::workspace::Workspace;
use crate::{env, process, say};

const TOOLCHAIN: &str = "nightly";

/// Inputs above this many bytes find little and cost much.
const MAX_INPUT_BYTES: usize = 16 << 10;

/// One input that takes longer than this is a finding, in seconds: drivers are given 50 ms of processor time,
/// here without optimisation across crates and with every access checked.
const INPUT_LIMIT_S: u32 = 5;

/// What libFuzzer wants to know about the code that runs, and the sanitizer that makes it nightly.
const FLAGS: [&str; 8] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Zsanitizer=address",
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What is tried: a driver, `shape` or `signature`
    target: String,
    /// How long
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Builds one target and runs it on its seeds, on what earlier runs kept, and on what comes of them.
///
/// # Errors
/// There is no such target, no nightly compiler, or the fuzzer found something.
pub(crate) fn run(workspace: &Workspace, options: &Options) -> anyhow::Result<()> {
    let folder = workspace.root.join("tests/fuzz");
    let targets = targets(&folder)?;
    if !targets.contains(&options.target) {
        bail!("no fuzz target `{}`\nhint: one of {}", options.target, targets.join(", "));
    }
    let host = host_triple()?;
    let build_folder = workspace.metadata()?.target_directory.join("fuzz");
    let program = build(&folder, &build_folder, &host, &options.target)?;
    let kept = build_folder.join("corpus").join(&options.target);
    let findings = build_folder.join("findings").join(&options.target);
    let beginning = build_folder.join("seeds").join(&options.target);
    for made in [&kept, &findings, &beginning] {
        std::fs::create_dir_all(made).with_context(|| format!("`{}` was not made", made.display()))?;
    }
    gather(&workspace.root, &seeds(&workspace.root, &options.target)?, &beginning)?;
    let mut fuzzer = Command::new(program);
    // New inputs are written to the first folder; the others are read only.
    fuzzer.current_dir(&folder).args([&kept, &beginning]);
    fuzzer.arg(format!("-max_total_time={}", options.seconds));
    fuzzer.args([format!("-max_len={MAX_INPUT_BYTES}"), format!("-timeout={INPUT_LIMIT_S}")]);
    fuzzer.args(["-print_final_stats=1", "-verbosity=1"]);
    fuzzer.arg(format!("-artifact_prefix={}/", findings.display()));
    process::run(&mut fuzzer).with_context(|| {
        format!("target `{}` found something; the input is in `{}`", options.target, findings.display())
    })
}

/// The names of the targets, sorted.
fn targets(folder: &Path) -> anyhow::Result<Vec<String>> {
    let folder = folder.join("targets");
    let entries =
        std::fs::read_dir(&folder).with_context(|| format!("`{}` is not readable", folder.display()))?;
    let stem = |entry: std::io::Result<std::fs::DirEntry>| {
        Some(entry.ok()?.path().file_stem()?.to_string_lossy().into_owned())
    };
    let mut names: Vec<String> = entries.filter_map(stem).collect();
    names.sort();
    Ok(names)
}

/// Where a target begins: its own seeds, or the golden inputs of the driver of that name, or those of all.
fn seeds(root: &Path, target: &str) -> anyhow::Result<Vec<PathBuf>> {
    let drivers = root.join("plugins/drivers");
    for own in [root.join("tests/fuzz/seeds").join(target), drivers.join(target).join("testdata")] {
        if own.is_dir() {
            return inputs(&own);
        }
    }
    let mut seeds = Vec::new();
    for driver in listed(&drivers)? {
        seeds.extend(inputs(&driver.join("testdata"))?);
    }
    Ok(seeds)
}

/// The inputs of a folder, without what is expected of them.
fn inputs(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = listed(folder)?;
    files.retain(|file| !file.to_string_lossy().ends_with(".expected.json"));
    Ok(files)
}

fn listed(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("`{}` is not readable", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    Ok(paths)
}

/// Copies seeds into one folder, because libFuzzer takes folders alone. Names begin with where a seed is from.
fn gather(root: &Path, seeds: &[PathBuf], folder: &Path) -> anyhow::Result<()> {
    for seed in seeds {
        let name = seed.strip_prefix(root).unwrap_or(seed).to_string_lossy().replace('/', "-");
        std::fs::copy(seed, folder.join(name))
            .with_context(|| format!("`{}` was not copied", seed.display()))?;
    }
    Ok(())
}

/// The platform of the nightly compiler. Naming it keeps the flags from build scripts.
fn host_triple() -> anyhow::Result<String> {
    let text = process::output(nightly("rustc").arg("-vV")).with_context(|| {
        format!(
            "no compiler of the toolchain `{TOOLCHAIN}` here\n\
             hint: run `rustup toolchain install {TOOLCHAIN} --profile minimal`"
        )
    })?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` does not name its host")
}

fn nightly(program: &str) -> Command {
    let mut command = Command::new("rustup");
    for name in env::of_this_cargo_run() {
        command.env_remove(name);
    }
    command.args(["run", TOOLCHAIN, program]);
    command
}

fn build(folder: &Path, build_folder: &Path, host: &str, target: &str) -> anyhow::Result<PathBuf> {
    say::progress(&format!("building fuzz target `{target}`"));
    let mut cargo = nightly("cargo");
    cargo.current_dir(folder).args(["build", "--release", "--locked", "--target", host, "--bin", target]);
    cargo.arg("--target-dir").arg(build_folder).env("RUSTFLAGS", FLAGS.join(" "));
    process::run(&mut cargo).context(
        "the fuzz target was not built\nhint: libFuzzer is C++, so a C++ compiler (`c++`) has to be here",
    )?;
    Ok(build_folder.join(host).join("release").join(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_driver_has_a_target_with_its_golden_inputs_as_seeds() {
        let root = Workspace::here().unwrap().root;
        let targets = targets(&root.join("tests/fuzz")).unwrap();
        let drivers: Vec<String> = std::fs::read_dir(root.join("plugins/drivers"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        for driver in &drivers {
            assert!(targets.contains(driver), "driver `{driver}` has no fuzz target");
            let seeds = seeds(&root, driver).unwrap();
            assert!(seeds.len() >= 12, "driver `{driver}` has {} seeds", seeds.len());
            let own = root.join(format!("plugins/drivers/{driver}/testdata"));
            assert!(seeds.iter().all(|seed| seed.starts_with(&own)), "{seeds:?}");
        }
        assert!(seeds(&root, "shape").unwrap().len() >= 12 * drivers.len());
    }

    #[test]
    fn seeds_are_inputs_and_never_what_is_expected() {
        let root = Workspace::here().unwrap().root;
        for target in targets(&root.join("tests/fuzz")).unwrap() {
            let seeds = seeds(&root, &target).unwrap();
            let is_expected = |seed: &PathBuf| seed.to_string_lossy().ends_with(".expected.json");
            assert!(!seeds.is_empty() && !seeds.iter().any(is_expected), "{target}: {seeds:?}");
        }
    }

    #[test]
    fn seeds_of_signatures_begin_with_a_template() {
        for seed in seeds(&Workspace::here().unwrap().root, "signature").unwrap() {
            let text = std::fs::read_to_string(&seed).unwrap();
            let lines: Vec<&str> = text.splitn(3, '\n').collect();
            assert!(lines.len() == 3 && lines[0].contains("{body}"), "{}", seed.display());
        }
    }

    #[test]
    fn every_target_is_in_the_manifest() {
        let folder = Workspace::here().unwrap().root.join("tests/fuzz");
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        for target in targets(&folder).unwrap() {
            assert!(manifest.contains(&format!("path = \"targets/{target}.rs\"")), "{target}");
        }
    }
}
