//! Components of languages with a runtime of their own, built with the tools that their authors use.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::env;
use crate::python::Python;

/// The program of this folder's tests, as an author has it on `PATH`.
fn watchbell() -> Command {
    Command::new(env::binary())
}

/// The output of a command that must succeed.
fn succeed(command: &mut Command) -> Output {
    let output = command.output().expect("an installed program can be started");
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    assert!(output.status.success(), "{command:?}: {}\n{}{}", output.status, said[0], said[1]);
    output
}

/// A folder with the contract in `wit/` and these files.
fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(folder.path().join("wit")).expect("a folder of ours");
    let contract = succeed(watchbell().args(["plugin", "wit"])).stdout;
    std::fs::write(folder.path().join("wit/watchbell.wit"), contract).expect("a folder of ours");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a folder of ours");
    }
    folder
}

/// The builder of components from JavaScript.
#[derive(Debug)]
pub struct Jco(PathBuf);

impl Jco {
    /// Finds it. Returns nothing, and says so, where it is not installed.
    ///
    /// # Panics
    /// When it is not installed although this machine promised it.
    pub fn find() -> Option<Self> {
        let found = env::tools("jco").filter(|_| env::find_program("node").is_some());
        if found.is_none() {
            env::missing("jco", "`jco` or `node` is not here", "cargo xtask test --install");
        }
        found.map(Self)
    }

    /// The folder of its programs, for `PATH`.
    pub fn programs(&self) -> PathBuf {
        self.0.join("node_modules/.bin")
    }

    /// The component of a driver, on QuickJS.
    ///
    /// # Panics
    /// When it is not built.
    pub fn driver(&self, source: &str) -> Vec<u8> {
        let folder = project(&[("driver.js", source)]);
        let mut command = Command::new(self.programs().join("jco"));
        command.args(["componentize", "driver.js", "--wit", "wit", "-n", "alert-driver"]);
        command.args(["--backend", "quickjs", "--backend-qjs-disable-async", "-o", "plugin.wasm"]);
        succeed(command.current_dir(folder.path()));
        std::fs::read(folder.path().join("plugin.wasm")).expect("it says that it wrote this")
    }
}

/// The builder of components from Python.
#[derive(Debug)]
pub struct ComponentizePy(Python);

impl ComponentizePy {
    /// Finds it. Returns nothing, and says so, where it is not installed.
    ///
    /// # Panics
    /// When it is not installed although this machine promised it.
    pub fn find() -> Option<Self> {
        Python::find("componentize_py").map(Self)
    }

    /// The component of a driver.
    ///
    /// # Panics
    /// When it is not built.
    pub fn driver(&self, source: &str) -> Vec<u8> {
        let folder = project(&[("app.py", source)]);
        let mut command = self.0.command("import componentize_py, sys; sys.exit(componentize_py.script())");
        command.args(["-d", "wit", "-w", "alert-driver", "componentize", "app", "-o", "plugin.wasm"]);
        succeed(command.current_dir(folder.path()));
        std::fs::read(folder.path().join("plugin.wasm")).expect("it says that it wrote this")
    }
}

/// Compares the golden cases of a folder with what a component makes of them.
///
/// # Panics
/// When one of them differs.
pub fn golden_cases(folder: &Path, component: &[u8]) {
    let scratch = project(&[]);
    let file = scratch.path().join("plugin.wasm");
    std::fs::write(&file, component).expect("a folder of ours");
    let mut command = watchbell();
    command.args(["plugin", "test", "--wasi", "virtual", "--file"]).arg(&file).arg(folder);
    succeed(command.current_dir(scratch.path()));
}
