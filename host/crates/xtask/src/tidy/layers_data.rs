//! Who may import whom inside package `host`: the list, and nothing else.
//!
//! Arrows point one way, so that a part can be read, tested and changed knowing only what is below it.
//! To allow one more, add it to its row and say why in the comment; to add a module, add a row.

/// One top-level module of `host` and what it may name.
pub(crate) struct Layer {
    pub(crate) module: &'static str,
    /// Modules of `host`, and the crates in [`CRATES`].
    pub(crate) may_name: &'static [&'static str],
}

/// Our crates whose use is restricted; `domain` is everybody's.
pub(crate) const CRATES: &[&str] = &["sandbox", "store"];

/// Modules that every other may name, but not one another: they know nothing but `domain`.
pub(crate) const SHARED: &[&str] = &["clock", "config", "counters", "crypto", "telemetry", "wake"];

pub(crate) const LAYERS: &[Layer] = &[
    // Parses the arguments and hands over.
    Layer { module: "main", may_name: &["app", "cli"] },
    // Commands are a second front door beside `http`, and `serve` starts the application. A provider that
    // is called by hand sees this machine as the pipeline shows it, by `checks`.
    Layer {
        module: "cli",
        may_name: &[
            "app",
            "auth",
            "checks",
            "deliver",
            "egress",
            "explain",
            "hosts",
            "ingest",
            "intelligence",
            "pipeline",
            "plugins",
            "rotation",
            "sandbox",
            "store",
            "template",
        ],
    },
    // Builds every long-lived part once, so it is the one place that knows them all.
    Layer {
        module: "app",
        may_name: &[
            "auth",
            "checks",
            "console",
            "deliver",
            "egress",
            "hosts",
            "http",
            "ingest",
            "intelligence",
            "jobs",
            "pipeline",
            "plugins",
            "rotation",
            "sandbox",
            "store",
            "template",
            "worker",
        ],
    },
    // Turns requests into calls; it asks the catalogue in `plugins` and never the sandbox itself.
    Layer {
        module: "http",
        may_name: &[
            "auth",
            "deliver",
            "explain",
            "hosts",
            "ingest",
            "intelligence",
            "pipeline",
            "plugins",
            "store",
            "template",
        ],
    },
    Layer {
        module: "console",
        may_name: &["auth", "deliver", "explain", "ingest", "intelligence", "pipeline", "plugins", "store"],
    },
    // Reads what the others wrote.
    Layer { module: "explain", may_name: &["store"] },
    // Timers call what they are for; checks of this machine are taken as webhooks are.
    Layer {
        module: "jobs",
        may_name: &["auth", "checks", "hosts", "ingest", "plugins", "rotation", "store"],
    },
    // What happens before a webhook is acknowledged. All who call plugins know their catalogue
    // (docs/decisions/0001).
    Layer { module: "ingest", may_name: &["plugins", "sandbox", "store"] },
    // Does not know HTTP: a stage reads and writes the store. What left with a question is a type of `egress`.
    Layer { module: "pipeline", may_name: &["checks", "egress", "intelligence", "store", "worker"] },
    // Asks providers, for a stage of the pipeline and for people.
    Layer { module: "intelligence", may_name: &["checks", "egress", "plugins", "sandbox", "store"] },
    Layer { module: "deliver", may_name: &["egress", "plugins", "sandbox", "store", "template", "worker"] },
    // Puts what is to be told into words; reads its files and nothing else.
    Layer { module: "template", may_name: &[] },
    // Claims and leases, for pipeline and deliver.
    Layer { module: "worker", may_name: &["store"] },
    // The catalogue loads components and hands them `egress` as a trait of the sandbox.
    Layer { module: "plugins", may_name: &["egress", "sandbox", "store"] },
    Layer { module: "auth", may_name: &["store"] },
    // Says to other processes that this one is there, and with which plugins.
    Layer { module: "hosts", may_name: &["plugins", "store"] },
    // Keeps the stored data keys and those in memory together.
    Layer { module: "rotation", may_name: &["store"] },
    Layer { module: "checks", may_name: &[] },
    Layer { module: "egress", may_name: &[] },
    Layer { module: "clock", may_name: &[] },
    // A secret key or the limit of a check is refused where every other bad setting is.
    Layer { module: "config", may_name: &["checks", "crypto"] },
    Layer { module: "counters", may_name: &[] },
    Layer { module: "crypto", may_name: &[] },
    Layer { module: "telemetry", may_name: &["config"] },
    Layer { module: "wake", may_name: &[] },
];
