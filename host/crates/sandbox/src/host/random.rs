//! `host-random`: random numbers.

use crate::bindings::notifier::watchbell::plugin::host_random;
use crate::host::Misuse;
use crate::state::State;

/// The most bytes of one call (`wit/host.wit`).
const MAX_BYTES: u32 = 1024;

impl host_random::Host for State {
    fn bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        if count > MAX_BYTES {
            let what =
                format!("`host-random` gives at most {MAX_BYTES} bytes a call, {count} were asked for");
            return Err(wasmtime::Error::new(Misuse(what)));
        }
        let mut buffer = vec![0; usize::try_from(count)?];
        self.services("host-random")?.random(&mut buffer);
        Ok(buffer)
    }
}
