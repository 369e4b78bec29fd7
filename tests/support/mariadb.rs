//! MariaDB as Debian brings it.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use url::Url;

use crate::database::{DATABASE, Kind, PASSWORD, USER};
use crate::env;

pub(crate) const KIND: Kind = Kind {
    suite: "mariadb",
    package: "mariadb-server",
    scheme: "mysql",
    variable: "TEST_MYSQL_URL",
    ready: "ready for connections",
    kill: Signal::KILL,
    programs,
    server: "mariadbd",
    prepare,
    start,
    ask,
};

/// What makes its files small; the same whenever it runs on them.
const SMALL: [&str; 3] =
    ["--innodb-log-file-size=8M", "--innodb-buffer-pool-size=64M", "--aria-log-file-size=8M"];

/// Where servers lie, which `PATH` of a user need not name.
fn programs() -> Option<PathBuf> {
    let named = env::find_program("mariadbd").and_then(|file| file.parent().map(Path::to_owned));
    let programs = named.unwrap_or_else(|| PathBuf::from("/usr/sbin"));
    let is_here = programs.join("mariadbd").is_file() && env::find_program("mariadb-install-db").is_some();
    is_here.then_some(programs)
}

fn prepare(programs: &Path, data: &Path) -> Vec<(Command, String)> {
    let mut folder = Command::new("mariadb-install-db");
    folder.arg("--no-defaults").arg(in_folder(data)).args(SMALL);
    folder.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
    let mut database = server(programs, data);
    database.arg("--bootstrap");
    let users = format!(
        "FLUSH PRIVILEGES;\n\
         CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
         GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'%';\n\
         CREATE DATABASE {DATABASE};\n"
    );
    vec![(folder, String::new()), (database, users)]
}

fn start(programs: &Path, data: &Path, port: u16) -> Command {
    let mut server = server(programs, data);
    server.args(["--bind-address=127.0.0.1", &format!("--port={port}"), "--skip-name-resolve"]);
    // Named as seen from its data folder: the whole path can be longer than a socket's may be.
    server.args(["--socket=mariadb.sock", "--pid-file=mariadb.pid"]);
    // Of its own: a server that starts takes away what it finds of others there.
    server.arg(format!("--tmpdir={}", data.display()));
    server
}

fn server(programs: &Path, data: &Path) -> Command {
    let mut server = Command::new(programs.join("mariadbd"));
    server.arg("--no-defaults").arg(in_folder(data)).args(SMALL);
    server
}

fn in_folder(data: &Path) -> String {
    format!("--datadir={}", data.display())
}

fn ask(_programs: &Path, database: &Url, sql: &str) -> Command {
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "--protocol=tcp", "--batch", "--raw", "--skip-column-names"]);
    client.args(["--host", database.host_str().unwrap_or_default(), "--user", database.username()]);
    client.args(["--port", &database.port().unwrap_or(3306).to_string(), "--execute", sql]);
    client.env("MYSQL_PWD", database.password().unwrap_or_default());
    client.arg(database.path().trim_start_matches('/'));
    client
}
