//! Answers in columns, for people. Programs read `--json`.

use serde_json::Value;

use crate::clock::Timestamp;

/// Blanks between two columns.
const GAP: &str = "  ";
/// What a cell without a value shows.
pub(super) const NONE: &str = "-";

/// A table. Each column is as wide as its widest cell.
pub(super) struct Columns {
    rows: Vec<Vec<String>>,
}

impl Columns {
    /// A table with these headings.
    pub(super) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// A table of names and values, without headings.
    pub(super) const fn without_headings() -> Self {
        Self { rows: vec![] }
    }

    /// Adds a row. Control characters of a cell are shown as `?`: a tag could hold a terminal's commands.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().map(|cell| printable(&cell)).collect());
    }

    /// The lines, without a line end after the last.
    pub(super) fn text(&self) -> String {
        let count = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..count).map(width).collect();
        let padded = |row: &Vec<String>| {
            let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            cells.join(GAP).trim_end().to_owned()
        };
        self.rows.iter().map(padded).collect::<Vec<_>>().join("\n")
    }
}

/// `text` with each control character replaced.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// The text of a member, or [`NONE`].
pub(super) fn text(value: &Value) -> String {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or(NONE).to_owned()
}

/// Seconds since 1970 as RFC 3339, or [`NONE`].
pub(super) fn moment(seconds: &Value) -> String {
    seconds.as_i64().map_or_else(|| NONE.to_owned(), |seconds| Timestamp::from_unix(seconds).to_string())
}

/// A truth as `yes` or `no`; what is left out counts as `yes`, as for `enabled`.
pub(super) fn yes_or_no(value: &Value) -> String {
    if value.as_bool().unwrap_or(true) { "yes".to_owned() } else { "no".to_owned() }
}

/// Members with their values as `a=1, b=2`, or [`NONE`].
pub(super) fn pairs(value: &Value) -> String {
    let pairs = value.as_object().into_iter().flatten();
    let pairs: Vec<_> = pairs.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect();
    if pairs.is_empty() { NONE.to_owned() } else { pairs.join(", ") }
}

/// The texts of an array as `a, b`, or [`NONE`].
pub(super) fn list(value: &Value) -> String {
    let texts: Vec<_> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if texts.is_empty() { NONE.to_owned() } else { texts.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut columns = Columns::new(&["name", "enabled"]);
        columns.row(["a-long-name".to_owned(), "yes".to_owned()]);
        columns.row(["b".to_owned(), String::new()]);
        assert_eq!(columns.text(), "name         enabled\na-long-name  yes\nb");
        assert_eq!(Columns::without_headings().text(), "");
    }

    #[test]
    fn a_cell_cannot_command_the_terminal() {
        let mut columns = Columns::without_headings();
        columns.row(["tags".to_owned(), pairs(&json!({"a": "\u{1b}[2J\nb"}))]);
        assert_eq!(columns.text(), "tags  a=?[2J?b");
    }

    #[test]
    fn values_that_are_left_out_show_a_hyphen() {
        assert_eq!((text(&Value::Null), moment(&Value::Null), pairs(&json!({}))), ("-".into(), "-".into(), "-".into()));
        assert_eq!(
            (moment(&json!(0)), list(&json!(["sign", "verify"]))),
            ("1970-01-01T00:00:00Z".into(), "sign, verify".into())
        );
        assert_eq!((yes_or_no(&Value::Null), yes_or_no(&json!(false))), ("yes".into(), "no".into()));
    }
}
