//! Characters that would disturb who reads a text: a log, a terminal, a page.

/// Whether it turns the reading direction of what follows, so that a name reads as another.
pub const fn turns_text(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether it has power over what shows it: a control character, or one that turns the reading direction.
pub fn disturbs(c: char) -> bool {
    c.is_control() || turns_text(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_does_not_disturb() {
        assert!("Émile → ∑ “x” שלום ディスク 🔥 e\u{301}".chars().all(|c| !disturbs(c)));
        assert!("\0\t\n\r\x1b\x7f\u{85}\u{9b}\u{202e}\u{2066}".chars().all(disturbs));
    }
}
