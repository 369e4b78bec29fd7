//! PostgreSQL as Debian brings it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use url::Url;

use crate::database::{DATABASE, Kind, PASSWORD, USER};

pub(crate) const KIND: Kind = Kind {
    suite: "postgres",
    package: "postgresql",
    scheme: "postgres",
    variable: "TEST_POSTGRES_URL",
    ready: "database system is ready to accept connections",
    // Its processes share memory that is only given back if they end together.
    kill: Signal::QUIT,
    programs,
    server: "postgres",
    prepare,
    start,
    ask,
};

/// Debian keeps every version in a folder of its own; the newest is taken.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.filter_map(|entry| Some(entry.ok()?.path())).max_by_key(number)?;
    let programs = newest.join("bin");
    programs.join("postgres").is_file().then_some(programs)
}

/// With a password that is asked for, and texts that sort as people sort them unless a column says otherwise.
fn prepare(programs: &Path, data: &Path) -> Vec<(Command, String)> {
    let password = data.with_file_name("password");
    fs::write(&password, PASSWORD).expect("a file beside one's own data");
    let mut folder = Command::new(programs.join("initdb"));
    folder.arg("--pgdata").arg(data).args(["--no-sync", "--auth=scram-sha-256", "--pwfile"]).arg(password);
    folder.args(["--username", USER, "--encoding=UTF8", "--locale=C.UTF-8"]);
    folder.args(["--locale-provider=icu", "--icu-locale=en-US"]);
    let mut database = Command::new(programs.join("postgres"));
    database.arg("--single").arg("-D").arg(data).arg("postgres");
    vec![(folder, String::new()), (database, format!("CREATE DATABASE {DATABASE}\n"))]
}

fn start(programs: &Path, data: &Path, port: u16) -> Command {
    let mut server = Command::new(programs.join("postgres"));
    server.arg("-D").arg(data).args(["-p", &port.to_string()]);
    // Recovery flushes a thousand files else, each alone.
    let quick = "recovery_init_sync_method=syncfs";
    for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "shared_buffers=32MB", quick] {
        server.args(["-c", setting]);
    }
    server
}

fn ask(programs: &Path, database: &Url, sql: &str) -> Command {
    let mut client = Command::new(programs.join("psql"));
    client.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--field-separator=\t"]);
    client.args(["--set=ON_ERROR_STOP=1", "--command", sql, database.as_str()]);
    client
}
