//! From an incident to the people who must know: what remotes get, whatever they do.

#![forbid(unsafe_code)]

// `cfg(test)` tells the lints that helpers are test code too.
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod channels;
#[cfg(test)]
mod explaining;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod mail;
#[cfg(test)]
mod many;
#[cfg(test)]
mod notifiers;
#[cfg(test)]
mod order;
#[cfg(test)]
mod pipeline;
#[cfg(test)]
mod remotes;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod retry;
#[cfg(test)]
mod templates;
#[cfg(test)]
mod workers;
