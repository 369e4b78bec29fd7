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

/// `text` on one line: control characters become spaces, the ends are trimmed.
pub fn one_line(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.bytes().all(|byte| !byte.is_ascii_control()) && !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect())
}

/// The first of `candidates` that is not empty, or the empty string.
pub fn first<'a>(candidates: &[&'a str]) -> &'a str {
    candidates.iter().copied().find(|candidate| !candidate.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
