//! Looks again when `plugins.toml` or the plugin directory changes.
//!
//! Events of the file system say when. Network file systems give none, and a watch may not be had at all, so
//! a slow look goes on beside them; what there is decides, and an event only that it is looked at.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

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
            () = again.notified() => {}
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

/// Which folders are watched at this moment.
struct Watched {
    watcher: Option<RecommendedWatcher>,
    folders: BTreeSet<PathBuf>,
}

impl Watched {
    fn new(sender: UnboundedSender<Change>) -> Self {
        let tell = move |event: notify::Result<Event>| {
            // Nobody listens any more: the hub stops.
            let _ = match event {
                Ok(event) => changes(event).into_iter().try_for_each(|change| sender.send(change)),
                // Events were lost, so look.
                Err(_) => sender.send(Change::Any),
            };
        };
        let watcher = notify::recommended_watcher(tell);
        let watcher = watcher.inspect_err(|error| {
            tracing::warn!("files are not watched, but looked at every {} s: {error}", SLOW.as_secs());
        });
        Self { watcher: watcher.ok(), folders: BTreeSet::new() }
    }

    /// Watches the folders that there are by now. One that went away and came back is another.
    fn renew(&mut self, manager: &Manager) {
        let Some(watcher) = &mut self.watcher else { return };
        let folders: BTreeSet<PathBuf> =
            manager.folders().into_iter().filter(|folder| folder.is_dir()).collect();
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

/// What an event says. Reading a file is none of them, or looking at one would cause the next look.
fn changes(event: Event) -> Vec<Change> {
    match event.kind {
        EventKind::Access(_) => Vec::new(),
        EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => {
            event.paths.into_iter().map(Change::Whole).collect()
        }
        _ => vec![Change::Any],
    }
}

/// The folder of a file, or this one.
pub(super) fn folder(file: &Path) -> PathBuf {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or_else(|| PathBuf::from("."), Path::to_owned)
}
