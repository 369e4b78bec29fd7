//! The hub as its callers see it: every endpoint, every answer, over real HTTP.

#![forbid(unsafe_code)]

// `cfg(test)` tells the lints that helpers are test code too.
#[cfg(test)]
mod approvals;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod bombs;
#[cfg(test)]
mod calling;
#[cfg(test)]
mod channels;
#[cfg(test)]
mod checking;
#[cfg(test)]
mod detection;
#[cfg(test)]
mod dropping;
#[cfg(test)]
mod edge;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod health_checks;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod https;
#[cfg(test)]
mod incidents;
#[cfg(test)]
mod injection;
#[cfg(test)]
mod inspecting;
#[cfg(test)]
mod intelligence;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod migrating;
#[cfg(test)]
mod notify;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod plugins;
#[cfg(test)]
mod providers;
#[cfg(test)]
mod quarantine;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod references;
#[cfg(test)]
mod repeats;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod signatures;
#[cfg(test)]
mod standard_webhooks;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod webhook_secrets;

// A driver from a few lines of WebAssembly text, as the hostile ones are made.
#[cfg(test)]
#[path = "../hostile/driver.rs"]
#[expect(dead_code, reason = "the hostile tests use more of it")]
mod driver;
#[cfg(test)]
mod echo;
#[cfg(test)]
#[path = "../hostile/kit.rs"]
mod kit;
#[cfg(test)]
#[path = "../hostile/notifier.rs"]
#[expect(dead_code, reason = "the hostile tests use more of it")]
mod notifier;
