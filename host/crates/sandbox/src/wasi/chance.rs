//! `wasi:random`: the host's random numbers, or for a driver ones that follow from the webhook.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use wasmtime_wasi::p2::bindings::random::{insecure_seed, random};

use crate::host::Misuse;
use crate::state::State;

/// The most bytes of one call. Python takes 2.5 KiB at once to seed its generator.
const MAX_BYTES: u64 = 64 * 1024;

/// Bytes that nobody can tell from random ones without the seed, and that are the same for the same seed:
/// SHA-256 over the seed and a counter.
pub(super) struct Chance {
    seed: [u8; 32],
    block: u64,
    /// What is left of the last block.
    left: Vec<u8>,
}

impl Chance {
    pub(super) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, block: 0, left: Vec::new() }
    }

    fn fill(&mut self, buffer: &mut [u8]) {
        for byte in buffer {
            if self.left.is_empty() {
                let block = Sha256::new().chain_update(self.seed).chain_update(self.block.to_le_bytes());
                self.left = block.finalize().to_vec();
                self.block = self.block.wrapping_add(1);
            }
            *byte = self.left.pop().unwrap_or_default();
        }
    }
}

impl State {
    fn fill(&mut self, buffer: &mut [u8]) {
        match self.outside() {
            Some(services) => Arc::clone(services).random(buffer),
            None => self.wasi().chance.fill(buffer),
        }
    }

    fn number(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

impl random::Host for State {
    fn get_random_bytes(&mut self, length: u64) -> wasmtime::Result<Vec<u8>> {
        if length > MAX_BYTES {
            let what =
                format!("`wasi:random` gives at most {MAX_BYTES} bytes a call, {length} were asked for");
            return Err(wasmtime::Error::new(Misuse(what)));
        }
        let mut bytes = vec![0; usize::try_from(length)?];
        self.fill(&mut bytes);
        Ok(bytes)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.number())
    }
}

impl insecure_seed::Host for State {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.number(), self.number()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(seed: u8, pieces: &[usize]) -> Vec<u8> {
        let mut chance = Chance::new([seed; 32]);
        let mut all = Vec::new();
        for length in pieces {
            let mut piece = vec![0; *length];
            chance.fill(&mut piece);
            all.extend(piece);
        }
        all
    }

    #[test]
    fn same_seed_gives_the_same_bytes_however_they_are_taken() {
        let whole = bytes(1, &[100]);
        assert_eq!(whole, bytes(1, &[1, 31, 33, 0, 35]));
        assert_ne!(whole, bytes(2, &[100]));
        assert_ne!(whole[..32], whole[32..64]);
    }
}
