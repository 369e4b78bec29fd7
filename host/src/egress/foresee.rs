//! Saying beforehand what would be refused.

use std::time::Duration;

use super::resolve::vet;
use super::{Egress, Origin};

/// How long a name may take to be looked up: somebody waits for the answer.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(2);

impl Egress {
    /// Why a request to this origin would be refused now for its address. Nothing where it would not be, or
    /// where the host has no address at the moment: what counts is what it has when it is called.
    pub async fn foresee(&self, origin: &Origin) -> Option<String> {
        let host = origin.host();
        let addresses = match origin.address() {
            Some(address) => vec![address],
            None => {
                tokio::time::timeout(LOOK_UP_WITHIN, self.dialler.resolver.resolve(host)).await.ok()?.ok()?
            }
        };
        let refusal =
            addresses.into_iter().find_map(|address| vet(&self.dialler.allow, host, address).err())?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Some(format!(
            "nothing can be sent there: {refusal}\nhint: if that is meant, `SSRF_ALLOWED_HOSTS={host}`"
        ))
    }
}
