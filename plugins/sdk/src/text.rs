//! Text within bounds.

use std::borrow::Cow;

/// The longest beginning of `text` of at most `max_bytes` that ends between two characters.
pub fn cut(text: &str, max_bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(max_bytes)).unwrap_or_default()
}

/// `text` of at most `max_bytes`; what is longer ends in `…`.
pub fn clip(text: &str, max_bytes: usize) -> Cow<'_, str> {
    const ELLIPSIS: &str = "…";
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    let mut clipped = cut(text, max_bytes.saturating_sub(ELLIPSIS.len())).to_owned();
    clipped.push_str(ELLIPSIS);
    Cow::Owned(clipped)
}

/// Characters that turn the reading direction of what follows. The host refuses them in names.
const fn turns_text(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `text` on one line: control characters become spaces, those that turn the reading direction go,
/// the ends are trimmed. What comes back is a name that the host takes, or empty.
pub fn one_line(text: &str) -> Cow<'_, str> {
    // Nearly every text is of printable ASCII characters, and then there is nothing to do.
    let is_plain = |byte: &u8| byte.is_ascii_graphic();
    if text.bytes().all(|byte| byte == b' ' || is_plain(&byte))
        && text.as_bytes().first().is_none_or(is_plain)
        && text.as_bytes().last().is_none_or(is_plain)
    {
        return Cow::Borrowed(text);
    }
    let text = text.trim();
    if !text.contains(|character: char| character.is_control() || turns_text(character)) {
        return Cow::Borrowed(text);
    }
    let kept = text.chars().filter(|character| !turns_text(*character));
    let line: String = kept.map(|character| if character.is_control() { ' ' } else { character }).collect();
    Cow::Owned(line.trim().to_owned())
}

/// Most bytes of a sender's word in a message.
const MAX_QUOTED_BYTES: usize = 64;

/// A word of the sender as it may stand in a message: its beginning, on one line.
pub fn quotable(word: &str) -> Cow<'_, str> {
    one_line(cut(word, MAX_QUOTED_BYTES))
}

/// The first of `candidates` that is not empty, or the empty string.
pub fn first<'a>(candidates: &[&'a str]) -> &'a str {
    candidates.iter().copied().find(|candidate| !candidate.is_empty()).unwrap_or_default()
}

/// Host and port of an address, in lower case; empty where it has none.
///
/// It tells apart the servers of one product, which all count from 1. Who logs in (`user:word@`) is no
/// part of it.
pub fn authority(url: &str) -> String {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_word_is_short_and_on_one_line() {
        assert_eq!(quotable("page\nall"), "page all");
        assert_eq!(quotable(&"é".repeat(100)).len(), MAX_QUOTED_BYTES);
    }

    #[test]
    fn an_address_is_known_by_its_host_and_port_alone() {
        for (url, expected) in [
            ("https://Zbx.example.net:8443/a?b", "zbx.example.net:8443"),
            ("https://user:word@example.net#top", "example.net"),
            ("http://[2001:DB8::1]:3000", "[2001:db8::1]:3000"),
            ("example.net/a", ""),
            ("{$ZABBIX.URL}", ""),
            ("", ""),
        ] {
            assert_eq!(authority(url), expected, "{url}");
        }
    }

    #[test]
    fn a_cut_never_splits_a_character() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
        assert_eq!(cut("é", 0), "");
    }

    #[test]
    fn a_clipped_text_keeps_to_its_bound_and_says_that_it_was_cut() {
        assert_eq!(clip("abcdef", 6), "abcdef");
        assert_eq!(clip("abcdefg", 6), "abc…");
        assert_eq!(clip("ééé", 5), "é…");
    }

    #[test]
    fn control_characters_do_not_reach_a_single_line() {
        assert_eq!(one_line(" disk\nfull\u{85}now \t"), "disk full now");
        assert_eq!(one_line("plain"), "plain");
        assert_eq!(one_line("\u{1}"), "");
    }

    #[test]
    fn characters_that_turn_the_reading_direction_do_not_reach_a_single_line() {
        assert_eq!(one_line("\u{2067}שלום\u{2069} db-1"), "שלום db-1");
        for code in (0x202a..=0x202e).chain(0x2066..=0x2069) {
            let turner = char::from_u32(code).unwrap();
            assert_eq!(one_line(&format!("a{turner}b")), "ab", "{code:x}");
        }
        assert_eq!(one_line("“é” → ∑"), "“é” → ∑");
    }
}
