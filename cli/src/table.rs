//! Tables for people: columns without frames, numbers to the right, states in colour, fitted to the terminal.

mod cell;

use comfy_table::{Attribute, CellAlignment, Color, ContentArrangement, presets};

pub use cell::{Cell, Tone, format_money, format_time, word_of};

/// A table with a header, or (without one) a list of names and values.
#[derive(Debug, Clone, Default)]
pub struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub fn new(header: &[&'static str]) -> Self {
        Self { header: header.to_vec(), rows: Vec::new() }
    }

    /// A list of names and values: one object in full.
    pub fn details(pairs: impl IntoIterator<Item = (&'static str, Cell)>) -> Self {
        let rows = pairs.into_iter().map(|(name, value)| {
            let value = Cell { right: false, ..value };
            vec![Cell::text(name).tone(Tone::Faint), value]
        });
        Self { header: Vec::new(), rows: rows.collect() }
    }

    pub fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, without a last line end. `width` are the columns to fit into; `None` lets lines be as long
    /// as they are, one row a line, so that `grep` and `awk` see whole rows. A header without rows stays.
    pub fn render(&self, width: Option<u16>, colour: bool) -> String {
        if self.header.is_empty() && self.rows.is_empty() {
            return String::new();
        }
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).force_no_tty();
        match width {
            Some(width) => {
                table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width.max(20))
            }
            None => table.set_content_arrangement(ContentArrangement::Disabled),
        };
        if colour {
            table.enforce_styling();
        }
        if !self.header.is_empty() {
            let right = |column: usize| {
                self.rows.first().and_then(|row| row.get(column)).is_some_and(|cell| cell.right)
            };
            table.set_header(
                self.header
                    .iter()
                    .enumerate()
                    .map(|(column, name)| {
                        let cell = comfy_table::Cell::new(name).add_attribute(Attribute::Bold);
                        if right(column) { cell.set_alignment(CellAlignment::Right) } else { cell }
                    })
                    .collect::<Vec<_>>(),
            );
        }
        for row in &self.rows {
            table.add_row(row.iter().map(styled).collect::<Vec<_>>());
        }
        // The first column starts at the margin, and two spaces part it from the next.
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

fn styled(cell: &Cell) -> comfy_table::Cell {
    let shown = comfy_table::Cell::new(&cell.text);
    let shown = if cell.right { shown.set_alignment(CellAlignment::Right) } else { shown };
    match cell.tone {
        Tone::Plain => shown,
        Tone::Good => shown.fg(Color::Green),
        Tone::Waiting => shown.fg(Color::Yellow),
        Tone::Bad => shown.fg(Color::Red),
        Tone::Faint => shown.fg(Color::DarkGrey),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Table {
        let mut table = Table::new(&["SKU", "TITLE", "ON HAND", "STATE"]);
        table.row(vec![
            Cell::text("TEA-1"),
            Cell::text("Green tea"),
            Cell::number(100),
            Cell::state("published"),
        ]);
        table.row(vec![
            Cell::text("TEA-22"),
            Cell::text("A longer\x1b[2J title"),
            Cell::number(7),
            Cell::state("draft"),
        ]);
        table
    }

    #[test]
    fn columns_line_up_numbers_to_the_right() {
        assert_eq!(
            example().render(None, false),
            "SKU     TITLE               ON HAND  STATE\n\
             TEA-1   Green tea               100  published\n\
             TEA-22  A longer\u{fffd}[2J title        7  draft"
        );
    }

    #[test]
    fn a_narrow_terminal_wraps_and_a_pipe_does_not() {
        let narrow = example().render(Some(36), false);
        assert!(narrow.lines().all(|line| console::measure_text_width(line) <= 36), "{narrow}");
        assert!(narrow.lines().count() > 3);
    }

    #[test]
    fn colour_is_there_only_when_wanted() {
        assert!(example().render(None, true).contains("\x1b["));
        assert!(!example().render(None, false).contains('\x1b'));
    }

    #[test]
    fn details_have_no_header() {
        let table = Table::details([("id", Cell::text("ord_1")), ("total", Cell::number(3))]);
        assert_eq!(table.render(None, false), "id     ord_1\ntotal  3");
    }
}
