//! Values that must not be seen.

use std::fmt;

use zeroize::Zeroize;

/// A value that is never printed, compared or serialised, and wiped when dropped.
///
/// Invariant: there is no way to the value but [`Secret::expose`], so a reader can find every use.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes a value into keeping.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_value() {
        assert_eq!(format!("{:?}", Secret::new(String::from("hunter2"))), "[redacted]");
    }

    #[test]
    fn dropping_wipes_the_value_once_for_each_copy() {
        #[derive(Clone)]
        struct Probe(std::rc::Rc<std::cell::Cell<u32>>);
        impl Zeroize for Probe {
            fn zeroize(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let wiped = std::rc::Rc::default();
        let first = Secret::new(Probe(std::rc::Rc::clone(&wiped)));
        let second = first.clone();
        drop(first);
        assert_eq!(wiped.get(), 1);
        drop(second);
        assert_eq!(wiped.get(), 2);
    }
}
