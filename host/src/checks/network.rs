//! Errors of network interfaces, and whether what has to be reached can be.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::about::{About, Choice, Kind, Thresholds};
use super::root::Root;
use super::{CheckStatus, Finding, Look, Settings, per_second, some};

const INTERFACES: &str = "/proc/net/dev";
const ROUTES: &str = "/proc/net/route";
const NEIGHBOURS: &str = "/proc/net/arp";
/// The interface that never leaves the machine.
const LOOPBACK: &str = "lo";
/// How long the first look watches.
const FIRST_LOOK: Duration = Duration::from_millis(200);
/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// A port that nobody has to listen on: to be asked about it a gateway has to be found first.
const ANY_PORT: u16 = 9;
/// The flag of a neighbour that answered.
const COMPLETE: u32 = 0x2;
/// The most interfaces kept in the figures, the worst first.
const MAX_METRICS: usize = 20;
/// The most destinations named in a message.
const MAX_NAMED: usize = 3;

/// The limits are guesses; a well-laid network has none.
pub(super) const ABOUT: About = About {
    meaning: "Errors and dropped packets a second of the worst interface but loopback, since somebody last \
              looked. A gateway or host that is configured and not reached is critical.",
    unit: "errors/s",
    source: "`/proc/net/dev`; `/proc/net/route` and `/proc/net/arp` for the gateway",
    thresholds: Thresholds { warning: 10.0, critical: 100.0 },
    options: &[
        Choice {
            name: "interface",
            kind: Kind::Names,
            default: "",
            meaning: "An interface to look at. Without any all are.",
        },
        Choice {
            name: "gateway",
            kind: Kind::Flag,
            default: "0",
            meaning: "Whether there must be a default route by IPv4 whose gateway answers.",
        },
        Choice {
            name: "host",
            kind: Kind::Hosts,
            default: "",
            meaning: "A host and port that must take a connection within a second.",
        },
    ],
};

/// What an interface has counted since it came up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Interface {
    name: String,
    received_bytes: u64,
    sent_bytes: u64,
    errors: u64,
    drops: u64,
}

pub(super) fn look(settings: Settings, root: Root) -> Look {
    let mut last: Option<(Instant, Vec<Interface>)> = None;
    Box::new(move || {
        let read = || {
            let found = interfaces(&root.read(INTERFACES).unwrap_or_default());
            let wanted = settings.list("interface");
            let is_wanted = |one: &Interface| {
                if wanted.is_empty() { one.name != LOOPBACK } else { wanted.contains(&one.name) }
            };
            found.into_iter().filter(is_wanted).collect::<Vec<_>>()
        };
        let (then, before) = last.take().unwrap_or_else(|| {
            let first = (Instant::now(), read());
            std::thread::sleep(FIRST_LOOK);
            first
        });
        let (now, seen) = (Instant::now(), read());
        let found = judge(&before, &seen, now.duration_since(then), settings.thresholds);
        last = Some((now, seen));
        with_unreached(found, &unreached(&settings, &root))
    })
}

/// Reads `/proc/net/dev`: eight figures of what came in, eight of what went out.
fn interfaces(text: &str) -> Vec<Interface> {
    let line = |line: &str| {
        let (name, figures) = line.split_once(':')?;
        let figures: Vec<u64> = figures.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let figure = |at: usize| figures.get(at).copied();
        Some(Interface {
            name: name.trim().to_owned(),
            received_bytes: figure(0)?,
            sent_bytes: figure(8)?,
            errors: figure(2)?.saturating_add(figure(10)?),
            drops: figure(3)?.saturating_add(figure(11)?),
        })
    };
    text.lines().filter_map(line).collect()
}

fn judge(before: &[Interface], now: &[Interface], time: Duration, thresholds: Thresholds) -> Finding {
    let rate = |now: &Interface| {
        // One that came up in between begins with the next look.
        let before = before.iter().find(|before| before.name == now.name)?;
        let since = |then: u64, now: u64| per_second(now.saturating_sub(then), time);
        let (errors, drops) = (since(before.errors, now.errors), since(before.drops, now.drops));
        let figures = json!({
            "interface": now.name,
            "errors_per_second": errors,
            "drops_per_second": drops,
            "received_bytes_per_second": since(before.received_bytes, now.received_bytes),
            "sent_bytes_per_second": since(before.sent_bytes, now.sent_bytes),
        });
        Some((super::tenth(errors + drops), now.name.clone(), figures))
    };
    let mut rates: Vec<(f64, String, Value)> = now.iter().filter_map(rate).collect();
    rates.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    let Some((worst, name, _)) = rates.first() else {
        return Finding::skipped("this machine has no network interface that can be looked at");
    };
    let message = match *worst > 0.0 {
        true => format!("`{name}` has {worst} errors and dropped packets a second"),
        false => format!("no errors on {}", super::plural(rates.len(), "interface")),
    };
    let worst = *worst;
    let figures: Vec<Value> = rates.into_iter().take(MAX_METRICS).map(|(_, _, figures)| figures).collect();
    Finding::judged(worst, thresholds, message).with("errors_per_second", worst).with("interfaces", figures)
}

fn with_unreached(found: Finding, unreached: &[String]) -> Finding {
    if unreached.is_empty() {
        return found;
    }
    let said = format!("not reached: {}; {}", some(unreached, MAX_NAMED), found.message);
    Finding { message: said, ..found }.at_least(CheckStatus::Critical).with("unreached", unreached)
}

/// What of the configured is not reached, and why.
fn unreached(settings: &Settings, root: &Root) -> Vec<String> {
    let gateway = settings.flag("gateway").then(|| gateway_defect(root)).flatten();
    let hosts = settings.list("host");
    // Side by side: several that do not answer must not add up.
    let hosts = std::thread::scope(|scope| {
        let asked: Vec<_> = hosts.iter().map(|host| (host, scope.spawn(|| connects(host)))).collect();
        let failed = asked.into_iter().filter_map(|(host, answer)| {
            let reached = answer.join().unwrap_or(false);
            (!reached).then(|| format!("`{host}`"))
        });
        failed.collect::<Vec<_>>()
    });
    gateway.into_iter().chain(hosts).collect()
}

fn connects(host: &str) -> bool {
    let Ok(addresses) = host.to_socket_addrs() else { return false };
    addresses.into_iter().any(|address| TcpStream::connect_timeout(&address, CONNECT_WITHIN).is_ok())
}

/// Why the gateway is not reached: without it nothing outside is.
fn gateway_defect(root: &Root) -> Option<String> {
    let Some(gateway) = root.read(ROUTES).and_then(|text| default_gateway(&text)) else {
        return Some("a default route (there is none)".to_owned());
    };
    // Whatever comes of it: the kernel has to find the gateway first, and notes whether it did.
    let asked = TcpStream::connect_timeout(&SocketAddr::new(IpAddr::V4(gateway), ANY_PORT), CONNECT_WITHIN);
    let answered = asked.is_ok() || root.read(NEIGHBOURS).is_some_and(|text| is_neighbour(&text, gateway));
    (!answered).then(|| format!("gateway `{gateway}`"))
}

/// The gateway of the default route: destination and mask are 0.
fn default_gateway(text: &str) -> Option<Ipv4Addr> {
    let line = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let word = |at: usize| u32::from_str_radix(words.get(at)?, 16).ok();
        let (destination, gateway, mask) = (word(1)?, word(2)?, word(7)?);
        (destination == 0 && mask == 0 && gateway != 0).then(|| Ipv4Addr::from(gateway.to_ne_bytes()))
    };
    text.lines().skip(1).find_map(line)
}

/// Whether somebody answered for this address.
fn is_neighbour(text: &str, address: Ipv4Addr) -> bool {
    text.lines().skip(1).any(|line| {
        let mut words = line.split_whitespace();
        let is_it = words.next().and_then(|word| word.parse().ok()) == Some(address);
        let flags = words.nth(1).and_then(|word| u32::from_str_radix(word.strip_prefix("0x")?, 16).ok());
        is_it && flags.is_some_and(|flags| flags & COMPLETE != 0)
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::super::Checker;
    use super::super::root::fake::Fake;
    use super::*;

    const HEAD: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
";

    fn dev(lo: u64, eth0: u64, wlan0: u64) -> String {
        let line = |name: &str, bad: u64| {
            format!("  {name}: 9000 90 {bad} {bad} 0 0 0 0 7000 70 {bad} {bad} 0 0 0 0\n")
        };
        format!("{HEAD}{}{}{}", line("lo", lo), line("eth0", eth0), line("wlan0", wlan0))
    }

    fn rates(seconds: u64) -> Finding {
        let [before, now] = [dev(0, 0, 10), dev(9000, 25, 10)]
            .map(|text| interfaces(&text).into_iter().filter(|one| one.name != LOOPBACK).collect::<Vec<_>>());
        judge(&before, &now, Duration::from_secs(seconds), ABOUT.thresholds)
    }

    #[test]
    fn the_worst_interface_decides_by_what_it_lost_since() {
        let found = rates(1);
        assert_eq!((found.status, found.value), (CheckStatus::Critical, Some(100.0)));
        assert_eq!(rates(10).status, CheckStatus::Warning);
        assert_eq!(rates(10).message, "`eth0` has 10 errors and dropped packets a second");
        assert_eq!(rates(100).status, CheckStatus::Ok);
        assert_eq!(found.metrics["interfaces"][0]["drops_per_second"], 50.0);
        assert_eq!(found.metrics["interfaces"][1]["errors_per_second"], 0.0);
    }

    #[test]
    fn only_loopback_is_skipped_and_wanted_interfaces_are_looked_at() {
        let fake = Fake::new(&[(INTERFACES, &dev(0, 0, 0))]);
        let look =
            |options: &str| super::look(Settings::parse(Checker::Network, options).unwrap(), fake.root())();
        assert_eq!(look("").message, "no errors on 2 interfaces");
        assert_eq!(look("interface=eth0").message, "no errors on 1 interface");
        assert_eq!(look("interface=eth7").status, CheckStatus::Skipped);
    }

    #[test]
    fn a_host_that_takes_no_connection_is_critical() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let fake = Fake::new(&[(INTERFACES, &dev(0, 0, 0))]);
        let options = format!("host={},host={closed}", open.local_addr().unwrap());
        let found = look(Settings::parse(Checker::Network, &options).unwrap(), fake.root())();
        assert_eq!(found.status, CheckStatus::Critical);
        assert_eq!(found.message, format!("not reached: `{closed}`; no errors on 2 interfaces"));
    }

    #[test]
    fn the_gateway_is_found_and_is_there_when_it_answered() {
        let gateway = Ipv4Addr::new(10, 0, 0, 1);
        let word = u32::from_ne_bytes(gateway.octets());
        let routes = format!(
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
             eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
             eth0\t00000000\t{word:08X}\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        );
        assert_eq!(default_gateway(&routes), Some(gateway));
        let arp = |flags: &str| {
            format!(
                "IP address HW type Flags HW address Mask Device\n10.0.0.1 0x1 {flags} 00:00:00:00:00:00 * eth0\n"
            )
        };
        assert!(is_neighbour(&arp("0x2"), gateway) && is_neighbour(&arp("0x6"), gateway));
        assert!(
            !is_neighbour(&arp("0x0"), gateway) && !is_neighbour(&arp("0x2"), Ipv4Addr::new(10, 0, 0, 2))
        );

        let fake = Fake::new(&[(INTERFACES, &dev(0, 0, 0))]);
        let found = look(Settings::parse(Checker::Network, "gateway=1").unwrap(), fake.root())();
        assert_eq!(found.status, CheckStatus::Critical);
        assert!(
            found.message.starts_with("not reached: a default route (there is none)"),
            "{}",
            found.message
        );
    }
}
