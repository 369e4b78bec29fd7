//! The contract of the store: every method against real databases.
//!
//! A claim takes a [`fixture::World`] and becomes a test for SQLite, PostgreSQL and MariaDB each by
//! `on_every_database!`. What is about SQLite's file alone is a test of its own.

#![forbid(unsafe_code)]

// `cfg(test)` tells the lints that helpers are test code too.
#[cfg(test)]
mod act;
#[cfg(test)]
mod again;
#[cfg(test)]
mod channel;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod forget;
#[cfg(test)]
mod host;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod ingest;
#[cfg(test)]
mod keep;
#[cfg(test)]
mod mariadb;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod overtaken;
#[cfg(test)]
mod plugin;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod read;
#[cfg(test)]
mod route;
#[cfg(test)]
mod run;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod sealed;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod shares;
