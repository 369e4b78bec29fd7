//! Who runs a command, as the operating system knows it.

use rustix::process::getuid;

/// Where the system keeps the names of its users.
const USERS: &str = "/etc/passwd";

/// `cli:<user>`: the name of the user that the process runs as, or the number where it has none. Not what a
/// variable of the environment says, which anybody can set.
pub(super) fn actor() -> String {
    let uid = getuid().as_raw();
    let users = std::fs::read_to_string(USERS).unwrap_or_default();
    match name(&users, uid) {
        Some(name) => format!("cli:{name}"),
        None => format!("cli:{uid}"),
    }
}

/// The first user of this number. Lines are `name:password:number:…`.
fn name(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_number() {
        let users = "root:x:0:0::/root:/bin/sh\n:x:7:7::/:\nbroken\nalice:x:1000:1000::/srv/alice:/bin/sh\n";
        assert_eq!(name(users, 0), Some("root"));
        assert_eq!(name(users, 1000), Some("alice"));
        assert_eq!((name(users, 7), name(users, 8)), (None, None));
    }
}
