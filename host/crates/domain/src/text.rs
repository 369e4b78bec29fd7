//! Characters that would disturb who reads a text: a log, a terminal, a page.

/// Whether it turns the reading direction of what follows, so that a name reads as another.
pub const fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether it has power over what shows it: a control character, or one that turns the reading direction.
pub fn disturbs(c: char) -> bool {
    c.is_control() || turns_text(c)
}

/// What stands in for a character that cannot be kept.
const REPLACEMENT: &str = "\u{fffd}";

/// The text with U+FFFD for every U+0000: not every database can keep that, and all are to keep the same.
pub fn without_nul(text: String) -> String {
    if text.contains('\0') { text.replace('\0', REPLACEMENT) } else { text }
}

/// The same for JSON that a program has written, which spells it as an escape.
pub fn json_without_nul(json: String) -> String {
    const ESCAPED: &str = "\\u0000";
    if !json.contains(ESCAPED) {
        return json;
    }
    let mut kept = String::with_capacity(json.len());
    let mut rest = json.as_str();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        kept.push_str(before);
        rest = if let Some(after) = escape.strip_prefix(ESCAPED) {
            kept.push_str(REPLACEMENT);
            after
        } else {
            // A backslash and what it escapes: perhaps another one, which then escapes nothing.
            let (pair, after) = escape.split_at_checked(2).unwrap_or((escape, ""));
            kept.push_str(pair);
            after
        };
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_replaced_and_nothing_else() {
        assert_eq!(without_nul("a\0b\0".to_owned()), "a\u{fffd}b\u{fffd}");
        for text in ["", "a", "\0", "a\0b", "\\u0000", "\\\0", "\\\\u0000\0", "\"\0\"", "\u{1}\n\0\u{fffd}é"]
        {
            let json = json_without_nul(serde_json::to_string(text).unwrap());
            let read: String = serde_json::from_str(&json).unwrap();
            assert_eq!(read, without_nul(text.to_owned()), "{json}");
            assert!(!read.contains('\0'), "{json}");
        }
    }

    #[test]
    fn what_can_be_read_does_not_disturb() {
        assert!("Émile → ∑ “x” שלום ディスク 🔥 e\u{301}".chars().all(|c| !disturbs(c)));
        assert!("\0\t\n\r\x1b\x7f\u{85}\u{9b}\u{202e}\u{2066}".chars().all(disturbs));
    }
}
