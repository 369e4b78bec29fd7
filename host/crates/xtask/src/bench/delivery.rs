//! From webhook to notification, at a rate that leaves room.

use crate::bench::Bench;
use crate::bench::home::Home;
use crate::bench::peer::text;
use crate::bench::report::Report;
use crate::bench::server::free_address;

pub(super) const SECTION: &str = "delivery";
/// Webhooks per second.
pub(super) const RATE: u32 = 500;
/// The row that the sender's figures are under.
pub(super) const ROW: &str = "500 webhooks/s";

/// Measures the row.
///
/// # Errors
/// The hub does not start or refuses a webhook, or nothing is delivered.
pub(super) fn measure(bench: &Bench, report: &mut Report) -> anyhow::Result<()> {
    let home = Home::prepare(bench, "delivery")?;
    home.set("SSRF_ALLOWED_HOSTS", "127.0.0.1")?;
    std::fs::write(home.path("token"), &home.token)?;
    let seconds = bench.seconds.saturating_mul(2).to_string();
    bench.interleave(SECTION, &[()], |()| {
        let home = home.copy(bench, "delivery-round")?;
        let sink = free_address()?;
        let url = format!("url=http://{sink}/");
        home.command(&["channel", "add", "sink", "--notifier", "generic", "--set", &url])?;
        let hub = home.serve()?;
        let (address, sink, rate) = (hub.address.to_string(), sink.to_string(), RATE.to_string());
        let token = home.path("token");
        let before = hub.processor_time()?;
        let arguments = ["pace", &address, &sink, text(&token)?, &rate, &seconds];
        bench.peer.measure(SECTION, &arguments, report)?;
        let used = hub.processor_time()? - before;
        // All are sent; what is not delivered is seen in the row.
        let alerts = f64::from(RATE) * f64::from(bench.seconds.saturating_mul(2));
        report.add(SECTION, ROW, "cpu us/alert", used.as_secs_f64() * 1e6 / alerts);
        Ok(())
    })
}
