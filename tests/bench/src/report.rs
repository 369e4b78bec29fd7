//! What goes to standard output.
#![expect(clippy::print_stdout, reason = "its output is what this program is for")]

use serde_json::{Map, Value, json};

/// Prints a text.
pub(crate) fn text(text: &str) {
    println!("{text}");
}

/// Prints the measures of one row.
pub(crate) fn row(row: &str, values: &[(&str, f64)]) {
    let values: Map<String, Value> =
        values.iter().map(|(measure, value)| ((*measure).to_owned(), json!(value))).collect();
    println!("{}", json!({ "row": row, "values": values }));
}
