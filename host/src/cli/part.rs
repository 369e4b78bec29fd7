//! Which part of a list a command shows.

use clap::Args;
use store::PageRequest;

/// How many rows a list shows unless it is said.
const SHOWN: u32 = 100;

/// Which part of a list is shown.
#[derive(Args)]
pub(super) struct Part {
    /// How many
    #[arg(long, default_value_t = SHOWN, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Go on where a list ended: `next` of the list before
    #[arg(long)]
    cursor: Option<String>,
}

impl From<Part> for PageRequest {
    fn from(Part { limit, cursor }: Part) -> Self {
        Self { limit, cursor }
    }
}
