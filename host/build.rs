//! Embeds the built-in components, which `cargo xtask plugins` leaves in `target/components`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Folder of the components and the kind that they are.
const KINDS: [(&str, &str); 3] =
    [("drivers", "Driver"), ("notifiers", "Notifier"), ("intelligence", "Intelligence")];

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script by its environment where to write")]
fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/components");
    let mut list = String::from("pub(super) const BUILTIN: &[(PluginKind, &str, &[u8])] = &[\n");
    for (folder, kind) in KINDS {
        let folder = root.join(folder);
        println!("cargo::rerun-if-changed={}", folder.display());
        let files = components(&folder).map_err(|error| {
            let hint = "hint: `cargo xtask plugins` builds the components that are embedded here";
            io::Error::new(error.kind(), format!("`{}`: {error}\n{hint}", folder.display()))
        })?;
        for file in files {
            println!("cargo::rerun-if-changed={}", file.display());
            let file = file.canonicalize()?;
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let path = file.display().to_string();
            // Writing to a string cannot go wrong.
            let _ = writeln!(list, "    (PluginKind::{kind}, {name:?}, include_bytes!({path:?})),");
        }
    }
    list.push_str("];\n");
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    fs::write(out.join("builtin.rs"), list)
}

fn components(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
    files.sort();
    Ok(files)
}
