//! From areas and evidence to what a person can do.

use plugin_sdk::intelligence::{Priority, Recommendation};
use serde_json::{Map, Value, json};

use crate::area::Area;
use crate::incident::Subject;

/// At most so many recommendations: somebody has to read them.
const MAX_FINDINGS: usize = 4;

/// Something that was found, in a sentence.
pub(crate) struct Evidence {
    pub(crate) area: Area,
    pub(crate) is_urgent: bool,
    pub(crate) text: String,
    /// Figures behind it, by name; only what was measured on this machine has some.
    pub(crate) figures: Option<Value>,
}

impl Evidence {
    /// Adds figures under a name.
    pub(crate) fn add(&mut self, name: &str, figures: Value) {
        if let Value::Object(known) = self.figures.get_or_insert_with(|| Value::Object(Map::new())) {
            known.insert(name.to_owned(), figures);
        }
    }
}

/// One area with all that speaks for it.
pub(crate) struct Finding {
    pub(crate) area: Area,
    /// Whether the incident itself names the area.
    is_named: bool,
    is_urgent: bool,
    pub(crate) evidence: Vec<String>,
    /// The figures behind it; lists of the same name are one.
    figures: Map<String, Value>,
}

/// The areas to speak of: those with urgent evidence that the incident names first, then the others
/// that it names, then those with evidence alone. None at all: [`Area::General`].
pub(crate) fn findings(named: &[Area], evidence: &[Evidence], subject: &Subject) -> Vec<Finding> {
    let mut areas = named.to_vec();
    for piece in evidence {
        if !areas.contains(&piece.area) {
            areas.push(piece.area);
        }
    }
    let mut findings: Vec<Finding> = areas
        .into_iter()
        .map(|area| {
            let of_area = || evidence.iter().filter(|piece| piece.area == area);
            Finding {
                area,
                is_named: named.contains(&area),
                is_urgent: of_area().any(|piece| piece.is_urgent),
                evidence: of_area().map(|piece| piece.text.clone()).collect(),
                figures: together(of_area().filter_map(|piece| piece.figures.as_ref())),
            }
        })
        .collect();
    // Stable: areas of one rank stay in the order of the words that name them.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.rank()));
    findings.truncate(MAX_FINDINGS);
    if findings.is_empty() {
        let is_urgent = subject.is_critical;
        findings.push(Finding {
            area: Area::General,
            is_named: true,
            is_urgent,
            evidence: Vec::new(),
            figures: Map::new(),
        });
    }
    findings
}

fn together<'a>(all: impl Iterator<Item = &'a Value>) -> Map<String, Value> {
    let mut known: Map<String, Value> = Map::new();
    for (name, value) in all.filter_map(Value::as_object).flatten() {
        match (known.get_mut(name), value) {
            (Some(Value::Array(items)), Value::Array(more)) => items.extend(more.iter().cloned()),
            _ => drop(known.insert(name.clone(), value.clone())),
        }
    }
    known
}

impl Finding {
    fn rank(&self) -> u8 {
        2 * u8::from(self.is_named) + u8::from(self.is_urgent)
    }

    /// How soon to act: with evidence and a name for it at once, with one of them soon.
    fn priority(&self, subject: &Subject) -> Priority {
        match (self.is_urgent, self.is_named, self.evidence.is_empty()) {
            (true, true, _) => Priority::Critical,
            (true, false, _) => Priority::High,
            (false, true, _) if subject.is_critical => Priority::High,
            (false, true, _) | (false, false, false) => Priority::Medium,
            (false, false, true) => Priority::Low,
        }
    }

    pub(crate) fn recommendation(&self, subject: &Subject) -> Recommendation {
        let (title, description, actions) = self.area.advice();
        let mut description = description.to_owned();
        for sentence in &self.evidence {
            description.push(' ');
            description.push_str(sentence);
        }
        let host = subject.host();
        let place = host.unwrap_or("the machine concerned");
        let mut details = self.figures.clone();
        details.insert("evidence".to_owned(), json!(self.evidence));
        let fill = |action: &&str| action.replace("{place}", place).replace("{host}", host.unwrap_or("HOST"));
        Recommendation {
            kind: self.area.kind().to_owned(),
            priority: self.priority(subject),
            title: title.to_owned(),
            description,
            actions: actions.iter().map(fill).collect(),
            details: Value::Object(details).to_string(),
        }
    }
}

impl Area {
    /// Title, description and steps. `{place}` is where the incident happens, `{host}` the same inside
    /// a command.
    pub(crate) fn advice(self) -> (&'static str, &'static str, &'static [&'static str]) {
        match self {
            Self::Disk => (
                "Make room on the disk",
                "A full disk stops databases and loses logs; make room first, look for the reason after.",
                &[
                    "On {place}, see what is full: `df -h` for space, `df -i` for inodes",
                    "Find the largest folders there: `du -xh --max-depth=2 / | sort -h | tail -20`",
                    "Cut the journal: `journalctl --vacuum-size=500M`; clear package and image caches",
                    "Look for deleted files that are still open: `lsof +L1`, and restart who holds them",
                    "When there is room again, see which folder grows and set up rotation or a larger disk",
                ],
            ),
            Self::Memory => (
                "Find out what uses the memory",
                "When memory runs out, the kernel ends processes, often the largest and most needed.",
                &[
                    "On {place}, see who uses most: `ps aux --sort=-rss | head -15`",
                    "See whether the kernel ended something: `journalctl -k | grep -i 'out of memory'`",
                    "Restart the service that grew, if it can be restarted safely",
                    "If it grows again, give it a memory limit and look for a leak in its latest release",
                ],
            ),
            Self::Cpu => (
                "Find out what keeps the processors busy",
                "Busy processors slow everything down but break little: look before restarting anything.",
                &[
                    "On {place}, see who is busy: `top -o %CPU`, and how long it has been: `uptime`",
                    "See whether a job, backup or deployment began at that time",
                    "High load with idle processors means waiting for disks: `vmstat 1 5`, column `wa`",
                    "Stop or slow down what is not needed now: `renice` or `systemctl stop`",
                ],
            ),
            Self::Certificate => (
                "Renew the certificate",
                "Clients refuse an expired certificate at once and all at the same time.",
                &[
                    "See what is served: `echo | openssl s_client -connect {host}:443 | openssl x509 -noout -dates`",
                    "Renew it: `certbot renew` or as your authority has it, and see why the timer did not",
                    "Reload the server; a renewed file that was not loaded changes nothing",
                ],
            ),
            Self::Network => (
                "Find out how far the connection gets",
                "Find the first hop that fails: name, route, port, then the service itself.",
                &[
                    "From another machine: `ping {host}` and `curl -v` to the service's port",
                    "Check the name: `dig {host}`; check the route: `mtr -rw {host}`",
                    "On {place}, see whether it listens: `ss -ltnp`, and whether links drop packets: `ip -s link`",
                    "Ask what changed: firewall rules, load balancer, provider's status page",
                ],
            ),
            Self::Process => (
                "See why the service does not run",
                "The last lines that it logged usually say why.",
                &[
                    "On {place}, list what failed: `systemctl --failed`",
                    "Read the end of its log: `journalctl -u NAME -n 100 --no-pager`",
                    "Restart it once; if it stops again, do not go on restarting",
                    "If it began with a release or a change of settings, go back to the one before",
                ],
            ),
            Self::General => (
                "Look at the alert where it comes from",
                "The local rules know nothing about this kind of alert.",
                &[
                    "Open the alert's links: runbook and dashboard first",
                    "See whether it is one machine or many, and when it began",
                    "Ask what changed shortly before: release, settings, traffic",
                    "If nobody can use something important, call for help now and look for the cause after",
                ],
            ),
        }
    }
}
