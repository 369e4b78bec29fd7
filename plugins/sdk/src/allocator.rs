//! A bump allocator: the life of an instance is one call, so nothing is worth freeing.
//!
//! Memory is handed out upwards from the end of the static data. Only the newest block can be given
//! back or grown in place, which is what a vector that is being filled asks for. When the linear
//! memory is used up it is grown; when the host refuses to grow it, the allocation fails and Rust's
//! allocation error handler traps, which the host reports as the memory limit.

#![allow(unsafe_code, reason = "a global allocator is an unsafe trait over raw memory")]

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::UnsafeCell;

#[global_allocator]
static ALLOCATOR: Bump = Bump { free: UnsafeCell::new(Free { start: 0, end: 0 }) };

/// The size of a page of linear memory, in bytes (WebAssembly core specification).
const PAGE_BYTES: usize = 65_536;

/// How much more than needed is asked for at once, in pages. Growing costs the host a system call;
/// 16 pages (1 MiB) keep a driver with an ordinary body from growing twice.
const SPARE_PAGES: usize = 16;

unsafe extern "C" {
    /// Where the static data and the stack end; the linker sets its address.
    static __heap_base: u8;
}

/// The unused part of the linear memory. Empty until the first allocation.
struct Free {
    start: usize,
    end: usize,
}

struct Bump {
    free: UnsafeCell<Free>,
}

// SAFETY: components of this contract have no threads (the target is built without atomics), so
// the cell is never reached from two places at once.
unsafe impl Sync for Bump {}

impl Free {
    /// Cuts a block off, growing the memory where needed. None: there is no more.
    fn take(&mut self, layout: Layout) -> Option<usize> {
        if self.end == 0 {
            self.start = (&raw const __heap_base).addr();
            self.end = memory_size(0).checked_mul(PAGE_BYTES)?;
        }
        let start = self.start.checked_next_multiple_of(layout.align())?;
        let stop = start.checked_add(layout.size())?;
        self.reach(stop)?;
        self.start = stop;
        Some(start)
    }

    /// Grows the memory until `stop` lies inside it.
    fn reach(&mut self, stop: usize) -> Option<()> {
        if stop <= self.end {
            return Some(());
        }
        let missing = stop.saturating_sub(self.end).div_ceil(PAGE_BYTES);
        // With the spare first; a host close to its limit may still grant the bare need.
        for pages in [missing.checked_add(SPARE_PAGES)?, missing] {
            if memory_grow(0, pages) != usize::MAX {
                self.end = self.end.checked_add(pages.checked_mul(PAGE_BYTES)?)?;
                return Some(());
            }
        }
        None
    }
}

// SAFETY: blocks are cut off a range that only this allocator uses and never overlap: `start` only
// moves past a block when it is handed out, and back only over the newest block when its owner
// gives that one up. Alignment is kept by `take`. Nothing here unwinds or allocates.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: no threads, and no reference to the cell outlives a method of this impl.
        let free = unsafe { &mut *self.free.get() };
        match free.take(layout) {
            Some(address) => core::ptr::with_exposed_provenance_mut(address),
            None => core::ptr::null_mut(),
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        let free = unsafe { &mut *self.free.get() };
        if block.addr().wrapping_add(layout.size()) == free.start {
            free.start = block.addr();
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        {
            // SAFETY: as in `alloc`; the reference ends with this scope, before `alloc` is called.
            let free = unsafe { &mut *self.free.get() };
            if block.addr().wrapping_add(layout.size()) == free.start {
                let Some(stop) = block.addr().checked_add(new_size) else { return core::ptr::null_mut() };
                if free.reach(stop).is_none() {
                    return core::ptr::null_mut();
                }
                free.start = stop;
                return block;
            }
            if new_size <= layout.size() {
                return block;
            }
        }
        // SAFETY: the caller vouches that `new_size` with this alignment makes a valid layout.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: `new_layout` is not empty, for `new_size` is larger than the old size.
        let new_block = unsafe { self.alloc(new_layout) };
        if !new_block.is_null() {
            // SAFETY: both blocks are at least `layout.size()` bytes and the new one is fresh.
            unsafe { core::ptr::copy_nonoverlapping(block, new_block, layout.size()) };
        }
        new_block
    }
}
