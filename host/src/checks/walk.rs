//! Looks through folders, within bounds of time, entries and depth.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// The most large files that are named, of one folder and in all.
pub(super) const MAX_LARGE: usize = 10;
/// Blocks of a file are counted in this unit, whatever the file system has.
const BLOCK_BYTES: u64 = 512;

/// Where a walk stops, and what it looks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) until: Instant,
    pub(super) entries: usize,
    pub(super) depth: u32,
    /// A file that was last written before is old.
    pub(super) old_before: SystemTime,
    /// From here on a file is large.
    pub(super) large_bytes: u64,
}

/// Which bound cut a walk off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    Time,
    Entries,
    Depth,
}

impl Cut {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Entries => "entries",
            Self::Depth => "depth",
        }
    }
}

/// What is in one folder and below.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) folder: String,
    /// Room that its files take on disk; one with several names counts once.
    pub(super) bytes: u64,
    /// That of the old ones.
    pub(super) old_bytes: u64,
    pub(super) files: u64,
    /// Size and path of the largest of the large ones.
    pub(super) large: Vec<(u64, String)>,
    /// Folders that could not be read.
    pub(super) unreadable: u64,
    pub(super) cut_off: Option<Cut>,
}

impl Found {
    pub(super) fn empty(folder: &str) -> Self {
        Self {
            folder: folder.to_owned(),
            bytes: 0,
            old_bytes: 0,
            files: 0,
            large: Vec::new(),
            unreadable: 0,
            cut_off: None,
        }
    }

    /// Whether another walk looks at the same: not where one was cut off who knows where.
    pub(super) const fn is_comparable(&self) -> bool {
        matches!(self.cut_off, None | Some(Cut::Depth))
    }

    fn add(&mut self, path: &Path, about: &Metadata, bounds: &Bounds) {
        let bytes = room(about);
        self.bytes = self.bytes.saturating_add(bytes);
        self.files = self.files.saturating_add(1);
        if about.modified().is_ok_and(|written| written < bounds.old_before) {
            self.old_bytes = self.old_bytes.saturating_add(bytes);
        }
        if bytes >= bounds.large_bytes {
            self.large.push((bytes, path.to_string_lossy().into_owned()));
            self.large.sort_by(|a, b| b.cmp(a));
            self.large.truncate(MAX_LARGE);
        }
    }
}

/// Looks through all that are folders, one after the other; the bounds hold for all of them together.
pub(super) fn all(folders: &[(String, PathBuf)], bounds: Bounds) -> Vec<Found> {
    let mut left = bounds.entries;
    let mut found = Vec::new();
    for (name, path) in folders {
        let mut folder = Found::empty(name);
        let add = &mut |path: &Path, about: &Metadata| folder.add(path, about, &bounds);
        let Some(walked) = each(path, &bounds, &mut left, add) else { continue };
        found.push(Found { unreadable: walked.unreadable, cut_off: walked.cut_off, ..folder });
    }
    found
}

/// How a walk went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Walked {
    /// Folders that could not be read.
    pub(super) unreadable: u64,
    pub(super) cut_off: Option<Cut>,
}

/// Shows every file in a folder and below, one with several names once; `left` is how many entries may
/// still be looked at. None where there is no such folder: a link is followed nowhere, and a folder that
/// is one is none.
pub(super) fn each(
    path: &Path,
    bounds: &Bounds,
    left: &mut usize,
    show: &mut dyn FnMut(&Path, &Metadata),
) -> Option<Walked> {
    let device = fs::symlink_metadata(path).ok().filter(Metadata::is_dir)?.dev();
    let mut walked = Walked::default();
    let mut seen: HashSet<u64> = HashSet::new();
    let mut waiting = vec![(path.to_owned(), 1u32)];
    while let Some((folder, depth)) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            walked.unreadable = walked.unreadable.saturating_add(1);
            continue;
        };
        for entry in entries.flatten() {
            if Instant::now() >= bounds.until {
                return Some(Walked { cut_off: Some(Cut::Time), ..walked });
            }
            if *left == 0 {
                return Some(Walked { cut_off: Some(Cut::Entries), ..walked });
            }
            *left = left.saturating_sub(1);
            let path = entry.path();
            // Of the entry itself, not of what it may lead to.
            let Ok(about) = fs::symlink_metadata(&path) else { continue };
            if about.dev() != device {
                continue;
            }
            if about.is_dir() && depth < bounds.depth {
                waiting.push((path, depth.saturating_add(1)));
            } else if about.is_dir() {
                walked.cut_off = Some(Cut::Depth);
            } else if about.is_file() && (about.nlink() == 1 || seen.insert(about.ino())) {
                show(&path, &about);
            }
        }
    }
    Some(walked)
}

/// Room that a file takes: one with holes may say that it is longer than the disk.
pub(super) fn room(about: &Metadata) -> u64 {
    about.blocks().saturating_mul(BLOCK_BYTES)
}
