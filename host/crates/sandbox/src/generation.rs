//! Which version of a plugin new calls get.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// The current version of something that is replaced while it is in use.
///
/// New callers get the current version; who has one already keeps it until done. Reading costs no
/// lock, so it may stand in the path of every webhook. Hold a [`Driver`](crate::Driver) in it, or
/// what the host builds around several plugins: what must change together belongs in one value.
#[derive(Debug)]
pub struct Generation<T>(ArcSwap<T>);

impl<T> Generation<T> {
    /// Starts with a first version.
    pub fn new(first: T) -> Self {
        Self(ArcSwap::from_pointee(first))
    }

    /// The version for a new caller.
    pub fn current(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Makes `next` the current version and returns the one before.
    pub fn replace(&self, next: T) -> Arc<T> {
        self.0.swap(Arc::new(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_the_old_version_keeps_it() {
        let generation = Generation::new(1);
        let in_flight = generation.current();
        assert_eq!(*generation.replace(2), 1);
        assert_eq!((*in_flight, *generation.current()), (1, 2));
    }
}
