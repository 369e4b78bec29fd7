//! The contract, and the built components against it.

#![forbid(unsafe_code)]

// `cfg(test)` tells the lints that helpers are test code too.
#[cfg(test)]
mod ai_sdks;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod any_json;
#[cfg(test)]
mod author;
#[cfg(test)]
mod built;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod languages;
#[cfg(test)]
mod mutate;
#[cfg(test)]
mod property;
