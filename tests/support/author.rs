//! An author who does what a page of the documentation says, in an empty folder.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;

use crate::env;

/// What a page has the reader do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Write a file.
    File(String, String),
    /// Run commands.
    Run(String),
}

/// The steps below one heading: blocks of `sh`, and those that a comment `<!-- file: name -->` names.
pub fn steps(page: &str, heading: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines().skip_while(|line| *line != heading).skip(1);
    let mut file = None;
    while let Some(line) = lines.next().filter(|line| !line.starts_with("## ")) {
        if let Some(name) = line.strip_prefix("<!-- file: ") {
            file = name.strip_suffix(" -->");
        } else if let Some(language) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            let text = block.join("\n") + "\n";
            match file.take() {
                Some(name) => steps.push(Step::File(name.to_owned(), text)),
                None if language == "sh" => steps.push(Step::Run(text)),
                None => {}
            }
        }
    }
    steps
}

/// A folder of one author.
#[derive(Debug)]
pub struct Author {
    folder: TempDir,
    port: u16,
}

impl Author {
    /// An empty folder, and `watchbell` on `PATH`.
    ///
    /// # Panics
    /// When the folder cannot be made.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir_all(folder.path().join("bin")).expect("a folder of ours");
        std::fs::create_dir_all(folder.path().join("work")).expect("a folder of ours");
        let program = folder.path().join("bin/watchbell");
        std::os::unix::fs::symlink(env::binary(), program).expect("a folder of ours");
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let port = listener.local_addr().expect("it is bound").port();
        Self { folder, port }
    }

    /// The folder.
    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("work")
    }

    /// Does one step.
    ///
    /// # Panics
    /// When a command does not succeed.
    pub fn take(&self, step: &Step) {
        match step {
            Step::File(name, text) => {
                let file = self.path().join(name);
                std::fs::create_dir_all(file.parent().expect("it is in a folder")).expect("a folder of ours");
                std::fs::write(file, text).expect("a folder of ours");
            }
            Step::Run(commands) => self.run(commands),
        }
    }

    fn run(&self, commands: &str) {
        // Other hubs may run on this machine.
        let address = format!("127.0.0.1:{}", self.port);
        let commands = commands.replace("127.0.0.1:8080", &address);
        let mut shell = Command::new("bash");
        shell.args(["-eu", "-o", "pipefail", "-c", &commands]).current_dir(self.path());
        shell.env_clear().envs(env::of_builders()).env("WATCHBELL_BIND", address);
        shell.env("PATH", path_with(&self.folder.path().join("bin")));
        let log = self.folder.path().join("log");
        let output = std::fs::File::create(&log).expect("a folder of ours");
        shell.stdout(output.try_clone().expect("an open file")).stderr(output);
        let mut shell = shell.process_group(0).spawn().expect("there is a shell");
        let ended = shell.wait().expect("a child of ours");
        // What it left running, a hub above all.
        if let Some(group) = i32::try_from(shell.id()).ok().and_then(Pid::from_raw) {
            let _nobody_left = kill_process_group(group, Signal::KILL);
        }
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(ended.success(), "{ended} of\n{commands}\nwhich said\n{said}");
    }
}

impl Default for Author {
    fn default() -> Self {
        Self::new()
    }
}

fn path_with(first: &Path) -> std::ffi::OsString {
    let rest = env::path();
    let folders = std::iter::once(first.to_owned()).chain(std::env::split_paths(&rest));
    std::env::join_paths(folders).expect("folders without a colon")
}
