//! Text: lengths, and characters that would disturb a log, a page or a reader.

use domain::text::disturbs;

use crate::bound::{Breach, Reader};

/// What stands for a character that may not be there.
const REPLACED: char = '\u{fffd}';

/// Whether the text is of printable ASCII characters, as nearly every text is; then the search by
/// characters need not be made.
fn is_plain(text: &str) -> bool {
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~');
    // A whole chunk without an early end is one comparison of vectors.
    let (chunks, rest) = text.as_bytes().as_chunks::<16>();
    let is_chunk_plain = |chunk: &[u8; 16]| chunk.iter().fold(true, |all, byte| all & is_printable(byte));
    chunks.iter().all(is_chunk_plain) && rest.iter().all(is_printable)
}

/// One line without control characters.
pub(crate) fn one_line(text: String) -> String {
    if is_plain(&text) || !text.contains(disturbs) {
        return text;
    }
    text.replace(disturbs, "\u{fffd}")
}

/// Several lines: line breaks and tabs stay, other control characters do not.
fn lines(text: String) -> String {
    let disturbs_lines = |c: char| c != '\n' && c != '\t' && disturbs(c);
    if is_plain(&text) || !text.contains(disturbs_lines) {
        return text;
    }
    let text = text.replace("\r\n", "\n");
    text.chars().map(|c| if disturbs_lines(c) { REPLACED } else { c }).collect()
}

impl Reader {
    fn measured(&mut self, field: &str, text: &str, limit: usize) -> Result<(), Breach> {
        if text.len() > limit {
            return Err(Breach::new(field, format!("has {} bytes, at most {limit} are allowed", text.len())));
        }
        self.take(field, text.len())
    }

    /// One line of at most `limit` bytes; control characters are replaced.
    pub(crate) fn line(&mut self, field: &str, text: String, limit: usize) -> Result<String, Breach> {
        self.measured(field, &text, limit)?;
        Ok(one_line(text))
    }

    /// Several lines of at most `limit` bytes; control characters are replaced.
    pub(crate) fn lines(&mut self, field: &str, text: String, limit: usize) -> Result<String, Breach> {
        self.measured(field, &text, limit)?;
        Ok(lines(text))
    }

    /// A name of 1 to `limit` bytes; control characters are refused, because a replaced one would
    /// be another name.
    pub(crate) fn name(&mut self, field: &str, text: String, limit: usize) -> Result<String, Breach> {
        self.measured(field, &text, limit)?;
        if text.is_empty() {
            return Err(Breach::new(field, "is empty"));
        }
        if !is_plain(&text) && text.contains(disturbs) {
            return Err(Breach::new(
                field,
                format!("has control or direction characters: `{}`", text.escape_debug()),
            ));
        }
        Ok(text)
    }

    /// The same for a name that may be missing.
    pub(crate) fn optional_name(
        &mut self,
        field: &str,
        text: Option<String>,
        limit: usize,
    ) -> Result<Option<String>, Breach> {
        text.map(|text| self.name(field, text, limit)).transpose()
    }

    /// A list of at most `most` names of at most `limit` bytes.
    pub(crate) fn names(
        &mut self,
        field: &str,
        list: Vec<String>,
        most: usize,
        limit: usize,
    ) -> Result<Vec<String>, Breach> {
        crate::bound::count(field, list.len(), most)?;
        list.into_iter().map(|text| self.name(field, text, limit)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_control_or_direction_characters_are_refused() {
        let mut reader = Reader::new(1000);
        for bad in ["", "a\nb", "a\0", "a\u{202e}b", "a\u{2066}b", "a\u{9b}b", "a\x7f"] {
            assert!(reader.name("n", bad.to_owned(), 100).is_err(), "{bad:?}");
        }
        for good in ["Disk voll: 95 %", "Émile → ∑ “x”", "שלום", "ディスク"] {
            assert_eq!(reader.name("n", good.to_owned(), 100).unwrap(), good);
        }
    }

    #[test]
    fn descriptions_keep_line_breaks_and_lose_the_rest() {
        assert_eq!(lines("a\r\nb\tc\x1b[0m\u{202e}".to_owned()), "a\nb\tc\u{fffd}[0m\u{fffd}");
        assert_eq!(one_line("a\nb".to_owned()), "a\u{fffd}b");
    }

    #[test]
    fn bytes_are_counted_over_the_whole_result() {
        let mut reader = Reader::new(10);
        assert!(reader.line("a", "12345".to_owned(), 10).is_ok());
        let breach = reader.line("b", "123456".to_owned(), 10).unwrap_err();
        assert_eq!(breach, Breach::new("b", "brings the result over its limit of 10 bytes"));
    }
}
