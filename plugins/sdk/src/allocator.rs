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
static ALLOCATOR: Bump = Bump { free: UnsafeCell::new(Free { start: 0, end: 0, spare_pages: SPARE_PAGES }) };

/// The size of a page of linear memory, in bytes (WebAssembly core specification).
const PAGE_BYTES: usize = 65_536;

/// How much more than needed is asked for at once, in pages. Growing costs the host a system call;
/// 16 pages (1 MiB) keep a driver with an ordinary body from growing twice.
const SPARE_PAGES: usize = 16;

/// Up to this size of the memory, in pages (16 MiB), more than needed is asked for. The host notes
/// every refused growth as a limit that was hit, so near a limit, which the guest does not know, only
/// the bare need is asked for: 16 MiB is a quarter of what the contract gives the smallest plugin.
const SPARE_BELOW_PAGES: usize = 256;

unsafe extern "C" {
    /// Where the static data and the stack end; the linker sets its address.
    static __heap_base: u8;
}

/// The unused part of the linear memory. Empty until the first allocation.
struct Free {
    start: usize,
    end: usize,
    /// What is asked for beyond the need; none any more once the host refused it.
    spare_pages: usize,
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
        loop {
            let start = self.start.checked_next_multiple_of(layout.align())?;
            let stop = start.checked_add(layout.size())?;
            if stop <= self.end {
                self.start = stop;
                return Some(start);
            }
            // Ends: pages that do not adjoin become a new range, which the next growth adjoins.
            self.grow(stop.saturating_sub(self.end))?;
        }
    }

    /// Grows the memory by at least `missing` bytes. Where the new pages do not adjoin the range,
    /// because something else has grown the memory meanwhile, they alone are the range from now on
    /// and the rest of the old one is given up.
    fn grow(&mut self, missing: usize) -> Option<()> {
        let needed = missing.div_ceil(PAGE_BYTES);
        let wanted = needed.checked_add(self.spare_pages)?;
        let (before, pages) = match memory_size(0).checked_add(wanted) {
            Some(total) if self.spare_pages > 0 && total <= SPARE_BELOW_PAGES => {
                match memory_grow(0, wanted) {
                    usize::MAX => {
                        self.spare_pages = 0;
                        (memory_grow(0, needed), needed)
                    }
                    before => (before, wanted),
                }
            }
            _ => (memory_grow(0, needed), needed),
        };
        if before == usize::MAX {
            return None;
        }
        let first = before.checked_mul(PAGE_BYTES)?;
        if first != self.end {
            self.start = first;
        }
        // All 4 GiB are one byte more than an address can say: the last page is then not used.
        self.end = first.saturating_add(pages.saturating_mul(PAGE_BYTES));
        Some(())
    }

    /// Moves the end of the newest block to `stop`. False: there is no room for it where it is.
    fn extend(&mut self, stop: usize) -> bool {
        let may_reach = stop <= self.end || {
            let end = self.end;
            // Pages that do not adjoin move `start`: the block has to move too.
            self.grow(stop.saturating_sub(end)).is_some() && self.start <= end && stop <= self.end
        };
        if may_reach {
            self.start = stop;
        }
        may_reach
    }
}

// SAFETY: blocks are cut off the range from `start` to `end` and never overlap. The range holds only
// what nothing else uses: at first what lies above the static data when the first block is asked for,
// later only pages that a growth of this allocator brought, for `grow` goes by where the host says
// that they begin. `start` moves past a block when it is handed out, back only over the newest
// block when its owner gives that one up, and on to a new range, all of whose bytes lie above every
// block so far. Alignment is kept by `take`. Nothing here unwinds or allocates.
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
                if free.extend(stop) {
                    return block;
                }
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
