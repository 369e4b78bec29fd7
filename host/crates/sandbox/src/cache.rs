//! Native code kept between starts, so that only the first start compiles.
//!
//! Loading native code is running it, so a file counts only when it carries a MAC under a key that the
//! operator's secret key yields: who can write to the directory can slow a start down and nothing else.
//! A file is read whole into memory, verified there, and loaded from that memory.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use domain::secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rustix::fs::{Mode, OFlags, Timespec, Timestamps, UTIME_NOW, futimens};
use sha2::Sha256;

use crate::native::Native;

/// How long an entry that no start has used is kept.
const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a file may be under way; older ones belong to a writer that died.
const WRITING: Duration = Duration::from_secs(3600);

/// Changes with the form of the file.
const MAGIC: [u8; 16] = *b"watchbell-code-1";
const ENTRY: &str = "native";
const UNDER_WAY: &str = "tmp";

/// SHA-256 of a component, and what its native code is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) component: [u8; 32],
    pub(crate) engine: [u8; 32],
}

/// What stands before the native code: magic, component, engine, MAC over all the rest.
const MAC_AT: usize = MAGIC.len() + 32 + 32;
const HEADER: usize = MAC_AT + 32;

/// A private directory of native code. Cheap to clone; its key is never shown.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    directory: PathBuf,
    key: Secret<[u8; 32]>,
    /// Tells files apart that this process writes at the same time.
    written: AtomicU64,
}

/// Why there is no cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Something else is there.
    #[error(
        "`{0}` is not a directory, or a link to one\nhint: give the compile cache a directory of its own"
    )]
    NotADirectory(PathBuf),
    /// It cannot be made, or made private.
    #[error("`{directory}` cannot be made a private directory")]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
}

/// Why a file of the cache was not used.
#[derive(Debug)]
pub enum CacheFault {
    /// A link, a directory, a pipe.
    NotRegular,
    /// It cannot be read.
    Unreadable(io::Error),
    /// Longer than native code may be.
    TooLong,
    /// Not a file of this cache, or the beginning of one.
    Incomplete,
    /// Changed since it was written, or written by somebody who does not have the key.
    NotAuthentic,
    /// Genuine, but of another component.
    Misplaced,
    /// Genuine, but for another version of the hub, other settings or another machine.
    Stale,
    /// Genuine, but the runtime does not take it.
    Rejected(String),
}

impl fmt::Display for CacheFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRegular => f.write_str("it is not a regular file"),
            Self::Unreadable(cause) => write!(f, "it cannot be read: {cause}"),
            Self::TooLong => f.write_str("it is longer than native code may be"),
            Self::Incomplete => f.write_str("it is incomplete"),
            Self::NotAuthentic => f.write_str("it was changed, or not written under this secret key"),
            Self::Misplaced => f.write_str("it belongs to another component"),
            Self::Stale => {
                f.write_str("it was compiled by another version, for other settings or another machine")
            }
            Self::Rejected(detail) => write!(f, "the runtime does not take it: {detail}"),
        }
    }
}

impl Cache {
    /// Opens the directory, makes it when it is missing, makes it private when it is not, and removes
    /// entries that were not used for 30 days.
    ///
    /// # Errors
    /// [`CacheError`]: the hub can do without.
    pub fn open(directory: &Path, key: Secret<[u8; 32]>, now: SystemTime) -> Result<Self, CacheError> {
        let refused = |cause| CacheError::Directory { directory: directory.to_owned(), cause };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(refused)?;
        let about = fs::symlink_metadata(directory).map_err(refused)?;
        if !about.is_dir() {
            return Err(CacheError::NotADirectory(directory.to_owned()));
        }
        if about.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(directory, Permissions::from_mode(0o700)).map_err(refused)?;
        }
        let cache =
            Self(Arc::new(Inner { directory: directory.to_owned(), key, written: AtomicU64::new(0) }));
        cache.prune(now);
        Ok(cache)
    }

    /// Where the native code of a component is.
    pub(crate) fn path(&self, component: &[u8; 32]) -> PathBuf {
        self.0.directory.join(format!("{}.{ENTRY}", hex::encode(component)))
    }

    /// The native code of a component; `None` when there is none.
    pub(crate) fn read(&self, key: &Key, limit: u64) -> Result<Option<Native>, CacheFault> {
        let path = self.path(&key.component);
        // Not through a link, and without waiting where it is a pipe.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = match rustix::fs::open(&path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP) => return Err(CacheFault::NotRegular),
            Err(error) => return Err(CacheFault::Unreadable(error.into())),
        };
        if !file.metadata().map_err(CacheFault::Unreadable)?.is_file() {
            return Err(CacheFault::NotRegular);
        }
        let most = limit.saturating_add(HEADER as u64);
        let mut bytes = Vec::new();
        let read = (&mut file).take(most.saturating_add(1)).read_to_end(&mut bytes);
        if read.map_err(CacheFault::Unreadable)? as u64 > most {
            return Err(CacheFault::TooLong);
        }
        self.verify(key, &bytes)?;
        // Best effort: an entry that is not marked as used is compiled again in a month.
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let _marked = futimens(&file, &Timestamps { last_access: now, last_modification: now });
        Ok(Some(Native::authenticated(bytes, HEADER)))
    }

    fn verify(&self, key: &Key, bytes: &[u8]) -> Result<(), CacheFault> {
        let (head, rest) = bytes.split_at_checked(MAC_AT).ok_or(CacheFault::Incomplete)?;
        let (mac, code) = rest.split_at_checked(HEADER - MAC_AT).ok_or(CacheFault::Incomplete)?;
        let found = head.strip_prefix(&MAGIC).ok_or(CacheFault::Incomplete)?;
        // Before anything that the file says counts. `verify_slice` takes the same time for any MAC.
        self.mac(head, code).verify_slice(mac).map_err(|_| CacheFault::NotAuthentic)?;
        match found.split_at_checked(key.component.len()) {
            Some((component, _)) if component != key.component => Err(CacheFault::Misplaced),
            Some((_, engine)) if engine != key.engine => Err(CacheFault::Stale),
            Some(_) => Ok(()),
            None => Err(CacheFault::Incomplete),
        }
    }

    /// Keeps native code, in place of what was there. A reader sees the old file or the whole new one.
    pub(crate) fn write(&self, key: &Key, code: &[u8]) -> io::Result<()> {
        let mut head = Vec::with_capacity(HEADER);
        head.extend_from_slice(&MAGIC);
        head.extend_from_slice(&key.component);
        head.extend_from_slice(&key.engine);
        let mac = self.mac(&head, code).finalize().into_bytes();
        head.extend_from_slice(&mac);
        let path = self.path(&key.component);
        let number = self.0.written.fetch_add(1, Relaxed);
        let under_way = path.with_extension(format!("{}-{number}.{UNDER_WAY}", std::process::id()));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&under_way)
            // Not synchronised: what a power cut leaves half-written has no valid MAC.
            .and_then(|mut file| file.write_all(&head).and_then(|()| file.write_all(code)))
            .and_then(|()| fs::rename(&under_way, &path));
        if written.is_err() {
            // Best effort: the next start removes it.
            let _removed = fs::remove_file(&under_way);
        }
        written
    }

    fn mac(&self, head: &[u8], code: &[u8]) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.key.expose()).expect("any length is a key");
        // `head` has a fixed length, so what follows it cannot be taken for a part of it.
        mac.update(head);
        mac.update(code);
        mac
    }

    /// Removes what nobody uses. Best effort: what cannot be removed takes room and does no harm.
    fn prune(&self, now: SystemTime) {
        let Ok(entries) = fs::read_dir(&self.0.directory) else { return };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            let keep = match path.extension().and_then(|extension| extension.to_str()) {
                Some(ENTRY) => KEEP,
                Some(UNDER_WAY) => WRITING,
                // Not ours.
                _ => continue,
            };
            let modified = fs::symlink_metadata(&path).and_then(|about| about.modified());
            let age = modified.ok().and_then(|modified| now.duration_since(modified).ok());
            if age.is_some_and(|age| age > keep) {
                let _removed = fs::remove_file(&path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key { component: [1; 32], engine: [2; 32] };

    #[expect(clippy::disallowed_methods, reason = "files have the machine's time")]
    fn now() -> SystemTime {
        SystemTime::now()
    }

    fn open(directory: &Path, key: u8) -> Cache {
        Cache::open(directory, Secret::new([key; 32]), now()).unwrap()
    }

    fn read(cache: &Cache, key: &Key) -> String {
        match cache.read(key, 100) {
            Ok(Some(native)) => String::from_utf8(native.code().to_vec()).unwrap(),
            Ok(None) => "nothing".to_owned(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path(), 7);
        assert_eq!(read(&cache, &KEY), "nothing");
        cache.write(&KEY, b"code").unwrap();
        assert_eq!(read(&cache, &KEY), "code");
        assert_eq!(read(&cache, &Key { engine: [3; 32], ..KEY }), CacheFault::Stale.to_string());
        assert_eq!(read(&open(folder.path(), 8), &KEY), CacheFault::NotAuthentic.to_string());
        cache.write(&KEY, &[b'x'; 101]).unwrap();
        assert_eq!(read(&cache, &KEY), CacheFault::TooLong.to_string());
        let other = Key { component: [9; 32], ..KEY };
        fs::rename(cache.path(&KEY.component), cache.path(&other.component)).unwrap();
        cache.write(&KEY, b"code").unwrap();
        fs::copy(cache.path(&KEY.component), cache.path(&other.component)).unwrap();
        assert_eq!(read(&cache, &other), CacheFault::Misplaced.to_string());
    }

    #[test]
    fn no_byte_of_a_file_can_be_changed_or_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path(), 7);
        cache.write(&KEY, b"code").unwrap();
        let path = cache.path(&KEY.component);
        let genuine = fs::read(&path).unwrap();
        assert_eq!(genuine.len(), HEADER + 4);
        for index in 0..genuine.len() {
            let mut changed = genuine.clone();
            changed[index] ^= 1;
            fs::write(&path, changed).unwrap();
            assert!(cache.read(&KEY, 100).is_err(), "byte {index} changed");
            fs::write(&path, &genuine[..index]).unwrap();
            assert!(cache.read(&KEY, 100).is_err(), "cut at {index}");
        }
        fs::write(&path, [genuine.as_slice(), b"!"].concat()).unwrap();
        assert!(cache.read(&KEY, 100).is_err(), "longer");
        fs::write(&path, genuine).unwrap();
        assert_eq!(read(&cache, &KEY), "code");
    }

    #[test]
    fn only_a_regular_file_is_read_and_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path(), 7);
        cache.write(&KEY, b"code").unwrap();
        let (path, elsewhere) = (cache.path(&KEY.component), folder.path().join("elsewhere"));
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert_eq!(read(&cache, &KEY), CacheFault::NotRegular.to_string());
        cache.write(&KEY, b"new").unwrap();
        assert_eq!(read(&cache, &KEY), "new");
        assert!(fs::read(&elsewhere).unwrap().ends_with(b"code"), "nothing was written through the link");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(read(&cache, &KEY), CacheFault::NotRegular.to_string());
        assert!(cache.write(&KEY, b"new").is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left under way");
    }

    #[test]
    fn directory_and_files_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("a/b");
        let cache = open(&directory, 7);
        cache.write(&KEY, b"code").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&cache.path(&KEY.component))), (0o700, 0o600));
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        open(&directory, 7);
        assert_eq!(mode(&directory), 0o700);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&directory, &link).unwrap();
        let refused = Cache::open(&link, Secret::new([7; 32]), now());
        assert!(matches!(refused, Err(CacheError::NotADirectory(_))));
    }

    #[test]
    fn what_nobody_uses_is_removed_and_what_is_used_stays() {
        let folder = tempfile::tempdir().unwrap();
        let cache = open(folder.path(), 7);
        let other = Key { component: [9; 32], ..KEY };
        for (key, days) in [(&KEY, 40), (&other, 40)] {
            cache.write(key, b"code").unwrap();
            let file = File::options().write(true).open(cache.path(&key.component)).unwrap();
            file.set_modified(now() - Duration::from_secs(days * 24 * 3600)).unwrap();
        }
        let died = folder.path().join("x.1-1.tmp");
        File::create(&died).unwrap().set_modified(now() - 2 * WRITING).unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        assert_eq!(read(&cache, &KEY), "code");
        let cache = open(folder.path(), 7);
        assert_eq!((read(&cache, &KEY).as_str(), read(&cache, &other).as_str()), ("code", "nothing"));
        assert!(!died.exists() && folder.path().join("notes.txt").exists());
    }
}
