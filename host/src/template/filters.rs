//! What templates can do with values besides what the engine brings.

use std::time::Duration;

use domain::time::Timestamp;
use minijinja::{Environment, Error, ErrorKind, State};

/// Filters and tests of our own.
pub(super) fn add(environment: &mut Environment<'static>) {
    environment.add_filter("time", time);
    environment.add_filter("clock", clock);
    environment.add_filter("ago", ago);
    environment.add_filter("lasted", lasted);
    environment.add_filter("line", line_of);
    environment.add_filter("truncate", truncate);
    environment.add_filter("slack", slack);
    environment.add_filter("color", color);
    environment.add_filter("emoji", emoji);
    environment.add_test("web", is_web);
}

/// `2026-11-23 14:02:11 UTC`.
fn time(value: &str) -> Result<String, Error> {
    let text = timestamp(value)?.to_string();
    Ok(format!("{} {} UTC", part(&text, 0, 10), part(&text, 11, 19)))
}

/// `14:02 UTC`.
fn clock(value: &str) -> Result<String, Error> {
    Ok(format!("{} UTC", part(&timestamp(value)?.to_string(), 11, 16)))
}

/// `4 min ago`, seen from when the notification was written: the same at every attempt.
fn ago(state: &State<'_, '_>, value: &str) -> Result<String, Error> {
    let from = timestamp(value)?;
    let span = told_at(state).unwrap_or(from).since(from);
    Ok(if span < Duration::from_secs(1) { "just now".to_owned() } else { format!("{} ago", span_of(span)) })
}

/// `12 min`, until another time or until the notification was written.
fn lasted(state: &State<'_, '_>, value: &str, end: Option<&str>) -> Result<String, Error> {
    let from = timestamp(value)?;
    let end = match end {
        Some(end) => timestamp(end)?,
        None => told_at(state).unwrap_or(from),
    };
    Ok(span_of(end.since(from)))
}

/// None for what somebody wrote by hand.
fn told_at(state: &State<'_, '_>) -> Option<Timestamp> {
    state.lookup("incident")?.get_attr("told_at").ok()?.as_str()?.parse().ok()
}

fn timestamp(text: &str) -> Result<Timestamp, Error> {
    text.parse().map_err(|_| {
        Error::new(
            ErrorKind::InvalidOperation,
            "not a time of the form `2026-11-23T14:02:11Z`, as `incident.opened_at` is one",
        )
    })
}

/// The two largest units: `2 d 4 h`, `3 h 5 min`, `12 min`, `45 s`.
fn span_of(span: Duration) -> String {
    let seconds = span.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |first: u64, unit: &str, second: u64, smaller: &str| match second {
        0 => format!("{first} {unit}"),
        _ => format!("{first} {unit} {second} {smaller}"),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => two(hours, "h", minutes % 60, "min"),
        _ => two(days, "d", hours % 24, "h"),
    }
}

/// RFC 3339 is ASCII; a part beyond its end is empty.
fn part(text: &str, from: usize, to: usize) -> &str {
    text.get(from..to).unwrap_or_default()
}

fn line_of(value: &str) -> String {
    line(value)
}

/// One line: a name cannot begin a line of its own.
pub(super) fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most so many characters, with `…` in place of what is cut.
fn truncate(value: &str, most: Option<usize>) -> String {
    cut(value, most.unwrap_or(255))
}

/// [`truncate`] for the rest of the module.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let mut cut: String = text.chars().take(most.saturating_sub(1)).collect();
            cut.push('…');
            cut
        }
    }
}

/// Text in Slack's mrkdwn: its three control characters mean themselves.
fn slack(value: &str) -> String {
    value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A colour for a severity or a state; white can be read on each, at 5 to 1 or better.
fn color(word: &str) -> &'static str {
    match word {
        "critical" => "#b42318",
        "warning" => "#a04a00",
        "info" => "#175cd3",
        "acknowledged" => "#5925dc",
        "resolved" => "#05674a",
        _ => "#475467",
    }
}

/// A sign for a severity or a state.
fn emoji(word: &str) -> &'static str {
    match word {
        "critical" => "🔴",
        "warning" => "🟠",
        "info" => "🔵",
        "acknowledged" => "👀",
        "resolved" => "✅",
        _ => "⚪",
    }
}

/// Whether it is an address that may become a link: no script, no file.
fn is_web(value: &str) -> bool {
    let scheme = |scheme: &str| part(value, 0, scheme.len()).eq_ignore_ascii_case(scheme);
    (scheme("https://") || scheme("http://")) && !value.chars().any(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str) -> Result<String, String> {
        let mut environment = Environment::new();
        add(&mut environment);
        let context =
            minijinja::context! { incident => minijinja::context! { told_at => "2026-11-23T14:02:11.5Z" } };
        environment.render_str(template, context).map_err(|error| error.to_string())
    }

    #[test]
    fn times_are_utc_and_spans_are_seen_from_when_it_was_written() {
        let good = |expression: &str| render(&format!("{{{{ {expression} }}}}")).unwrap();
        assert_eq!(good("'2026-11-23T15:02:11+01:00'|time"), "2026-11-23 14:02:11 UTC");
        assert_eq!(good("'2026-11-23T14:02:11Z'|clock"), "14:02 UTC");
        for (from, told) in [
            ("2026-11-23T14:02:11Z", "just now"),
            ("2027-11-23T14:02:11Z", "just now"),
            ("2026-11-23T14:01:30Z", "41 s ago"),
            ("2026-11-23T13:50:11Z", "12 min ago"),
            ("2026-11-23T11:02:00Z", "3 h ago"),
            ("2026-11-23T10:57:11Z", "3 h 5 min ago"),
            ("2026-11-21T09:57:11Z", "2 d 4 h ago"),
        ] {
            assert_eq!(good(&format!("'{from}'|ago")), told);
        }
        assert_eq!(good("'2026-11-23T13:50:11Z'|lasted"), "12 min");
        assert_eq!(good("'2026-11-23T13:50:11Z'|lasted('2026-11-23T13:51:00Z')"), "49 s");
        assert!(render("{{ 'yesterday'|time }}").unwrap_err().contains("not a time of the form"));
    }

    #[test]
    fn texts_are_cut_by_characters_and_lines_are_one() {
        assert_eq!(render("{{ 'äöü'|truncate(2) }}{{ 'äöü'|truncate(3) }}").unwrap(), "ä…äöü");
        assert_eq!(render("{{ ' a\n\n b\tc '|line }}").unwrap(), "a b c");
        assert_eq!(
            render("{{ '<!channel> & <http://x|y>'|slack }}").unwrap(),
            "&lt;!channel&gt; &amp; &lt;http://x|y&gt;"
        );
    }

    #[test]
    fn only_web_addresses_become_links() {
        for (url, is) in [
            ("https://a.example/x?y=1", true),
            ("HTTP://a.example", true),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("https:/a", false),
            ("httpsé//", false),
            ("https://a b", false),
        ] {
            assert_eq!(is_web(url), is, "{url}");
        }
    }
}
