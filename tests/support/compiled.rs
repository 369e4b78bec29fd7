//! The built-in plugins as the program under test compiled them: once for all tests.
//!
//! What a hub keeps compiled is authenticated with a key that follows from its secret key, so the two are kept
//! together: every home begins with both. One that is about compiling begins without, see
//! [`crate::Home::cold`].

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use crate::env;

/// In its folder: the secret key, and what it authenticates.
const KEY: &str = "secret-key";
const PLUGINS: &str = "plugins";

/// What one build of the program made of its plugins.
#[derive(Debug)]
pub(crate) struct Compiled(PathBuf);

impl Compiled {
    /// Has it made at the first use of this build.
    ///
    /// # Panics
    /// When the program does not compile its own plugins.
    pub(crate) fn by(program: &Path) -> Self {
        let about = program.metadata().expect("a program that is there");
        let built = about.modified().expect("files have a time").duration_since(UNIX_EPOCH);
        let built = built.expect("built after 1970").as_nanos();
        let tools = env::tools_folder();
        fs::create_dir_all(&tools).expect("a folder beside what is built");
        let ready = tools.join(format!("compiled-{}-{built}", about.len()));
        let lock = File::create(tools.join("compiled.lock")).expect("a file for a lock");
        // Tests run in many processes: one of them compiles, the others wait. The lock ends with the file.
        lock.lock().expect("a file can be locked");
        if !ready.is_dir() {
            forget_others(&tools);
            compile(program, &tools.join("compiled.new"));
            fs::rename(tools.join("compiled.new"), &ready).expect("a folder can be renamed");
        }
        Self(ready)
    }

    /// The secret key that its files are authenticated with.
    pub(crate) fn secret_key(&self) -> String {
        fs::read_to_string(self.0.join(KEY)).expect("the key beside what was compiled")
    }

    /// Copies it to where a hub looks for it. Not links: tests damage what is theirs.
    pub(crate) fn copy_to(&self, folder: &Path) {
        fs::create_dir(folder).expect("a folder of a new home");
        for file in fs::read_dir(self.0.join(PLUGINS)).expect("what was compiled") {
            let file = file.expect("a file that stays");
            if file.path().is_file() {
                fs::copy(file.path(), folder.join(file.file_name())).expect("a file can be copied");
            }
        }
    }
}

/// Earlier builds of the program are gone.
fn forget_others(tools: &Path) {
    for old in fs::read_dir(tools).expect("a folder beside what is built").flatten() {
        if old.path().is_dir() && old.file_name().to_string_lossy().starts_with("compiled") {
            let _ = fs::remove_dir_all(old.path());
        }
    }
}

fn compile(program: &Path, folder: &Path) {
    fs::create_dir(folder).expect("a new folder");
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let run = |arguments: &[&str], settings: &[(&str, &str)]| {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(elsewhere.path()).stdin(Stdio::null());
        command.env_clear().envs(env::passed_on()).envs(settings.iter().copied());
        let output = command.output().expect("the program can be started");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("it writes text")
    };
    let key = run(&["secrets", "generate"], &[]);
    fs::write(folder.join(KEY), key.trim()).expect("a file in a new folder");
    let plugins = folder.join(PLUGINS);
    let plugins = plugins.to_str().expect("a path that is text");
    run(&["plugin", "list"], &[("WATCHBELL_SECRET_KEY", key.trim()), ("WATCHBELL_CACHE_DIR", plugins)]);
}
