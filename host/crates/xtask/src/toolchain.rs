//! Which compiler makes the components on this machine, and with which flags.
//!
//! Three ways, the first that works is taken: the toolchain has the target; rustup adds it; Debian's
//! own compiler builds the standard library from Debian's sources.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::workspace::Workspace;
use crate::{debian, env, process, say};

/// The target that components are compiled for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// A compiler of Debian with the sources of its standard library: one source package, one version.
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// How the standard library for [`TARGET`] comes here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Way {
    /// The toolchain has it
    Target,
    /// `rustup target add`
    Rustup,
    /// Debian's compiler, standard library from source
    Debian,
}

/// What to add to a `cargo build` so that it makes components.
pub(crate) struct Toolchain {
    pub(crate) way: Way,
    arguments: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
    /// Flags of the compiler, in the order given.
    flags: Vec<String>,
}

impl Toolchain {
    /// Finds a way that works here, or takes the one that was asked for.
    ///
    /// # Errors
    /// No way works: the message names the command that would help. Or `.cargo/config.toml` has no
    /// flags for the target.
    pub(crate) fn find(
        workspace: &Workspace,
        target_directory: &Path,
        forced: Option<Way>,
        install: bool,
    ) -> anyhow::Result<Self> {
        let rustc = Rustc::ask(Path::new(&env::var("RUSTC").unwrap_or_else(|| "rustc".to_owned())))?;
        let mut flags = configured_flags(&workspace.root)?;
        flags.extend(remap(&workspace.root, "/watchbell"));
        flags.extend(remapped_dependencies());
        let way = match forced {
            Some(way) => way,
            None if has_target(&rustc) => Way::Target,
            None if rustup_adds_target() => Way::Target,
            None => Way::Debian,
        };
        match way {
            Way::Debian => Self::debian(&rustc, target_directory, flags, debian::may_install(install)),
            Way::Rustup if !rustup_adds_target() => {
                bail!("`rustup target add {TARGET}` did not succeed")
            }
            Way::Target | Way::Rustup if !has_target(&rustc) => {
                bail!("this toolchain has no target `{TARGET}`\nhint: run `rustup target add {TARGET}`")
            }
            Way::Target | Way::Rustup => {
                flags.extend(rustc.remapped_std());
                Ok(Self { way, arguments: Vec::new(), variables: Vec::new(), flags })
            }
        }
    }

    fn debian(
        rustc: &Rustc,
        target_directory: &Path,
        mut flags: Vec<String>,
        may_install: bool,
    ) -> anyhow::Result<Self> {
        if !DEBIAN_PACKAGES.into_iter().all(debian::is_installed) {
            if !may_install {
                bail!(
                    "no standard library for `{TARGET}` here, and rustup could not add it\n\
                     hint: run `{}`, or call this again with `--install`",
                    debian::command_line(&DEBIAN_PACKAGES)
                );
            }
            debian::install(&DEBIAN_PACKAGES)?;
        }
        let debian = Rustc::ask(Path::new(DEBIAN_RUSTC))?;
        let linker = rustc.find_tool("wasm-component-ld", "wasm-component-ld")?;
        let core_linker = rustc.find_tool("gcc-ld/wasm-ld", "wasm-ld")?;
        flags.push(format!("-Clink-arg=--wasm-ld-path={}", core_linker.display()));
        flags.extend(debian.remapped_std());
        // Another compiler: in a folder of its own, so that neither throws away what the other built.
        let folder = target_directory.join("debian-rustc");
        Ok(Self {
            way: Way::Debian,
            arguments: vec![
                "-Zbuild-std=std,panic_abort".into(),
                "--target-dir".into(),
                folder.into_os_string(),
            ],
            variables: vec![
                ("RUSTC", DEBIAN_RUSTC.into()),
                ("RUSTC_BOOTSTRAP", "1".into()),
                ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker.into_os_string()),
            ],
            flags,
        })
    }

    /// Adds target, profile and flags to a `cargo build`.
    ///
    /// The flags go by `CARGO_ENCODED_RUSTFLAGS`, which wins over every other place where flags can be
    /// set, so a `RUSTFLAGS` of the caller does not change the components' digests.
    pub(crate) fn apply(&self, build: &mut Command) {
        build.args(["--locked", "--profile", "plugin", "--target", TARGET]).args(&self.arguments);
        build.env("CARGO_ENCODED_RUSTFLAGS", self.flags.join("\u{1f}"));
        build.envs(self.variables.iter().map(|(name, value)| (name, value)));
    }
}

/// One compiler and where its parts are.
struct Rustc {
    program: PathBuf,
    sysroot: PathBuf,
    /// The machine it runs on, such as `x86_64-unknown-linux-gnu`.
    host: String,
    /// The commit it was built from; the standard library's own paths contain it.
    commit: String,
}

impl Rustc {
    fn ask(program: &Path) -> anyhow::Result<Self> {
        let version = process::output(Command::new(program).arg("-vV"))?;
        let line = |name: &str| {
            let mut lines = version.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value
                .map(str::to_owned)
                .with_context(|| format!("`{}` does not say its {name}", program.display()))
        };
        let sysroot = process::output(Command::new(program).args(["--print", "sysroot"]))?.into();
        Ok(Self { program: program.to_owned(), sysroot, host: line("host")?, commit: line("commit-hash")? })
    }

    /// A linker: the toolchain's own, else one on `PATH`.
    fn find_tool(&self, own: &str, name: &str) -> anyhow::Result<PathBuf> {
        let own = self.sysroot.join("lib/rustlib").join(&self.host).join("bin").join(own);
        if own.is_file() {
            return Ok(own);
        }
        process::find_program(name).with_context(|| {
            format!(
                "no `{name}` in the toolchain at `{}` nor on `PATH`\n\
                 hint: `wasm-component-ld` is a crate that cargo can install; `wasm-ld` is in Debian's `lld`",
                self.sysroot.display()
            )
        })
    }

    /// Flags that give the sources of the standard library the name they have without `rust-src`.
    fn remapped_std(&self) -> Vec<String> {
        let name = format!("/rustc/{}", self.commit);
        remap(&self.sysroot.join("lib/rustlib/src/rust"), &name)
    }
}

/// Flags that replace a folder's path in the output, under the name it has and the one it is a link to.
fn remap(folder: &Path, name: &str) -> Vec<String> {
    let mut folders = vec![folder.to_owned()];
    folders.extend(folder.canonicalize().ok().filter(|real| real != folder));
    folders.iter().map(|folder| format!("--remap-path-prefix={}={name}", folder.display())).collect()
}

/// Flags that give the sources of dependencies one name, whichever registry or mirror they came from.
fn remapped_dependencies() -> Vec<String> {
    let Some(home) = env::cargo_home() else { return Vec::new() };
    let registries = std::fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = registries.map(|registry| registry.path()).collect();
    folders.sort();
    // The compiler takes the last that fits, so the folder around them comes first.
    let mut flags = remap(&home, "/cargo");
    flags.extend(folders.iter().flat_map(|folder| remap(folder, "/cargo/registry")));
    flags
}

/// Whether the compiler finds a standard library for [`TARGET`].
fn has_target(rustc: &Rustc) -> bool {
    let mut ask = Command::new(&rustc.program);
    let Ok(folder) = process::output(ask.args(["--print", "target-libdir", "--target", TARGET])) else {
        return false;
    };
    let Ok(files) = std::fs::read_dir(folder) else { return false };
    files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
}

fn rustup_adds_target() -> bool {
    if process::find_program("rustup").is_none() {
        return false;
    }
    say::progress(&format!("rustup target add {TARGET}"));
    match process::output(Command::new("rustup").args(["target", "add", TARGET])) {
        Ok(_) => true,
        Err(error) => {
            say::progress(&format!("rustup could not add it: {error}"));
            false
        }
    }
}

/// The flags for [`TARGET`] in `.cargo/config.toml`, which flags from the environment would replace.
fn configured_flags(root: &Path) -> anyhow::Result<Vec<String>> {
    let file = root.join(".cargo/config.toml");
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("`{}` is not readable", file.display()))?;
    flags_of(&text).with_context(|| {
        format!("`{}` has no list `rustflags` of texts under `[target.{TARGET}]`", file.display())
    })
}

fn flags_of(config: &str) -> Option<Vec<String>> {
    let config: toml::Table = config.parse().ok()?;
    let flags = config.get("target")?.get(TARGET)?.get("rustflags")?.as_array()?;
    flags.iter().map(|flag| flag.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_target_are_read_from_the_config() {
        let config = "[target.wasm32-unknown-unknown]\nrustflags = [\"-Ca=1\", \"-Cb=2\"]\n";
        assert_eq!(flags_of(config), Some(vec!["-Ca=1".to_owned(), "-Cb=2".to_owned()]));
    }

    #[test]
    fn a_config_without_flags_for_the_target_is_refused() {
        assert_eq!(flags_of("[target.x86_64-unknown-linux-gnu]\nrustflags = []\n"), None);
        assert_eq!(flags_of("[target.wasm32-unknown-unknown]\nrustflags = [1]\n"), None);
    }

    #[test]
    fn the_flags_of_this_repository_keep_the_guests_small() {
        let root = Workspace::here().unwrap().root;
        let flags = configured_flags(&root).unwrap();
        assert!(flags.iter().any(|flag| flag.contains("stack-size")), "{flags:?}");
        assert!(flags.iter().any(|flag| flag.contains("initial-memory")), "{flags:?}");
    }
}
