//! Files of components: read once, not before they are whole, and never waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use domain::plugin::{PluginKind, PluginName};
use rustix::fs::OFlags;
use sandbox::{ComponentFile, LoadError, MAX_COMPONENT_BYTES};

use crate::clock;

/// How long a file must not change before it is read: longer than a copy pauses, and short beside the two
/// seconds within which a driver is to be live.
pub(super) const SETTLE: Duration = Duration::from_millis(500);

/// The import with which a plugin asks about this machine.
pub(super) const SYSTEM_IMPORT: &str = "watchbell:plugin/host-system@";

/// What is known of a component without loading it.
#[derive(Debug, Clone)]
pub(super) struct Component {
    /// SHA-256, in hexadecimal.
    pub(super) digest: String,
    /// By the interface that it exports.
    pub(super) kind: Option<PluginKind>,
    /// Whether it imports what tells of this machine.
    pub(super) system: bool,
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Memory(Arc<ComponentFile<'static>>),
    File(PathBuf),
}

impl Component {
    /// Reads what the bytes alone say, and why they say no more.
    pub(super) fn of_bytes(name: &PluginName, file: ComponentFile<'static>) -> (Self, Option<LoadError>) {
        let (read, flaw) = sandbox::Manifest::read_partly(name, file.bytes());
        let system = read.imports.iter().any(|import| import.starts_with(SYSTEM_IMPORT));
        let component =
            Self { digest: file.digest(), kind: read.kind, system, source: Source::Memory(Arc::new(file)) };
        (component, flaw)
    }

    /// One that is kept in a file of the hub's own, which holds these bytes.
    pub(super) fn kept(name: &PluginName, file: ComponentFile<'static>, path: PathBuf) -> Self {
        Self { source: Source::File(path), ..Self::of_bytes(name, file).0 }
    }

    /// The bytes.
    ///
    /// # Errors
    /// When the file cannot be read again, or holds something else by now.
    pub(super) fn open(&self) -> Result<Arc<ComponentFile<'static>>> {
        match &self.source {
            Source::Memory(file) => Ok(Arc::clone(file)),
            Source::File(path) => {
                let file = read(path)?;
                ensure!(file.digest() == self.digest, "the file changed while it was read");
                Ok(Arc::new(file))
            }
        }
    }
}

/// Reads a regular file of a sensible size, not through a link, and without waiting for anybody.
pub(super) fn read(path: &Path) -> Result<ComponentFile<'static>> {
    ensure!(std::fs::symlink_metadata(path)?.is_file(), "not a regular file");
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits();
    let file = OpenOptions::new().read(true).custom_flags(i32::try_from(flags)?).open(path)?;
    let about = file.metadata()?;
    // Whatever took its place since.
    ensure!(about.is_file(), "not a regular file");
    let most = u64::try_from(MAX_COMPONENT_BYTES)?;
    ensure!(about.len() <= most, "it has {} bytes, a component may have {most}", about.len());
    let mut bytes = Vec::new();
    // One byte more than is taken, so that the sandbox sees that it is too many.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(ComponentFile::new(bytes.into()))
}

/// What tells that a file has changed, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Mark {
    fn of(about: &std::fs::Metadata) -> Self {
        Self {
            device: about.dev(),
            inode: about.ino(),
            size: about.size(),
            modified: (about.mtime(), about.mtime_nsec()),
        }
    }
}

/// What there is at a path.
pub(super) enum Found {
    /// It is still being written.
    Growing,
    /// A component, or why it is none.
    Read(Component, Option<Arc<LoadError>>),
}

#[derive(Debug)]
struct Seen {
    mark: Mark,
    since: Instant,
    /// Nobody is writing it any more. It may be one that cannot be read all the same.
    is_whole: bool,
    read: Option<(Component, Option<Arc<LoadError>>)>,
}

/// What is known of files from looking at them before.
#[derive(Debug, Default)]
pub(super) struct Files {
    seen: BTreeMap<PathBuf, Seen>,
    /// Files that others read, and since when they are as they are; none for one that is missing.
    others: BTreeMap<PathBuf, (Option<Mark>, Instant)>,
    /// What this binary brings, which is hashed once.
    embedded: BTreeMap<(PluginKind, PluginName), Component>,
    /// Put in their place by a rename, so that nobody is writing them.
    whole: BTreeSet<PathBuf>,
    /// Whether nothing is waited for.
    is_impatient: bool,
}

impl Files {
    /// Reads every file as it is at this moment, for those who look once.
    pub(super) fn as_they_are() -> Self {
        Self { is_impatient: true, ..Self::default() }
    }

    /// Knows that these were put in their place as a whole.
    pub(super) fn are_whole(&mut self, paths: BTreeSet<PathBuf>) {
        self.whole = paths.iter().filter_map(|path| path.canonicalize().ok()).collect();
    }

    /// A component of this binary.
    pub(super) fn embedded(
        &mut self,
        kind: PluginKind,
        name: &PluginName,
        bytes: &'static [u8],
    ) -> Component {
        let read = || Component::of_bytes(name, ComponentFile::new(bytes.into())).0;
        self.embedded.entry((kind, name.clone())).or_insert_with(read).clone()
    }

    /// Whether a file that is read by others has rested, or rests missing: who puts another in its place may
    /// take it away first, or write it line by line.
    pub(super) fn has_rested(&mut self, path: &Path) -> bool {
        let mark = std::fs::metadata(path).ok().map(|about| Mark::of(&about));
        let now = Instant::now();
        let (known, since) = *self.others.entry(path.to_owned()).or_insert((mark, now));
        if known != mark {
            self.others.insert(path.to_owned(), (mark, now));
        }
        let has_rested = known == mark && now.saturating_duration_since(since) >= SETTLE;
        has_rested || path.canonicalize().is_ok_and(|path| self.whole.contains(&path))
    }

    /// Looks at a file, and reads it when it changed and stays as it is.
    pub(super) fn look(&mut self, path: &Path, name: &PluginName) -> Result<Found> {
        let about = std::fs::metadata(path)?;
        ensure!(about.is_file(), "not a regular file");
        let mark = Mark::of(&about);
        let now = Instant::now();
        let known = self.seen.get(path).filter(|seen| seen.mark == mark);
        if let Some((component, flaw)) = known.and_then(|seen| seen.read.as_ref()) {
            return Ok(Found::Read(component.clone(), flaw.clone()));
        }
        let (since, was_whole) = known.map_or((now, false), |seen| (seen.since, seen.is_whole));
        let has_rested = now.saturating_duration_since(since) >= SETTLE;
        // Only at first sight: clocks of network file systems are others.
        let is_old = known_age(&about).is_some_and(|age| age >= SETTLE);
        let came_whole =
            self.is_impatient || path.canonicalize().is_ok_and(|path| self.whole.contains(&path));
        let was_there_before = since == now && is_old;
        let is_whole = was_whole || has_rested || came_whole || was_there_before;
        self.seen.insert(path.to_owned(), Seen { mark, since, is_whole, read: None });
        if !is_whole {
            return Ok(Found::Growing);
        }
        let (component, flaw) = Component::of_bytes(name, read(path).context("cannot be read")?);
        let flaw = flaw.map(Arc::new);
        let on_disk = Component { source: Source::File(path.to_owned()), ..component.clone() };
        self.seen
            .insert(path.to_owned(), Seen { mark, since, is_whole, read: Some((on_disk, flaw.clone())) });
        Ok(Found::Read(component, flaw))
    }

    /// Forgets files that are gone.
    pub(super) fn keep_only(&mut self, paths: &BTreeSet<PathBuf>) {
        self.seen.retain(|path, _| paths.contains(path));
    }
}

/// How long ago the file was written, by the clock of this machine.
fn known_age(about: &std::fs::Metadata) -> Option<Duration> {
    clock::machine_time().duration_since(about.modified().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn file_that_grows_is_not_read_before_it_rests_or_is_renamed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.wasm");
        let name: PluginName = "acme".parse().unwrap();
        let mut files = Files::default();
        let is_read = |files: &mut Files| matches!(files.look(&path, &name).unwrap(), Found::Read(..));
        // Ahead of the clock, so that a slow machine does not make the file old.
        let ahead = clock::machine_time() + Duration::from_secs(3600);
        let mut file = std::fs::File::create(&path).unwrap();
        for piece in ["a", "b", "c"] {
            file.write_all(piece.as_bytes()).unwrap();
            file.set_modified(ahead).unwrap();
            assert!(!is_read(&mut files), "it changed since it was last looked at");
        }
        files.are_whole([path.clone()].into());
        assert!(is_read(&mut files), "it was put in its place as a whole");
        files.are_whole(BTreeSet::new());
        assert!(is_read(&mut files), "what was read is known");
        file.set_len(u64::try_from(MAX_COMPONENT_BYTES).unwrap() + 1).unwrap();
        file.set_modified(ahead).unwrap();
        files.are_whole([path.clone()].into());
        assert!(files.look(&path, &name).is_err(), "it is too large");
        files.are_whole(BTreeSet::new());
        assert!(files.look(&path, &name).is_err(), "and it is not waited for again");
        file.set_len(3).unwrap();
        file.write_all(b"d").unwrap();
        file.set_modified(clock::machine_time() - Duration::from_secs(60)).unwrap();
        assert!(is_read(&mut files), "it was written a while ago");
    }
}
