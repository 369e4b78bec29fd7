//! Every checker, as the text of `docs/CHECKERS.md`.

use std::fmt::Write as _;

use super::Checker;

/// Every checker with its limits and options, as the text of `docs/CHECKERS.md`.
pub fn reference() -> String {
    let mut text = String::from(
        "# Checkers\n\n\
         What the hub can tell of the machine it runs on: in notifications, by `watchbell check-health`, and as\n\
         alerts of its own (`--record`, `WATCHBELL_CHECKS_EVERY_S`). A value at or above a limit is `warning` or\n\
         `critical`. Where the machine lacks what a checker reads, the answer is `skipped` with the reason; one that\n\
         does not answer in time is `unknown`. Neither makes or ends an alert.\n\n\
         `WATCHBELL_CHECKS` names the checkers that are used, `WATCHBELL_CHECK_<CHECKER>` sets limits and options of\n\
         one; a list is an option given several times:\n\n\
         ```\n\
         WATCHBELL_CHECK_DISK=warning=90,critical=97\n\
         WATCHBELL_CHECK_LISTENING_PORTS=expect=22,expect=53/udp,require=443\n\
         ```\n\n\
         Generated: `watchbell config checkers > docs/CHECKERS.md`.\n\n\
         | checker | value | unit | warning | critical | reads |\n|---|---|---|---|---|---|\n",
    );
    // Writing to a text cannot go wrong.
    for checker in Checker::ALL {
        let about = checker.about();
        let limits = about.thresholds;
        let _ = writeln!(
            text,
            "| `{checker}` | {} | {} | {} | {} | {} |",
            about.meaning, about.unit, limits.warning, limits.critical, about.source
        );
    }
    text.push_str("\n| checker | option | default | meaning |\n|---|---|---|---|\n");
    for checker in Checker::ALL {
        for option in checker.about().options {
            let default = match option.default {
                "" => "none".to_owned(),
                default => format!("`{default}`"),
            };
            let many = if option.kind.is_list() { " May be given several times." } else { "" };
            let _ =
                writeln!(text, "| `{checker}` | `{}` | {default} | {}{many} |", option.name, option.meaning);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_what_the_checkers_say() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/CHECKERS.md");
        let found = std::fs::read_to_string(file).unwrap_or_default();
        assert!(
            found == reference(),
            "docs/CHECKERS.md is out of date\nhint: `watchbell config checkers > docs/CHECKERS.md`"
        );
    }
}
