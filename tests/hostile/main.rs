//! Plugins that misbehave on purpose, each stopped by the limit that is meant for it.
//!
//! `catalogue` is the table of them and `suite` runs it, beside an honest driver that must not
//! notice. Every limit is raised once to show that it is the one that bites.

#![forbid(unsafe_code)]

// `cfg(test)` tells the lints that helpers are test code too.
#[cfg(test)]
mod amnesia;
#[cfg(test)]
mod busy;
#[cfg(test)]
mod capabilities;
#[cfg(test)]
mod case;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod compiling;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod driver;
#[cfg(test)]
mod gauge;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod notifier;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod witness;
