//! The host of Watchbell: everything that must be trusted.
//!
//! `docs/ARCHITECTURE.md` has the map. The path of one webhook is [`ingest::Ingest::receive`].

#![forbid(unsafe_code)]

pub mod app;
pub mod auth;
pub mod checks;
pub mod cli;
pub mod clock;
pub mod config;
pub mod counters;
pub mod crypto;
pub mod deliver;
pub mod egress;
pub mod explain;
pub mod hosts;
pub mod http;
pub mod ingest;
pub mod intelligence;
pub mod jobs;
pub mod pipeline;
pub mod plugins;
pub mod rotation;
pub mod telemetry;
pub mod template;
pub mod wake;
pub mod worker;
