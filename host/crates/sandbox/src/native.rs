//! Native code on its way into the process: the one unsafe step of this crate.

use wasmtime::Engine;
use wasmtime::component::Component;

/// The native code of one component.
///
/// Invariant: the bytes are what this program's compiler made, untouched. They come from
/// [`Native::compiled`], called with what the compiler has just returned, or from
/// [`Native::authenticated`], called with bytes whose MAC has just been verified in this same buffer.
pub(crate) struct Native {
    bytes: Vec<u8>,
    /// What comes before the code.
    header: usize,
}

impl Native {
    /// What the compiler returned, in this process or in its child.
    pub(crate) const fn compiled(bytes: Vec<u8>) -> Self {
        Self { bytes, header: 0 }
    }

    /// What lies behind a header, all of it verified.
    pub(crate) const fn authenticated(bytes: Vec<u8>, header: usize) -> Self {
        Self { bytes, header }
    }

    /// The code.
    pub(crate) fn code(&self) -> &[u8] {
        self.bytes.get(self.header..).unwrap_or_default()
    }

    /// Makes it callable. Code for another engine, machine or version of the runtime is refused.
    #[expect(unsafe_code, reason = "loading native code cannot be checked by the compiler")]
    pub(crate) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: `deserialize` wants bytes that `precompile_component` made and nobody changed,
        // because it runs them. That is the invariant of this type; the bytes are in memory of our
        // own, so nobody changes them between the check and the load.
        unsafe { Component::deserialize(engine, self.code()) }
    }
}
