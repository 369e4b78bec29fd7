//! Which files the rules look at.

use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::process;
use crate::tidy::{Finding, Source};

/// Folders that hold no sources, for a tree without git.
const NO_SOURCES: [&str; 4] = [".git", "target", "node_modules", "plugins.d"];

/// Reads every text file of the repository; one that cannot be read as its type is a finding.
pub(crate) fn read(root: &Path) -> anyhow::Result<(Vec<Source>, Vec<Finding>)> {
    let (mut sources, mut findings) = (Vec::new(), Vec::new());
    for path in list(root)? {
        let file = root.join(&path);
        // Listed but deleted, a link to a folder, or not text: nothing to read.
        if !file.is_file() {
            continue;
        }
        let bytes = std::fs::read(&file).with_context(|| format!("`{path}` is not readable"))?;
        let Ok(text) = String::from_utf8(bytes) else { continue };
        match Source::new(&path, text) {
            Ok(source) => sources.push(source),
            Err(finding) => findings.push(finding),
        }
    }
    Ok((sources, findings))
}

/// The files git knows or would add; in a tree without git all but build output.
fn list(root: &Path) -> anyhow::Result<Vec<String>> {
    if root.join(".git").exists() {
        let mut git = Command::new("git");
        git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let names = process::output(&mut git)?;
        return Ok(names.split_terminator('\0').map(str::to_owned).collect());
    }
    let mut names = Vec::new();
    walk(root, root, &mut names)?;
    Ok(names)
}

fn walk(root: &Path, folder: &Path, names: &mut Vec<String>) -> anyhow::Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("`{}` is not readable", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("`{}` is not readable", folder.display()))?;
        let (path, name) = (entry.path(), entry.file_name());
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if path.is_dir() && !is_link && !NO_SOURCES.iter().any(|excluded| name == *excluded) {
            walk(root, &path, names)?;
        } else if path.is_file() {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            names.push(relative.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_without_git_is_walked_without_build_output() {
        let root = std::env::temp_dir().join(format!("xtask-walk-{}", std::process::id()));
        std::fs::create_dir_all(root.join("target/debug")).unwrap();
        std::fs::create_dir_all(root.join("host/src")).unwrap();
        std::fs::write(root.join("target/debug/made.rs"), "").unwrap();
        std::fs::write(root.join("host/src/lib.rs"), "").unwrap();
        assert_eq!(list(&root).unwrap(), ["host/src/lib.rs"]);
        std::fs::remove_dir_all(root).unwrap();
    }
}
