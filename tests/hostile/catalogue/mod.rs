//! The table of hostile components. Each is built from a few lines of WebAssembly text.
//!
//! Not in the table, because there is nothing to build: `char` and `flags` values out of range (the
//! contract has none), and a plugin that re-enters itself from a host function (no host function
//! calls back).

mod boundary;
mod claims;
mod cpu;
mod crashes;
pub(crate) mod files;
mod logs;
mod memory;
pub(crate) mod notifiers;
mod results;
mod wants;
mod wasi;

use crate::case::Case;

pub(crate) const MIB: usize = 1 << 20;

/// Every component that passes the loader and misbehaves when it is called.
pub(crate) fn calls() -> Vec<Case> {
    let families = [
        cpu::cases(),
        memory::cases(),
        results::cases(),
        boundary::cases(),
        crashes::cases(),
        logs::cases(),
        notifiers::cases(),
        wasi::cases(),
    ];
    families.into_iter().flatten().collect()
}
