//! Figures: collected, reduced to medians, shown as tables, kept as JSON, compared.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// All figures of a run, in the order in which they were first taken.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Report {
    figures: Vec<Figure>,
}

#[derive(Serialize, Deserialize)]
struct Figure {
    section: String,
    row: String,
    /// What was measured, with its unit.
    measure: String,
    median: f64,
    /// One per round.
    values: Vec<f64>,
}

impl Report {
    /// Adds what one round found.
    pub(super) fn add(&mut self, section: &str, row: &str, measure: &str, value: f64) {
        let is_it = |figure: &&mut Figure| figure.is(section, row, measure);
        if let Some(figure) = self.figures.iter_mut().find(is_it) {
            figure.values.push(value);
            figure.median = median(&figure.values);
            return;
        }
        self.figures.push(Figure {
            section: section.to_owned(),
            row: row.to_owned(),
            measure: measure.to_owned(),
            median: value,
            values: vec![value],
        });
    }

    /// The median of a figure, if it was taken.
    pub(super) fn get(&self, section: &str, row: &str, measure: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.is(section, row, measure)).map(|figure| figure.median)
    }

    /// Adds the ratio of one row's median to another's under a name of its own, if both were taken.
    pub(super) fn ratio(&mut self, section: &str, row: &str, to: &str, measure: &str, name: &str) {
        let (this, that) = (self.get(section, row, measure), self.get(section, to, measure));
        if let (Some(this), Some(that)) = (this, that) {
            self.add(section, row, name, this / that);
        }
    }

    /// One table per section. Behind each figure its ratio to the baseline's, where there is one.
    pub(super) fn tables(&self, baseline: Option<&Self>) -> String {
        let mut text = String::new();
        for section in distinct(self.figures.iter().map(|figure| figure.section.as_str())) {
            let figures: Vec<&Figure> =
                self.figures.iter().filter(|figure| figure.section == section).collect();
            let measures = distinct(figures.iter().map(|figure| figure.measure.as_str()));
            let rows = distinct(figures.iter().map(|figure| figure.row.as_str()));
            let cell = |row: &str, measure: &str| {
                let now = self.get(section, row, measure)?;
                let before = baseline.and_then(|baseline| baseline.get(section, row, measure));
                let compared = before.map(|before| format!(" (×{:.2})", now / before)).unwrap_or_default();
                Some(format!("{}{compared}", shown(now)))
            };
            let mut lines = vec![
                std::iter::once(section.to_owned())
                    .chain(measures.iter().map(|measure| (*measure).to_owned()))
                    .collect::<Vec<String>>(),
            ];
            for row in rows {
                let cells = measures.iter().map(|measure| cell(row, measure).unwrap_or_default());
                lines.push(std::iter::once(row.to_owned()).chain(cells).collect());
            }
            text.push_str(&aligned(&lines));
            text.push('\n');
        }
        text
    }

    /// Writes all figures as JSON.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("figures are JSON")?;
        std::fs::write(file, text + "\n").with_context(|| format!("`{}` cannot be written", file.display()))
    }

    /// Reads what [`Report::write`] wrote.
    ///
    /// # Errors
    /// There is no such file, or something else is in it.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("`{}` is not readable", file.display()))?;
        serde_json::from_str(&text)
            .with_context(|| format!("`{}` holds no figures of `cargo xtask bench`", file.display()))
    }
}

impl Figure {
    fn is(&self, section: &str, row: &str, measure: &str) -> bool {
        self.section == section && self.row == row && self.measure == measure
    }
}

/// The middle value; of an even number the mean of the two.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
    } else {
        at(middle)
    }
}

/// Each text once, in the order of its first appearance.
fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut found = Vec::new();
    for text in texts {
        if !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

/// Three digits that mean something.
fn shown(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Lines of cells in columns: the first to the left, figures to the right.
pub(super) fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut shown = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(shown, "{cell:<width$}"),
                _ => write!(shown, "  {cell:>width$}"),
            };
        }
        text.push_str(shown.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_round_does_not_move_a_figure() {
        let mut report = Report::default();
        for value in [10.0, 900.0, 12.0] {
            report.add("s", "r", "m", value);
        }
        assert_eq!(report.get("s", "r", "m"), Some(12.0));
        report.add("s", "r", "m", 14.0);
        assert_eq!(report.get("s", "r", "m"), Some(13.0));
    }

    #[test]
    fn a_ratio_is_taken_between_medians_of_one_run() {
        let mut report = Report::default();
        report.add("s", "hub", "req/s", 30.0);
        report.ratio("s", "hub", "row 2", "req/s", "of row 2");
        assert_eq!(report.get("s", "hub", "of row 2"), None);
        report.add("s", "row 2", "req/s", 60.0);
        report.ratio("s", "hub", "row 2", "req/s", "of row 2");
        assert_eq!(report.get("s", "hub", "of row 2"), Some(0.5));
    }

    #[test]
    fn a_table_shows_what_became_of_the_baseline() {
        let (mut now, mut before) = (Report::default(), Report::default());
        now.add("ingest", "hub", "req/s", 150.0);
        now.add("ingest", "row 2", "p99 ms", 1.5);
        before.add("ingest", "hub", "req/s", 100.0);
        let table = now.tables(Some(&before));
        assert_eq!(
            table,
            "ingest        req/s  p99 ms\nhub     150 (×1.50)\nrow 2                  1.50\n\n"
        );
    }
}
