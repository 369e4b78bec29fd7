//! Log lines for machines: one JSON object a line.

use std::collections::BTreeMap;
use std::fmt;

use domain::time::Timestamp;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// `timestamp` (RFC 3339, UTC), `level`, `target`, `message`, then the fields of the event and of
/// everything it happened in, by name. What is said further in wins.
pub(super) struct JsonLines {
    /// The clock.
    pub(super) now: fn() -> Timestamp,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(told) = span.extensions().get::<FormattedFields<N>>()
                && let Ok(told) = serde_json::from_str::<BTreeMap<String, Value>>(&told.fields)
            {
                fields.0.extend(told);
            }
        }
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap_or_default();
        let metadata = event.metadata();
        write!(
            writer,
            r#"{{"timestamp":"{}","level":"{}","target":{},"message":{message}"#,
            (self.now)(),
            metadata.level(),
            Value::from(metadata.target())
        )?;
        for (name, value) in &fields.0 {
            write!(writer, ",{}:{value}", Value::from(name.as_str()))?;
        }
        writeln!(writer, "}}")
    }
}

/// Fields by name.
#[derive(Default)]
struct Fields(BTreeMap<String, Value>);

impl Fields {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        // `error.r#type` is how Rust has to spell it.
        self.0.insert(field.name().replace("r#", ""), value.into());
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::format::JsonFields;

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_with_all_that_it_happened_in() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(JsonLines { now: crate::clock::now })
            .fmt_fields(JsonFields::new())
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let _outer = tracing::info_span!("outer", request.id = %"r", trace_id = %"old").entered();
            let _inner =
                tracing::info_span!("inner", trace_id = %"t", run_id = tracing::field::Empty).entered();
            tracing::Span::current().record("run_id", "u");
            tracing::warn!(
                error.r#type = "x",
                count = 3u64,
                ok = true,
                "two\nlines and \"quotes\" of \u{1b}[0m {}",
                5
            );
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.ends_with('Z') && time.parse::<Timestamp>().is_ok(), "{time}");
        let expected = serde_json::json!({
            "timestamp": time, "level": "WARN", "target": "host::telemetry::json::tests",
            "message": "two\nlines and \"quotes\" of \u{1b}[0m 5", "error.type": "x", "count": 3, "ok": true,
            "request.id": "r", "trace_id": "t", "run_id": "u",
        });
        assert_eq!(line, expected);
    }
}
