//! The contract, and the built components against it.

// `cfg(test)` tells the lints that helpers are test code too.
#[cfg(test)]
mod contract;
