//! Fields of log lines for people: one line an event, whatever somebody else had written into a field.

use std::fmt;

use domain::text::disturbs;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

/// The message as it is, then `name=value`; a value that could be read as more than one is in quotation
/// marks. What could begin a line or drive a terminal is escaped in all of them.
pub(super) struct TextFields;

impl<'w> FormatFields<'w> for TextFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut shown = Shown { writer, is_first: true, result: Ok(()) };
        fields.record(&mut shown);
        shown.result
    }
}

struct Shown<'w> {
    writer: Writer<'w>,
    is_first: bool,
    result: fmt::Result,
}

impl Shown<'_> {
    fn add(&mut self, field: &Field, value: &str) -> fmt::Result {
        if !std::mem::take(&mut self.is_first) {
            self.writer.write_char(' ')?;
        }
        if field.name() == "message" {
            return self.escaped(value);
        }
        // `error.r#type` is how Rust has to spell it.
        write!(self.writer, "{}=", field.name().replace("r#", ""))?;
        if !value.is_empty() && !value.contains(|c: char| c.is_whitespace() || matches!(c, '"' | '=')) {
            return self.escaped(value);
        }
        self.writer.write_char('"')?;
        self.escaped(&value.replace('\\', "\\\\").replace('"', "\\\""))?;
        self.writer.write_char('"')
    }

    fn escaped(&mut self, text: &str) -> fmt::Result {
        // Two characters end a line for some readers and are no control characters.
        let is_harmful = |c: char| disturbs(c) || matches!(c, '\u{2028}' | '\u{2029}');
        if !text.contains(is_harmful) {
            return self.writer.write_str(text);
        }
        text.chars().try_for_each(|c| match is_harmful(c) {
            true => write!(self.writer, "{}", c.escape_default()),
            false => self.writer.write_char(c),
        })
    }
}

impl Visit for Shown<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.result.is_ok() {
            self.result = self.add(field, value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    /// What is written of the events in `log`, behind the time.
    fn written(log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .without_time()
            .with_target(false)
            .with_ansi(false)
            .fmt_fields(TextFields)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let text = lines.0.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn fields_follow_the_message_and_what_has_gaps_is_quoted() {
        let text = written(|| {
            let _span = tracing::info_span!("request", request.id = %"r1", run_id = tracing::field::Empty);
            let _entered = _span.enter();
            tracing::Span::current().record("run_id", "u");
            let none = None::<&str>;
            tracing::warn!(
                error.r#type = "x",
                count = 3u64,
                ok = true,
                none,
                a = "b c=d \"e\\",
                b = %"",
                "a message"
            );
        });
        let fields = r#"a message error.type=x count=3 ok=true a="b c=d \"e\\" b="""#;
        assert_eq!(text, format!(" WARN request{{request.id=r1 run_id=u}}: {fields}\n"));
    }

    #[test]
    fn nothing_in_a_field_begins_a_line_or_drives_a_terminal() {
        let bad = "a\nb\r\x1b[31m\0\u{85}\u{2028}\u{202e}é";
        let shown = r"a\nb\r\u{1b}[31m\u{0}\u{85}\u{2028}\u{202e}é";
        let text = written(|| tracing::info!(a = %bad, b = bad, c = ?"\u{1b}", "{bad}"));
        assert_eq!(text, format!(" INFO {shown} a=\"{shown}\" b=\"{shown}\" c=\"\\\"\\\\u{{1b}}\\\"\"\n"));
    }
}
