//! Plugins that misbehave on purpose, each stopped by the limit that is meant for it.
//!
//! Every hostile call runs while an honest driver answers beside it, and every limit is raised
//! once to show that it is the one that bites.

#![forbid(unsafe_code)]

// `cfg(test)` tells the lints that helpers are test code too.
#[cfg(test)]
mod calls;
#[cfg(test)]
mod compiling;
#[cfg(test)]
mod driver;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod kit;
#[cfg(test)]
mod loading;
#[cfg(test)]
mod notifier;
#[cfg(test)]
mod notifying;
