//! Templates in files of one folder, and nothing outside of it.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use super::Trouble;

/// How large a template may be. A guess: the built-in document is a sixth of it.
pub(super) const MAX_TEMPLATE_BYTES: usize = 64 * 1024;
/// How long a file's name may be.
const MAX_NAME_BYTES: usize = 128;

/// Whether it is the name of a file and nothing more: no path, no hidden file.
pub(super) fn is_plain_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(is_plain)
}

/// The file of this name, where there is one.
pub(super) fn read_if_there(folder: &Path, name: &str) -> Option<Result<String, Trouble>> {
    // A link that leads nowhere is there: its owner meant something by it.
    fs::symlink_metadata(folder.join(name)).ok()?;
    Some(read(Some(folder), name))
}

/// The text of a file of the folder. A link is followed as long as it stays inside.
pub(super) fn read(folder: Option<&Path>, name: &str) -> Result<String, Trouble> {
    let Some(folder) = folder else {
        return Err(file(
            "`WATCHBELL_TEMPLATES_DIR` is not set, so there are no files to take it from".to_owned(),
        ));
    };
    if !is_plain_name(name) {
        return Err(file("its name is not that of a file in `WATCHBELL_TEMPLATES_DIR`".to_owned()));
    }
    let unreadable = |error: std::io::Error| {
        file(match error.kind() {
            ErrorKind::NotFound => "there is no such file in `WATCHBELL_TEMPLATES_DIR`".to_owned(),
            kind => format!("the file cannot be read: {kind}"),
        })
    };
    let inside = fs::canonicalize(folder).map_err(|error| {
        file(format!("the folder `WATCHBELL_TEMPLATES_DIR` cannot be read: {}", error.kind()))
    })?;
    let path = fs::canonicalize(folder.join(name)).map_err(unreadable)?;
    if !path.starts_with(&inside) {
        return Err(file("it is a link out of `WATCHBELL_TEMPLATES_DIR`".to_owned()));
    }
    // Asked before it is opened: opening a pipe would wait for who writes into it.
    if !fs::metadata(&path).map_err(unreadable)?.is_file() {
        return Err(file("it is not a regular file".to_owned()));
    }
    let most = u64::try_from(MAX_TEMPLATE_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let opened = File::open(&path).map_err(unreadable)?;
    opened.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_TEMPLATE_BYTES {
        return Err(file(format!("the file may have {MAX_TEMPLATE_BYTES} bytes, and has more")));
    }
    String::from_utf8(bytes).map_err(|_| file("the file is not UTF-8 text".to_owned()))
}

fn file(message: String) -> Trouble {
    Trouble::new("template.file", message)
}

/// The names of what is in the folder, sorted; hidden files are not templates.
pub(super) fn names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_outside_of_the_folder_is_read() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("templates");
        fs::create_dir_all(folder.join("sub")).unwrap();
        fs::write(home.path().join("secret"), "hunter2").unwrap();
        fs::write(folder.join("a.j2"), "hello").unwrap();
        fs::write(folder.join("large.j2"), "x".repeat(MAX_TEMPLATE_BYTES + 1)).unwrap();
        fs::write(folder.join("bytes.j2"), [0xff, 0xfe]).unwrap();
        symlink(home.path().join("secret"), folder.join("out.j2")).unwrap();
        symlink("/etc/passwd", folder.join("passwd.j2")).unwrap();
        symlink("a.j2", folder.join("link.j2")).unwrap();
        symlink("nowhere", folder.join("broken.j2")).unwrap();
        let read = |name: &str| read(Some(&folder), name).map_err(|trouble| trouble.message);
        // As a mounted ConfigMap has it.
        assert_eq!(
            (read("a.j2").unwrap(), read("link.j2").unwrap()),
            ("hello".to_owned(), "hello".to_owned())
        );
        for (name, words) in [
            ("out.j2", "a link out of"),
            ("passwd.j2", "a link out of"),
            ("../secret", "its name is not"),
            ("sub", "not a regular file"),
            ("broken.j2", "no such file"),
            ("none.j2", "no such file"),
            ("large.j2", "may have 65536 bytes"),
            ("bytes.j2", "not UTF-8"),
        ] {
            let error = read(name).unwrap_err();
            assert!(error.contains(words) && !error.contains("hunter2"), "{name}: {error}");
        }
        assert!(super::read(None, "a.j2").unwrap_err().message.contains("is not set"));
        assert!(read_if_there(&folder, "none.j2").is_none() && read_if_there(&folder, "broken.j2").is_some());
    }
}
