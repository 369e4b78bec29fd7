//! Counters in memory, by name, as many as there is room for.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use domain::rate::Window;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// The most counters held: about 20 MB. Beyond it those that were not touched for longest are forgotten, so
/// that whoever sends from more places than that is counted anew from some.
const ROOM: u64 = 100_000;

/// Counters that belong to one window each and go when it is over.
pub struct Counters<K>(Cache<K, Arc<AtomicU64>>);

impl<K: Hash + Eq + Send + Sync + 'static> Default for Counters<K> {
    fn default() -> Self {
        // By use alone: the usual policy may refuse room to a new name, which would then never be counted.
        let cache = Cache::builder().max_capacity(ROOM).eviction_policy(EvictionPolicy::lru());
        Self(cache.time_to_live(Window::KEPT_FOR).build())
    }
}

impl<K: Hash + Eq + Send + Sync + 'static> Counters<K> {
    /// Counts one more; returns how many that makes.
    pub fn increment(&self, name: K) -> u64 {
        self.0.get_with(name, Arc::default).fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// How many were counted.
    pub fn get(&self, name: &K) -> u64 {
        self.0.get(name).map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_count_together_miss_nothing_and_count_nothing_twice() {
        let counters = Counters::default();
        let count = || (0..1000).map(|_| counters.increment("name")).collect::<Vec<u64>>();
        let mut seen: Vec<u64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(count)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        seen.sort_unstable();
        assert_eq!(seen, (1..=8000).collect::<Vec<u64>>());
        assert_eq!((counters.get(&"name"), counters.get(&"other")), (8000, 0));
    }

    #[test]
    fn names_without_end_take_no_room_without_end() {
        let counters = Counters::default();
        for name in 0..ROOM + 10_000 {
            counters.increment(name);
        }
        counters.0.run_pending_tasks();
        assert!(counters.0.entry_count() <= ROOM, "{}", counters.0.entry_count());
        // The newest is among those that are kept.
        assert_eq!(counters.increment(ROOM + 9_999), 2);
    }
}
