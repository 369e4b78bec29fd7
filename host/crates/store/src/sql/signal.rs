//! Statements that concern no row.

use super::statements;

statements! {
    /// What time it is, in microseconds since 1970. Not the time at which a transaction began.
    TIME = {
        postgres: "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS now_us",
        mysql: "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED) AS now_us",
    }

    /// Tells all who listen. It is lost if the server crashes at this moment, and nobody waits for the disk.
    NOTIFY = { postgres:
        "SELECT set_config('synchronous_commit', 'off', true), pg_notify('watchbell', $1)" }
}
