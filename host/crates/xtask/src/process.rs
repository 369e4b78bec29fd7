//! Starting other programs and saying which one did not succeed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::env;

/// A cargo of the toolchain that runs this one, in folder `root`.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(env::var("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    for name in env::of_this_cargo_run() {
        command.env_remove(name);
    }
    command.current_dir(root);
    command
}

/// The command as a person would type it, without its environment.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let mut text = program.to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}

/// Runs a command to its end on this terminal.
///
/// # Errors
/// The program cannot be started or ends with another status than success.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("`{}` could not be started", shown(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and returns what it wrote to standard output, without the white space around it.
///
/// # Errors
/// As [`run`]; what the program wrote to standard error is part of the message.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{}` could not be started", shown(command)))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` ended with {}\n{}", shown(command), output.status, stderr.trim_end());
    }
    let text = String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` wrote something other than UTF-8", shown(command)))?;
    Ok(text.trim().to_owned())
}

/// Whether a command can be started and succeeds; its output is thrown away.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a command on this terminal and also returns what it wrote, standard error and output together.
///
/// # Errors
/// The program cannot be started. Its own failure is in the returned status.
pub(crate) fn run_and_keep(command: &mut Command) -> anyhow::Result<(bool, String)> {
    let (reader, writer) = std::io::pipe().context("no pipe for the output of a program")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("no second end of a pipe")?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("`{}` could not be started", shown(command)))?;
    // The command still holds the writing ends; the pipe only ends once they are closed.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut kept = String::new();
    let mut terminal = std::io::stderr();
    for line in BufReader::new(reader).split(b'\n') {
        let line = line.context("the output of a program could not be read")?;
        let line = String::from_utf8_lossy(&line);
        // A closed terminal is no reason to stop the program that is being watched.
        let _ = writeln!(terminal, "{line}");
        kept.push_str(&line);
        kept.push('\n');
    }
    let status = child.wait().with_context(|| format!("`{}` was lost", shown(command)))?;
    Ok((status.success(), kept))
}

/// Where a program is, by the folders of `PATH`.
pub(crate) fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = env::var("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}
