//! Looks again when `plugins.toml` or the plugin directory changes.
//!
//! Events of the file system say when. Network file systems give none, and a watch may not be had at all, so
//! a slow look goes on beside them; what there is decides, and an event only that it is looked at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::event::{EventKind, ModifyKind, RenameMode};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Manager;
use super::files::SETTLE;

/// How often it is looked without an event.
const SLOW: Duration = Duration::from_secs(5);
/// How long more events are waited for after one: whoever writes a file causes several.
const TOGETHER: Duration = Duration::from_millis(20);

/// What has happened to files.
enum Change {
    /// Something.
    Any,
    /// This was put in its place as a whole.
    Whole(PathBuf),
}

/// Keeps the plugins at what there is, until stopped. `again` asks for a look at once, such as a signal does.
pub async fn follow(manager: Arc<Manager>, again: Arc<tokio::sync::Notify>, stop: CancellationToken) {
    let (sender, mut changes) = unbounded_channel();
    let mut watched = Watched::new(sender);
    let mut due = Instant::now();
    loop {
        watched.renew(&manager);
        let mut whole = BTreeSet::new();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep_until(due) => {}
            () = again.notified() => tracing::info!("looking at the plugins again, because somebody asks"),
            Some(change) = changes.recv() => {
                note(change, &mut whole);
                tokio::time::sleep(TOGETHER).await;
            }
        }
        drain(&mut changes, &mut whole);
        due = Instant::now()
            + match manager.refresh(whole).await {
                Ok(refreshed) if refreshed.again => SETTLE / 2,
                Ok(_) => SLOW,
                Err(error) => {
                    tracing::error!(error.r#type = "plugins", "{error:#}");
                    SLOW
                }
            };
    }
}

fn note(change: Change, whole: &mut BTreeSet<PathBuf>) {
    match change {
        Change::Whole(path) => drop(whole.insert(path)),
        Change::Any => {}
    }
}

fn drain(changes: &mut UnboundedReceiver<Change>, whole: &mut BTreeSet<PathBuf>) {
    while let Ok(change) = changes.try_recv() {
        note(change, whole);
    }
}

/// What is watched at this moment.
struct Watched {
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
    files: Arc<ArcSwap<Files>>,
}

/// Which files count, by their absolute paths: the database may lie beside `plugins.toml`.
#[derive(Default)]
struct Files {
    directory: PathBuf,
    others: BTreeSet<PathBuf>,
}

impl Files {
    fn concern(&self, path: &Path) -> bool {
        let is_wasm = || path.extension().is_some_and(|found| found.eq_ignore_ascii_case("wasm"));
        path.parent() == Some(&self.directory) && is_wasm()
            || path == self.directory
            || self.others.contains(path)
    }

    /// What an event says. Reading a file is none of them, or looking at one would cause the next look.
    fn changes(&self, event: Event) -> Vec<Change> {
        if event.need_rescan() {
            return vec![Change::Any];
        }
        if matches!(event.kind, EventKind::Access(_)) {
            return Vec::new();
        }
        let to = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        let is_whole = event.kind == to;
        let paths = event.paths.into_iter().filter(|path| self.concern(path));
        paths.map(|path| if is_whole { Change::Whole(path) } else { Change::Any }).collect()
    }
}

impl Watched {
    fn new(sender: UnboundedSender<Change>) -> Self {
        let files = Arc::new(ArcSwap::from_pointee(Files::default()));
        let known = Arc::clone(&files);
        let tell = move |event: notify::Result<Event>| {
            // Nobody listens any more: the hub stops.
            let _ = match event {
                Ok(event) => {
                    known.load().changes(event).into_iter().try_for_each(|change| sender.send(change))
                }
                // Events were lost, so look.
                Err(_) => sender.send(Change::Any),
            };
        };
        let watcher = notify::recommended_watcher(tell);
        let watcher = watcher.inspect_err(|error| {
            tracing::warn!("files are not watched, but looked at every {} s: {error}", SLOW.as_secs());
        });
        Self { watcher: watcher.ok(), folders: BTreeSet::new(), files }
    }

    /// Watches the folders that there are by now. One that went away and came back is another.
    fn renew(&mut self, manager: &Manager) {
        let Some(watcher) = &mut self.watcher else { return };
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let directory = absolute(manager.directory());
        let others: BTreeSet<PathBuf> = manager.files().iter().map(|file| absolute(file)).collect();
        let parents = others.iter().filter_map(|file| file.parent().map(Path::to_owned));
        let folders: BTreeSet<PathBuf> =
            parents.chain([directory.clone()]).filter(|folder| folder.is_dir()).collect();
        self.files.store(Arc::new(Files { directory, others }));
        for gone in self.folders.difference(&folders) {
            // It may have taken the watch with it.
            let _ = watcher.unwatch(gone);
        }
        self.folders.retain(|folder| folders.contains(folder));
        for folder in folders {
            if !self.folders.contains(&folder) && watcher.watch(&folder, RecursiveMode::NonRecursive).is_ok()
            {
                self.folders.insert(folder);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind};

    use super::*;

    #[test]
    fn what_is_no_plugin_and_what_is_only_read_causes_no_look() {
        let files = Files {
            directory: "/hub/plugins.d".into(),
            others: [PathBuf::from("/hub/plugins.toml"), PathBuf::from("/opt/acme.wasm")].into(),
        };
        let event = |kind, path: &str| Event::new(kind).add_path(path.into());
        let created = EventKind::Create(CreateKind::File);
        let (dropped, upper) = ("/hub/plugins.d/a.wasm", "/hub/./plugins.d/A.WASM");
        for path in [dropped, upper, "/hub/plugins.toml", "/opt/acme.wasm", "/hub/plugins.d"] {
            assert_eq!(files.changes(event(created, path)).len(), 1, "{path}");
            assert_eq!(files.changes(event(EventKind::Access(AccessKind::Any), path)).len(), 0, "{path}");
        }
        for path in ["/hub/watchbell.sqlite3-wal", "/hub/plugins.d/a.part", "/opt/b.wasm", "/hub/a.wasm"] {
            assert_eq!(files.changes(event(created, path)).len(), 0, "{path}");
        }
        let renamed = EventKind::Modify(ModifyKind::Name(RenameMode::To));
        assert!(matches!(files.changes(event(renamed, dropped)).as_slice(), [Change::Whole(_)]));
    }
}
