//! Components that ran before, kept beside their compiled code so that a plugin can go back to one after its file
//! was overwritten, also after a restart. Each host keeps its own.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use domain::plugin::{PluginKind, PluginName};
use sandbox::ComponentFile;

use super::files;
use crate::config::PluginSettings;

/// How many components are kept of one plugin, the one that runs among them.
const MOST: usize = 4;
/// The folder within that of the cache.
const FOLDER: &str = "kept";
/// How the files' names end.
const ENDING: &str = "wasm";

/// The components that are kept.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    folder: Option<PathBuf>,
    writes: bool,
}

impl Kept {
    /// Those of these settings, to read; without a cache there are none.
    pub fn of(settings: &PluginSettings) -> Self {
        let folder = settings.cache.as_ref().map(|cache| cache.directory.join(FOLDER));
        Self { folder, writes: false }
    }

    /// The same for the hub that serves, which keeps what runs.
    #[must_use]
    pub fn writing(self) -> Self {
        Self { writes: true, ..self }
    }

    /// Keeps a component as the newest of its plugin, and lets go of those that are too many.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn keep(
        &self,
        kind: PluginKind,
        name: &PluginName,
        file: &ComponentFile<'_>,
        now: SystemTime,
    ) -> Result<()> {
        let Some(folder) = self.folder(kind, name).filter(|_| self.writes) else { return Ok(()) };
        let path = folder.join(format!("{}.{ENDING}", file.digest()));
        if !path.is_file() {
            DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            // Another process may write the same; each its own.
            let partial = folder.join(format!("{}.{}", file.digest(), std::process::id()));
            let mut open = OpenOptions::new();
            open.write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&partial)?
                .write_all(file.bytes())?;
            fs::rename(&partial, &path)?;
        }
        OpenOptions::new().append(true).open(&path)?.set_modified(now)?;
        for digest in self.digests(kind, name).into_iter().skip(MOST) {
            fs::remove_file(folder.join(format!("{digest}.{ENDING}")))?;
        }
        Ok(())
    }

    /// What is kept of a plugin, the newest first, as SHA-256 in hexadecimal.
    pub fn digests(&self, kind: PluginKind, name: &PluginName) -> Vec<String> {
        let entries = self.folder(kind, name).and_then(|folder| fs::read_dir(folder).ok());
        let look = |entry: fs::DirEntry| {
            let path = entry.path();
            let digest = path.file_stem()?.to_str()?.to_owned();
            let fits = path.extension()? == ENDING && digest.len() == 64;
            Some((entry.metadata().ok()?.modified().ok()?, digest)).filter(|_| fits)
        };
        let mut found: Vec<_> =
            entries.into_iter().flatten().filter_map(Result::ok).filter_map(look).collect();
        found.sort_by(|a, b| b.cmp(a));
        found.into_iter().map(|(_, digest)| digest).collect()
    }

    /// Reads a component and says where it is. What is not what it was is not taken.
    ///
    /// # Errors
    /// When it is not kept here, or was changed.
    pub fn read(
        &self,
        kind: PluginKind,
        name: &PluginName,
        digest: &str,
    ) -> Result<(ComponentFile<'static>, PathBuf)> {
        let folder = self.folder(kind, name);
        let known = folder.filter(|_| self.digests(kind, name).iter().any(|kept| kept == digest));
        let folder = known
            .with_context(|| format!("the component {digest} of {kind} `{name}` is not kept on this host"))?;
        let path = folder.join(format!("{digest}.{ENDING}"));
        let file = files::read(&path).with_context(|| format!("`{}`", path.display()))?;
        ensure!(file.digest() == digest, "`{}` was changed: it has {}", path.display(), file.digest());
        Ok((file, path))
    }

    /// Lets go of a component, which is not one to go back to.
    pub fn forget(&self, kind: PluginKind, name: &PluginName, digest: &str) {
        if let Some(folder) = self.folder(kind, name) {
            // Gone already is as good.
            let _ = fs::remove_file(folder.join(format!("{digest}.{ENDING}")));
        }
    }

    fn folder(&self, kind: PluginKind, name: &PluginName) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{kind}-{name}")))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const KIND: PluginKind = PluginKind::Driver;

    fn file(text: &str) -> ComponentFile<'static> {
        ComponentFile::new(text.as_bytes().to_vec().into())
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_newest_are_kept_and_come_back_as_they_were() {
        let (folder, name) = (tempfile::tempdir().unwrap(), "acme".parse().unwrap());
        let kept = Kept { folder: Some(folder.path().join(FOLDER)), writes: true };
        for (number, text) in ["a", "b", "c", "d", "a", "e"].into_iter().enumerate() {
            kept.keep(KIND, &name, &file(text), at(number as u64)).unwrap();
        }
        let expected: Vec<_> = ["e", "a", "d", "c"].map(|text| file(text).digest()).into();
        assert_eq!(kept.digests(KIND, &name), expected);
        let a = file("a").digest();
        assert_eq!(kept.read(KIND, &name, &a).unwrap().0.bytes(), b"a");
        assert_eq!(kept.digests(KIND, &"other".parse().unwrap()), Vec::<String>::new());
        assert_eq!(kept.digests(PluginKind::Notifier, &name), Vec::<String>::new());
        kept.forget(KIND, &name, &a);
        assert!(!kept.digests(KIND, &name).contains(&a));
    }

    #[test]
    fn what_was_changed_or_is_not_there_is_not_taken() {
        let (folder, name) = (tempfile::tempdir().unwrap(), "acme".parse().unwrap());
        let kept = Kept { folder: Some(folder.path().join(FOLDER)), writes: true };
        kept.keep(KIND, &name, &file("a"), at(1)).unwrap();
        let digest = file("a").digest();
        fs::write(folder.path().join(format!("kept/driver-acme/{digest}.wasm")), "b").unwrap();
        let changed = kept.read(KIND, &name, &digest).unwrap_err().to_string();
        assert!(changed.contains("was changed"), "{changed}");
        let gone = kept.read(KIND, &name, &"0".repeat(64)).unwrap_err().to_string();
        assert!(gone.contains("not kept on this host"), "{gone}");
        let none = Kept { folder: None, writes: true };
        none.keep(KIND, &name, &file("a"), at(1)).unwrap();
        assert_eq!(none.digests(KIND, &name), Vec::<String>::new());
    }
}
