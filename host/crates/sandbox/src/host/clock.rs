//! `host-clock`: the time.

use crate::bindings::notifier::watchbell::plugin::host_clock;
use crate::state::State;

impl host_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<i64> {
        Ok(self.services("host-clock")?.now().as_millis())
    }
}
