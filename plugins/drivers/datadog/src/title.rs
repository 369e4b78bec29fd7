//! Titles as Datadog decorates them: `[P2] [Triggered on {host:web-1}] CPU high`.

use plugin_sdk::text::first;

use crate::words::{TRANSITIONS, is_one_of, is_priority};

/// A title in its parts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Title<'a> {
    /// The title that the monitor's owner wrote.
    pub(crate) name: &'a str,
    /// `Triggered` and the like.
    pub(crate) transition: &'a str,
    /// `P1` to `P5`.
    pub(crate) priority: &'a str,
    /// The group's tags, with commas between them.
    pub(crate) group: &'a str,
    /// Whether somebody pressed the test button.
    pub(crate) is_test: bool,
}

impl<'a> Title<'a> {
    /// Takes Datadog's decorations from the front. Other words in brackets belong to the name.
    pub(crate) fn read(text: &'a str) -> Self {
        let whole = text.trim();
        let mut title = Self { name: whole, ..Self::default() };
        while let Some((inside, rest)) = bracket(title.name) {
            if !title.take(inside) {
                break;
            }
            title.name = rest.trim_start();
        }
        if title.name.is_empty() {
            title.name = whole;
        }
        title
    }

    /// With the decorations of another title where this one has none.
    pub(crate) fn or(self, other: &Self) -> Self {
        Self {
            name: self.name,
            transition: first(&[self.transition, other.transition]),
            priority: first(&[self.priority, other.priority]),
            group: first(&[self.group, other.group]),
            is_test: self.is_test || other.is_test,
        }
    }

    /// Notes what a decoration says; false where it is none.
    fn take(&mut self, inside: &'a str) -> bool {
        let (word, group) = inside.split_once(" on {").unwrap_or((inside, ""));
        if is_one_of(TRANSITIONS, word) {
            self.transition = word;
            self.group = group.strip_suffix('}').unwrap_or(group);
        } else if is_priority(inside) {
            self.priority = inside;
        } else if inside.eq_ignore_ascii_case("test") {
            self.is_test = true;
        } else {
            return false;
        }
        true
    }
}

/// What stands in brackets at the beginning, and what follows.
fn bracket(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('[')?;
    let mut end = text.find(']')?;
    // The tags of a group may hold brackets themselves.
    if text.get(..end)?.contains(" on {") {
        end = text.find("}]")? + 1;
    }
    Some((text.get(..end)?, text.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decorations_are_taken_and_the_owners_words_stay() {
        let all = Title::read("[TEST] [P2] [Re-Triggered on {host:web-1,env:prod}] [shop] CPU high ");
        assert_eq!(
            all,
            Title {
                name: "[shop] CPU high",
                transition: "Re-Triggered",
                priority: "P2",
                group: "host:web-1,env:prod",
                is_test: true
            }
        );
        let plain = Title::read("[No data] Backup");
        assert_eq!((plain.name, plain.transition, plain.group), ("Backup", "No data", ""));
    }

    #[test]
    fn what_only_looks_like_a_decoration_stays() {
        for text in ["CPU [Triggered] high", "[prod] CPU", "[Triggered CPU", "[]", "", "[Triggered on {a]"] {
            assert_eq!(Title::read(text).name, text, "{text}");
            assert_eq!(Title::read(text).transition, "", "{text}");
        }
    }

    #[test]
    fn a_bare_title_takes_the_decorations_of_another() {
        let title = Title::read("CPU").or(&Title::read("[TEST] [P1] [Warn on {host:a}] Other"));
        assert_eq!(
            title,
            Title { name: "CPU", transition: "Warn", priority: "P1", group: "host:a", is_test: true }
        );
        let own = Title::read("[P2] [Recovered] CPU");
        assert_eq!(Title::read("[P2] [Recovered] CPU").or(&Title::read("[P1] [Warn] CPU")), own);
    }

    #[test]
    fn a_group_with_brackets_is_read_to_its_end() {
        let title = Title::read("[Warn on {path:/a[0],host:é}] Slow");
        assert_eq!((title.name, title.group), ("Slow", "path:/a[0],host:é"));
    }

    #[test]
    fn a_title_of_nothing_but_decorations_is_its_own_name() {
        let title = Title::read("[P1] [Triggered]");
        assert_eq!((title.name, title.priority, title.transition), ("[P1] [Triggered]", "P1", "Triggered"));
    }
}
