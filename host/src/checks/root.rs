//! Where the system tells how it is: `/proc` and `/sys`, or a copy of them.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The most of one file that is read: `/proc/net/tcp` has 150 bytes for each connection.
const MAX_BYTES: u64 = 32 << 20;

/// The folder that stands for `/`.
#[derive(Debug, Clone)]
pub(super) struct Root(PathBuf);

impl Root {
    /// The system's own.
    pub(super) fn system() -> Self {
        Self(PathBuf::from("/"))
    }

    /// A copy below a folder.
    #[cfg(test)]
    pub(super) fn below(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Where something of the system lies; `path` is from the root.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }

    /// The text of a file; none where there is no such file or it cannot be read.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let mut bytes = Vec::new();
        File::open(self.path(path)).ok()?.take(MAX_BYTES).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The names in a folder, in order; none where there is no such folder.
    pub(super) fn list(&self, path: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(path)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }

    /// The last part of what a link leads to.
    pub(super) fn link(&self, path: &str) -> Option<String> {
        let target = std::fs::read_link(self.path(path)).ok()?;
        Some(Path::new(&target).file_name()?.to_str()?.to_owned())
    }
}

#[cfg(test)]
pub(super) mod fake {
    use super::*;

    /// A copy of the system made of these files; gone when dropped.
    pub(in super::super) struct Fake {
        folder: tempfile::TempDir,
    }

    impl Fake {
        pub(in super::super) fn new(files: &[(&str, &str)]) -> Self {
            let fake = Self { folder: tempfile::tempdir().unwrap() };
            for (path, text) in files {
                fake.write(path, text);
            }
            fake
        }

        pub(in super::super) fn write(&self, path: &str, text: &str) {
            let path = self.root().path(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        pub(in super::super) fn root(&self) -> Root {
            Root::below(self.folder.path())
        }
    }
}
