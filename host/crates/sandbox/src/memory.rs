//! Memory of one instance, summed over everything it has.

use wasmtime::{ResourceLimiter, Result};

/// Bytes of one table entry on the host's side.
const TABLE_ENTRY: usize = size_of::<usize>();

/// Counts all linear memories and tables of an instance against one limit.
///
/// The runtime's own limiter looks at each memory by itself, so a plugin with two would have twice
/// the limit.
///
/// Invariant: what was granted once stays counted. A growth that then fails for another reason is
/// not given back, because the runtime also reports failures that were never granted, and a plugin
/// could earn memory with those.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    limit: usize,
    used: usize,
    exceeded: bool,
}

impl MemoryLimit {
    /// A limit in bytes.
    pub(crate) const fn new(limit: usize) -> Self {
        Self { limit, used: 0, exceeded: false }
    }

    /// Whether anything was refused. The plugin sees a failed growth and usually aborts, so this is
    /// the only place that knows why.
    pub(crate) const fn exceeded(&self) -> bool {
        self.exceeded
    }

    /// Bytes granted so far.
    pub(crate) const fn used(&self) -> usize {
        self.used
    }

    const fn grow(&mut self, current: usize, desired: usize, unit: usize) -> bool {
        let more = desired.saturating_sub(current).saturating_mul(unit);
        let total = self.used.saturating_add(more);
        if total > self.limit {
            self.exceeded = true;
            return false;
        }
        self.used = total;
        true
    }
}

impl ResourceLimiter for MemoryLimit {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(self.grow(current, desired, 1))
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> Result<bool> {
        Ok(self.grow(current, desired, TABLE_ENTRY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let mut limit = MemoryLimit::new(100);
        assert!(limit.memory_growing(0, 40, None).unwrap());
        assert!(limit.memory_growing(0, 40, None).unwrap());
        assert!(!limit.exceeded());
        assert!(!limit.table_growing(0, 3, None).unwrap());
        assert!(limit.exceeded());
    }

    #[test]
    fn failed_growth_earns_no_memory() {
        let mut limit = MemoryLimit::new(100);
        assert!(limit.memory_growing(0, 80, None).unwrap());
        limit.memory_grow_failed(wasmtime::Error::msg("no")).unwrap();
        assert!(!limit.memory_growing(80, 160, None).unwrap());
    }
}
