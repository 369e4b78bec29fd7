//! Which ports this machine listens on, and whether it should.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::about::{About, Choice, Kind, Thresholds};
use super::root::Root;
use super::{CheckStatus, Finding, Look, Settings, count, plural, some};

/// What the kernel calls a listening socket, and an unconnected one.
const LISTEN: &str = "0A";
const UNCONNECTED: &str = "07";
/// From here on ports of UDP are what programs get for asking a question, where the kernel does not say.
const EPHEMERAL_FROM: u16 = 32_768;
const EPHEMERAL: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// The most ports kept in the figures.
const MAX_METRICS: usize = 512;
/// The most ports named in a message.
const MAX_NAMED: usize = 10;

/// One port too many is worth a look; ten are another machine.
pub(super) const ABOUT: About = About {
    meaning: "Ports that are listened on and not expected. A required one that nobody listens on is critical. \
              Another set of them tells people again, also at the same severity.",
    unit: "ports",
    source: "`/proc/net/tcp`, `tcp6`, `udp`, `udp6`, of the network the hub is in",
    thresholds: Thresholds { warning: 1.0, critical: 10.0 },
    options: &[
        Choice {
            name: "expect",
            kind: Kind::Ports,
            default: "",
            meaning: "A port that may be listened on, as `22` or `53/udp`. Without any all may.",
        },
        Choice {
            name: "require",
            kind: Kind::Ports,
            default: "",
            meaning: "A port that must be listened on; it is expected too.",
        },
        Choice {
            name: "loopback",
            kind: Kind::Flag,
            default: "0",
            meaning: "Whether ports count that only this machine can reach.",
        },
    ],
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Protocol {
    Tcp,
    Udp,
}

/// A port, ordered by number.
type Port = (u16, Protocol);

fn shown((port, protocol): &Port) -> String {
    let protocol = match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    format!("{port}/{protocol}")
}

/// Reads `22` or `53/udp`.
fn port(text: &str) -> Option<Port> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    Some((port.parse().ok()?, if protocol == "udp" { Protocol::Udp } else { Protocol::Tcp }))
}

pub(super) fn look(settings: Settings, root: Root) -> Look {
    Box::new(move || match listening(&root, settings.flag("loopback")) {
        Some(found) => judge(&found, &settings),
        None => Finding::skipped("this machine does not say which ports are listened on"),
    })
}

/// What is listened on; none where the kernel does not tell.
fn listening(root: &Root, with_loopback: bool) -> Option<BTreeSet<Port>> {
    let range = root.read(EPHEMERAL);
    let first = range.as_deref().and_then(|text| text.split_whitespace().next()?.parse().ok());
    let ephemeral_from: u16 = first.unwrap_or(EPHEMERAL_FROM);
    let tables =
        [("tcp", Protocol::Tcp), ("tcp6", Protocol::Tcp), ("udp", Protocol::Udp), ("udp6", Protocol::Udp)];
    let mut found: Option<BTreeSet<Port>> = None;
    for (file, protocol) in tables {
        let Some(text) = root.read(&format!("/proc/net/{file}")) else { continue };
        let state = if protocol == Protocol::Tcp { LISTEN } else { UNCONNECTED };
        let sockets = sockets(&text, state).into_iter().filter(|(address, port)| {
            let reachable = with_loopback || !is_loopback(*address);
            reachable && (protocol == Protocol::Tcp || *port < ephemeral_from)
        });
        found.get_or_insert_default().extend(sockets.map(|(_, port)| (port, protocol)));
    }
    found
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The local addresses of sockets in this state: the second and fourth word of a line.
fn sockets(text: &str, state: &str) -> Vec<(IpAddr, u16)> {
    let socket = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (address, port) = words.next()?.split_once(':')?;
        let is_wanted = words.nth(1)? == state;
        let port = u16::from_str_radix(port, 16).ok().filter(|port| *port > 0)?;
        Some((self::address(address)?, port)).filter(|_| is_wanted)
    };
    text.lines().skip(1).filter_map(socket).collect()
}

/// Reads `0100007F`: words of 32 bits, each as the machine has numbers.
fn address(text: &str) -> Option<IpAddr> {
    let word =
        |at: usize| u32::from_str_radix(text.get(at..at.saturating_add(8))?, 16).ok().map(u32::to_ne_bytes);
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let bytes = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into())
        }
        _ => None,
    }
}

fn judge(found: &BTreeSet<Port>, settings: &Settings) -> Finding {
    let ports =
        |name: &str| settings.list(name).iter().filter_map(|text| port(text)).collect::<BTreeSet<_>>();
    let (expected, required) = (ports("expect"), ports("require"));
    let is_unexpected =
        |port: &&Port| !expected.is_empty() && !expected.contains(port) && !required.contains(port);
    let unexpected: Vec<String> = found.iter().filter(is_unexpected).map(shown).collect();
    let missing: Vec<String> = required.difference(found).map(shown).collect();
    let mut said = Vec::new();
    if !missing.is_empty() {
        said.push(format!("nobody listens on {}", some(&missing, MAX_NAMED)));
    }
    if !unexpected.is_empty() {
        said.push(format!("not expected to be listened on: {}", some(&unexpected, MAX_NAMED)));
    }
    if said.is_empty() {
        let all: Vec<String> = found.iter().map(shown).collect();
        said.push(match all.as_slice() {
            [] => "no port is listened on".to_owned(),
            all => format!("{} listened on: {}", plural(all.len(), "port"), some(all, MAX_NAMED)),
        });
    }
    let status = if missing.is_empty() { CheckStatus::Ok } else { CheckStatus::Critical };
    let kept = |ports: &[String]| ports.iter().take(MAX_METRICS).cloned().collect::<Vec<_>>();
    Finding::judged(count(unexpected.len()), settings.thresholds, said.join("; "))
        .at_least(status)
        .with("listening_count", found.len())
        .with("listening_ports", kept(&found.iter().map(shown).collect::<Vec<_>>()))
        .with("unexpected_ports", kept(&unexpected))
        .with("missing_ports", kept(&missing))
}

#[cfg(test)]
mod tests {
    use super::super::Checker;
    use super::super::root::fake::Fake;
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n";

    fn table(rows: &[&str]) -> String {
        let row =
            |(at, row): (usize, &&str)| format!("   {at}: {row} 00000000:00000000 00:00000000 00000000 0\n");
        rows.iter().enumerate().map(row).fold(HEAD.to_owned(), |text, row| text + &row)
    }

    /// 22 everywhere, 5432 on loopback, a connection from 22, 8080 by IPv6, 53 by UDP, a question by UDP.
    fn machine() -> Fake {
        let little = cfg!(target_endian = "little");
        let loopback = if little { "0100007F" } else { "7F000001" };
        let mapped =
            if little { "0000000000000000FFFF00000100007F" } else { "00000000000000000000FFFF7F000001" };
        let any6 = "0".repeat(32);
        Fake::new(&[
            (
                "/proc/net/tcp",
                &table(&[
                    "00000000:0016 00000000:0000 0A",
                    &format!("{loopback}:1538 00000000:0000 0A"),
                    &format!("{loopback}:0050 {loopback}:A000 01"),
                ]),
            ),
            (
                "/proc/net/tcp6",
                &table(&[
                    &format!("{any6}:1F90 {any6}:0000 0A"),
                    &format!("{any6}:0016 {any6}:0000 0A"),
                    &format!("{mapped}:0C38 {any6}:0000 0A"),
                ]),
            ),
            ("/proc/net/udp", &table(&["00000000:0035 00000000:0000 07", "00000000:9C40 00000000:0000 07"])),
        ])
    }

    fn found(options: &str) -> Finding {
        look(Settings::parse(Checker::ListeningPorts, options).unwrap(), machine().root())()
    }

    #[test]
    fn what_is_listened_on_is_told_each_port_once() {
        let well = found("");
        assert_eq!((well.status, well.value), (CheckStatus::Ok, Some(0.0)));
        assert_eq!(well.message, "3 ports listened on: 22/tcp, 53/udp, 8080/tcp");
        let all = found("loopback=1");
        assert_eq!(all.message, "5 ports listened on: 22/tcp, 53/udp, 3128/tcp, 5432/tcp, 8080/tcp");
    }

    #[test]
    fn what_is_not_expected_is_a_warning_and_what_is_missing_critical() {
        let more = found("expect=22,expect=53/udp");
        assert_eq!((more.status, more.value), (CheckStatus::Warning, Some(1.0)));
        assert_eq!(more.message, "not expected to be listened on: 8080/tcp");
        assert_eq!(more.metrics["unexpected_ports"], serde_json::json!(["8080/tcp"]));
        let less = found("require=443,require=22");
        assert_eq!(
            (less.status, less.message.as_str()),
            (CheckStatus::Critical, "nobody listens on 443/tcp")
        );
        let both = found("expect=22,require=53,warning=1,critical=2");
        assert_eq!((both.status, both.value), (CheckStatus::Critical, Some(2.0)));
        assert_eq!(found("expect=22,expect=8080,require=53/udp").status, CheckStatus::Ok);
    }

    #[test]
    fn answers_to_questions_by_udp_are_no_listening() {
        let machine = machine();
        machine.write(EPHEMERAL, "50000\t60999\n");
        let settings = Settings::defaults(Checker::ListeningPorts);
        assert!(look(settings.clone(), machine.root())().message.contains("40000/udp"));
        assert_eq!(look(settings, Fake::new(&[]).root())().status, CheckStatus::Skipped);
    }
}
