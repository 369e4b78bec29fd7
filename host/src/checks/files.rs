//! Large and old files under the folders that an operator opens to questions.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::walk::{self, Bounds};
use crate::clock;

/// How long one walk may take.
const WITHIN: Duration = Duration::from_secs(5);
/// What is left of the asker's time to use the answer in.
const MARGIN: Duration = Duration::from_millis(200);
/// How many entries one walk looks at.
const MAX_ENTRIES: usize = 500_000;
/// How deep a walk goes.
const MAX_DEPTH: u32 = 64;
/// How many walks go on at a time: more would only make each other slow. Those that hang in the system
/// keep their place.
const AT_ONCE: usize = 2;
/// How many files are named at most (`wit/host.wit`).
const MAX_FILES: usize = 100;
/// How many files without a wish.
const DEFAULT_FILES: usize = 20;
/// What is large where nobody says.
const DEFAULT_LARGE_BYTES: u64 = 100 << 20;
/// A hundred years.
const MAX_DAYS: u32 = 36_500;
/// The longest path that is looked at, in bytes; Linux has the same bound.
const MAX_PATH: usize = 4096;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Why a path is not looked at. Never says whether something is there outside the open folders.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// None of the folders is open.
    #[error("no folder is open to questions\nhint: `INTELLIGENCE_DISK_ROOTS` opens some")]
    NothingOpen,
    /// Not written as it has to be.
    #[error("`path` must be absolute, without `..` and at most {MAX_PATH} bytes long")]
    Form,
    /// It is not in an open folder, or a link leads out of it.
    #[error(
        "`path` must lie in one of {0}\nhint: `INTELLIGENCE_DISK_ROOTS` says which folders may be looked through"
    )]
    Outside(String),
    /// It is no folder.
    #[error("there is no folder at `path`, or the hub may not look into it")]
    NoFolder,
    /// As many walks go on as may.
    #[error("too many folders are being looked through; try again")]
    Busy,
}

/// The folders that may be looked through.
#[derive(Debug)]
pub struct Folders {
    roots: Vec<PathBuf>,
    room: Arc<Semaphore>,
}

/// What is wanted.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Wish {
    path: Option<String>,
    larger_than_bytes: Option<u64>,
    older_than_days: Option<u32>,
    limit: Option<usize>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct LargeOrOld {
    path: String,
    size_bytes: u64,
    modified_at: Timestamp,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Listing {
    path: String,
    files: Vec<LargeOrOld>,
    complete: bool,
}

impl Folders {
    /// These and what is below them; none of them needs to be there.
    pub fn new(roots: Vec<PathBuf>) -> Self {
        Self { roots, room: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// The folder that a path means, with every link followed.
    ///
    /// # Errors
    /// [`PathError`].
    pub async fn resolve(&self, path: &str) -> Result<PathBuf, PathError> {
        let wanted = PathBuf::from(path);
        let goes_up = wanted.components().any(|part| part == Component::ParentDir);
        if !wanted.is_absolute() || goes_up || path.len() > MAX_PATH || path.contains('\0') {
            return Err(PathError::Form);
        }
        if self.roots.is_empty() {
            return Err(PathError::NothingOpen);
        }
        // Before the disk is asked: a place outside must not even answer whether it is there.
        if !self.roots.iter().any(|root| wanted.starts_with(root)) {
            return Err(self.outside());
        }
        let roots = self.roots.clone();
        let found = self.blocking(WITHIN, move || {
            let path = std::fs::canonicalize(wanted).ok()?;
            let inside = roots.iter().filter_map(|root| root.canonicalize().ok());
            let is_inside = inside.into_iter().any(|root| path.starts_with(root));
            Some(is_inside.then_some(path).filter(|path| path.is_dir()).ok_or(is_inside))
        });
        match found.await? {
            Some(Ok(path)) => Ok(path),
            Some(Err(true)) | None => Err(PathError::NoFolder),
            Some(Err(false)) => Err(self.outside()),
        }
    }

    fn outside(&self) -> PathError {
        let roots: Vec<String> = self.roots.iter().map(|root| format!("`{}`", root.display())).collect();
        PathError::Outside(roots.join(", "))
    }

    /// Files as the JSON that `host-system` promises; without a path those of all open folders.
    ///
    /// # Errors
    /// Text for the plugin.
    pub(super) async fn list(&self, options: &str, time_left: Duration) -> Result<String, String> {
        let options = if options.trim().is_empty() { "{}" } else { options };
        let wish: Wish =
            serde_json::from_str(options).map_err(|error| format!("options are not understood: {error}"))?;
        let limit = wish.limit.unwrap_or(DEFAULT_FILES);
        if !(1..=MAX_FILES).contains(&limit) {
            return Err(format!("`limit` must be between 1 and {MAX_FILES}, found {limit}"));
        }
        if let Some(days) = wish.older_than_days.filter(|days| *days > MAX_DAYS) {
            return Err(format!("`older_than_days` must be at most {MAX_DAYS}, found {days}"));
        }
        if self.roots.is_empty() {
            return Err(PathError::NothingOpen.to_string());
        }
        let folders = match &wish.path {
            Some(path) => vec![self.resolve(path).await.map_err(|error| error.to_string())?],
            None => self.roots.clone(),
        };
        let within = time_left.saturating_sub(MARGIN).min(WITHIN);
        let listing = self.blocking(time_left, move || look(&folders, &wish, limit, within));
        let listing = listing.await.map_err(|error| error.to_string())?;
        serde_json::to_string(&listing).map_err(|error| error.to_string())
    }

    /// Does something where it may block, at most so many at a time and no longer than this.
    async fn blocking<T: Send + 'static>(
        &self,
        within: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PathError> {
        let all = async {
            let place = Arc::clone(&self.room).acquire_owned().await.map_err(|_| PathError::Busy)?;
            let working = tokio::task::spawn_blocking(move || {
                let _place = place;
                work()
            });
            working.await.map_err(|_| PathError::Busy)
        };
        tokio::time::timeout(within, all).await.map_err(|_| PathError::Busy)?
    }
}

fn look(folders: &[PathBuf], wish: &Wish, limit: usize, within: Duration) -> Listing {
    let now = clock::machine_time();
    let old_before = wish.older_than_days.and_then(|days| now.checked_sub(DAY * days));
    let large_bytes = wish.larger_than_bytes.or_else(|| old_before.is_none().then_some(DEFAULT_LARGE_BYTES));
    let bounds = Bounds {
        until: Instant::now() + within,
        entries: MAX_ENTRIES,
        depth: MAX_DEPTH,
        old_before: old_before.unwrap_or(now),
        large_bytes: large_bytes.unwrap_or(u64::MAX),
    };
    let mut files = Vec::new();
    let mut add = |path: &Path, about: &Metadata| {
        let size_bytes = walk::room(about);
        let is_large = large_bytes.is_some_and(|least| size_bytes >= least);
        let is_old = old_before.is_some_and(|then| about.modified().is_ok_and(|written| written < then));
        if is_large || is_old {
            let modified_at = Timestamp::from_millis(about.mtime().saturating_mul(1000));
            files.push(LargeOrOld { path: path.to_string_lossy().into_owned(), size_bytes, modified_at });
            // Now and then: a folder may hold a million of them.
            if files.len() >= limit.saturating_mul(8) {
                keep_largest(&mut files, limit);
            }
        }
    };
    let mut left = bounds.entries;
    let mut complete = true;
    for folder in folders {
        // A root may be a link; what is below it is not followed.
        let Ok(folder) = folder.canonicalize() else { continue };
        let walked = walk::each(&folder, &bounds, &mut left, &mut add);
        complete &= walked.is_none_or(|walked| walked.cut_off.is_none());
    }
    keep_largest(&mut files, limit);
    let names: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
    Listing { path: names.join(", "), files, complete }
}

fn keep_largest(files: &mut Vec<LargeOrOld>, most: usize) {
    files.sort_by(|a, b| b.size_bytes.cmp(&a.size_bytes).then_with(|| a.path.cmp(&b.path)));
    files.truncate(most);
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::symlink;

    use serde_json::Value;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    struct Disk {
        folder: tempfile::TempDir,
        folders: Folders,
    }

    /// `open` is open to questions, `closed` is not.
    fn disk() -> Disk {
        let folder = tempfile::tempdir().unwrap();
        for name in ["open/logs", "closed", "open-not"] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let folders = Folders::new(vec![folder.path().join("open")]);
        Disk { folder, folders }
    }

    impl Disk {
        fn at(&self, path: &str) -> String {
            self.folder.path().join(path).to_str().unwrap().to_owned()
        }

        fn write(&self, path: &str, kib: usize, days: u32) {
            let path = self.at(path);
            std::fs::write(&path, vec![b'x'; kib << 10]).unwrap();
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(clock::machine_time() - DAY * days).unwrap();
        }

        async fn list(&self, options: Value) -> Result<Value, String> {
            let listing = self.folders.list(&options.to_string(), HOUR).await?;
            Ok(serde_json::from_str(&listing).unwrap())
        }

        async fn names(&self, options: Value) -> Vec<String> {
            let listing = self.list(options).await.unwrap();
            let name = |file: &Value| file["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
            listing["files"].as_array().unwrap().iter().map(name).collect()
        }
    }

    #[tokio::test]
    async fn large_and_old_files_are_listed_largest_first_up_to_the_limit() {
        let disk = disk();
        disk.write("open/logs/large", 300, 0);
        disk.write("open/logs/old", 8, 40);
        disk.write("open/new", 8, 0);
        disk.write("closed/larger", 900, 90);
        let all = serde_json::json!({ "larger_than_bytes": 100_000, "older_than_days": 30 });
        assert_eq!(disk.names(all).await, ["large", "old"]);
        assert_eq!(disk.names(serde_json::json!({ "older_than_days": 30 })).await, ["old"]);
        assert_eq!(disk.names(serde_json::json!({ "larger_than_bytes": 1, "limit": 1 })).await, ["large"]);
        assert!(disk.names(serde_json::json!({})).await.is_empty(), "nothing here is large by itself");
        let logs = disk.list(serde_json::json!({ "path": disk.at("open/logs/"), "larger_than_bytes": 1 }));
        let logs = logs.await.unwrap();
        assert_eq!((logs["files"].as_array().unwrap().len(), &logs["complete"]), (2, &Value::Bool(true)));
        assert_eq!(logs["files"][0]["size_bytes"].as_u64().unwrap() >> 10, 300);
        let error = disk.list(serde_json::json!({ "limit": 101 })).await.unwrap_err();
        assert!(error.contains("between 1 and 100"), "{error}");
    }

    #[tokio::test]
    async fn nothing_leads_out_of_the_open_folders() {
        let disk = disk();
        disk.write("closed/secret", 900, 90);
        symlink(disk.at("closed"), disk.at("open/link")).unwrap();
        symlink(disk.at("closed/secret"), disk.at("open/file")).unwrap();
        symlink(disk.at("open/logs"), disk.at("open/within")).unwrap();
        let resolve = async |path: &str| disk.folders.resolve(path).await;
        for path in ["open/link", "closed", "closed/no-such", "open-not", "open-not/x"] {
            let error = resolve(&disk.at(path)).await.unwrap_err();
            assert!(matches!(error, PathError::Outside(_)), "{path}: {error}");
        }
        for path in ["relative", "", &disk.at("open/../closed"), &disk.at("open/logs/../../closed"), "/\0"] {
            assert_eq!(resolve(path).await, Err(PathError::Form), "{path}");
        }
        for path in ["open/no-such", "open/file/x"] {
            assert_eq!(resolve(&disk.at(path)).await, Err(PathError::NoFolder), "{path}");
        }
        assert!(resolve(&disk.at("open/within")).await.unwrap().ends_with("open/logs"));
        let all = serde_json::json!({ "larger_than_bytes": 1 });
        assert!(disk.names(all).await.is_empty(), "a walk follows no link");
    }

    #[tokio::test]
    async fn without_open_folders_or_time_there_is_no_listing() {
        let nothing = Folders::new(Vec::new());
        assert_eq!(nothing.resolve("/tmp").await, Err(PathError::NothingOpen));
        assert!(nothing.list("{}", HOUR).await.unwrap_err().contains("INTELLIGENCE_DISK_ROOTS"));
        let disk = disk();
        disk.write("open/large", 300, 0);
        let wish = Wish { larger_than_bytes: Some(1), ..Wish::default() };
        let cut = look(&[disk.folder.path().join("open")], &wish, 10, Duration::ZERO);
        assert!(!cut.complete && cut.files.is_empty());
        let _taken = disk.folders.room.acquire_many(2).await.unwrap();
        let busy = disk.folders.list("{}", Duration::from_millis(1)).await.unwrap_err();
        assert!(busy.contains("too many folders"), "{busy}");
    }
}
