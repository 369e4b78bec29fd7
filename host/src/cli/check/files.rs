//! Files and folders: who may read and write them, and whether there is room.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::Findings;
use super::codes::Code;
use crate::checks::{Disk, Machine};
use crate::config::{Config, Source, is_open_to_others};
use crate::template::{Kind, Recipient, Templates};

/// Readable by the group or by others.
const READABLE: u32 = 0o044;
/// Writable by the group or by others.
const WRITABLE: u32 = 0o022;
/// Below this much room a storm of alerts may fill the disk before somebody looks, in bytes.
const LEAST_FREE: u64 = 1 << 30;
/// The same as a part of the disk, in percent.
const LEAST_FREE_PERCENT: u64 = 5;

/// Permissions of the files that settings come from.
pub(super) fn env_files(source: &Source, findings: &mut Findings) {
    let mut files: Vec<&str> = source.names().map(|name| source.origin(name)).collect();
    files.retain(|origin| *origin != Source::SHELL);
    files.sort_unstable();
    files.dedup();
    for file in files {
        if mode(Path::new(file)).is_some_and(|mode| mode & READABLE != 0) {
            let message = format!("`{file}` can be read by other users of this machine");
            findings.add(Code::EnvReadable, message, format!("chmod 600 {file}"));
        }
    }
    let mut files: Vec<&Path> = source.files().filter(|file| is_open_to_others(file)).collect();
    files.sort_unstable();
    files.dedup();
    for file in files {
        let file = file.display();
        let message =
            format!("`{file}`, which a setting refers to, can be read by other users of this machine");
        findings.add(Code::EnvReadable, message, format!("chmod 600 {file}"));
    }
}

/// Permissions of where plugins come from.
pub(super) fn plugin_folder(config: &Config, findings: &mut Findings) {
    for path in [&config.plugins.directory, &config.plugins.file] {
        if mode(path).is_some_and(|mode| mode & WRITABLE != 0) {
            let message = format!("`{}` can be written by other users of this machine", path.display());
            findings.add(Code::FolderWritable, message, format!("chmod go-w {}", path.display()));
        }
    }
}

/// Templates that are for all channels of a notifier; those that a channel names are looked at with it.
pub(super) fn templates(config: &Config, findings: &mut Findings) {
    let templates = Templates::new(config.templates.folder.clone());
    let hint = "docs/TEMPLATES.md tells what templates can be; `watchbell template check` looks again";
    let names = match templates.files() {
        Ok(names) => names,
        Err(error) => {
            let message = format!("the folder `WATCHBELL_TEMPLATES_DIR` cannot be read: {}", error.kind());
            return findings.add(Code::Template, message, "make it, or take the setting away");
        }
    };
    for name in names {
        let Some((notifier, kind)) = Kind::of_file(&name) else { continue };
        let to = Recipient { channel: "sample".to_owned(), notifier };
        if let Some(problem) = templates.check_file(&to, kind, &name) {
            findings.add(Code::Template, problem.to_string(), hint);
        }
    }
}

fn mode(path: &Path) -> Option<u32> {
    std::fs::metadata(path).ok().map(|about| about.permissions().mode())
}

/// The file of the database, where it is one.
pub(in crate::cli) fn database_file(config: &Config) -> Option<PathBuf> {
    let path = config.database.url.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    Some(path.split('?').next().unwrap_or_default().into())
}

/// Where a file lies.
pub(super) fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether there is no such file or folder.
pub(in crate::cli) fn is_missing(path: &Path) -> bool {
    std::fs::metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

/// Room where the database lies.
pub(super) async fn disk(config: &Config, findings: &mut Findings) {
    let Some(file) = database_file(config) else { return };
    let folder = folder(&file);
    let (Ok(folder), Ok(machine)) = (folder.canonicalize(), Machine::new().snapshot().await) else { return };
    let holds = |disk: &&Disk| folder.starts_with(&disk.mount);
    let Some(disk) = machine.disks.iter().filter(holds).max_by_key(|disk| disk.mount.len()) else { return };
    let (free, all) = (disk.available_bytes, disk.total_bytes);
    if free < LEAST_FREE || free.saturating_mul(100) < all.saturating_mul(LEAST_FREE_PERCENT) {
        let folder = folder.display();
        let message =
            format!("{} of {} MiB are free where the database lies (`{folder}`)", free >> 20, all >> 20);
        let hint =
            "a full disk answers webhooks 503; make room, or keep less (`WATCHBELL_KEEP_REQUESTS_DAYS`)";
        findings.add(Code::Disk, message, hint);
    }
}
