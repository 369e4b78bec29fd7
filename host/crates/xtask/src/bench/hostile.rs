//! An honest driver beside every hostile component of the tests.

use std::process::Command;

use crate::bench::Bench;
use crate::bench::peer::add_lines;
use crate::bench::report::Report;
use crate::{artifacts, process};

pub(super) const SECTION: &str = "hostile";
pub(super) const CALLS: &str = "beside hostile calls";
pub(super) const FILES: &str = "beside hostile files";
const ALONE: &str = "alone";
/// How long the slowest hundredth of its calls takes, and of requests to a hub that it shares.
const MEASURES: [(&str, &str); 2] = [("p99 us", OF_ALONE), ("p99 us of a request", "a request, of alone")];
pub(super) const OF_ALONE: &str = "of alone";

/// Builds the program from the tests and measures all rows.
///
/// # Errors
/// It does not build, or a call of the honest driver fails.
pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let mut build = process::cargo(&bench.root);
    build.args(["bench", "--locked", "--no-run", "--package=tests", "--bench=hostile"]);
    let program = artifacts::executable(&mut build, SECTION)?;
    bench.interleave(SECTION, &[()], |()| {
        add_lines(SECTION, &process::output(Command::new(&program).arg(&bench.hub))?, report)
    })?;
    for row in ["beside honest calls", CALLS, FILES] {
        for (measure, name) in MEASURES {
            report.ratio(SECTION, row, ALONE, measure, name);
        }
    }
    Ok(())
}
