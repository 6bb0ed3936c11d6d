//! The product CSV that Shopify exports, as a pure function: text in; products, stock and errors by row and column out.
//!
//! A product has several rows with the same Handle: the first has what is said once (Title, Body, Vendor, Type, Tags,
//! Status), each row with an option value, a SKU or a price has a variant, and others have only a further image. A
//! product with an error is left out whole; the others go on. What the file does not say of a variant's stock is left
//! as it is.

mod amount;
mod columns;
mod group;
mod lines;
mod places;
mod sku;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::broker::JobError;
use crate::catalog::{Content, Sku, Slug};
use crate::money::Currency;
use columns::{Column, Columns, Row};
use group::Group;
use lines::Lines;
pub use places::Places;

/// The most rows of a file.
pub const MAX_ROWS: u32 = 200_000;
/// The most errors that are told; all are counted.
pub const MAX_ERRORS: usize = 1_000;

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Import {
    /// Products without errors, in the order of the file.
    pub products: Vec<Content>,
    /// Units on hand of the variants of these products, where the file says so.
    pub stock: Vec<Counted>,
    /// Where in the file each of these products is.
    pub places: BTreeMap<Slug, Places>,
    /// The first [`MAX_ERRORS`].
    pub errors: Vec<JobError>,
    /// All errors.
    pub error_count: u32,
    /// Products that have an error.
    pub refused: u32,
}

/// What is on hand of a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The product that the variant is of, and which of its variants it is.
    pub product: Slug,
    pub variant: usize,
    pub sku: Sku,
    pub on_hand: i64,
}

impl Import {
    pub(crate) fn fail(&mut self, row: u32, column: &str, detail: impl Into<String>) {
        self.error_count = self.error_count.saturating_add(1);
        if self.errors.len() < MAX_ERRORS {
            self.errors.push(JobError { row, column: column.to_owned(), detail: detail.into() });
        }
    }
}

/// Reads a file. Prices are in `currency`, with its decimals. A byte order mark is passed over.
pub fn parse(file: &[u8], currency: Currency) -> Import {
    let mut import = Import::default();
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let columns = match reader.byte_headers() {
        Ok(header) => Columns::of(header),
        Err(error) => {
            import.fail(1, "", error.to_string());
            return import;
        }
    };
    for required in [Column::Handle, Column::Title] {
        if !columns.has(required) {
            import.fail(1, required.name(), "the file has no such column: is it a product export?");
        }
    }
    if import.error_count > 0 {
        return import;
    }
    let groups = read_groups(&mut reader, &mut Lines::of(file), &columns, &mut import);
    let mut seen = BTreeMap::new();
    for group in groups {
        group.finish(currency, &mut seen, &mut import);
    }
    import
}

fn read_groups(
    reader: &mut csv::Reader<&[u8]>,
    lines: &mut Lines<'_>,
    columns: &Columns,
    import: &mut Import,
) -> Vec<Group> {
    let (mut groups, mut by_slug) = (Vec::<Group>::new(), BTreeMap::<Slug, usize>::new());
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    loop {
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return groups,
            Err(error) => {
                let byte = error.position().map_or(0, csv::Position::byte);
                import.fail(lines.at(byte), "", error.to_string());
                return groups;
            }
        }
        rows += 1;
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        let row = Row::of(columns, &record, line);
        if rows > MAX_ROWS {
            import.fail(row.line, "", format!("a file has at most {MAX_ROWS} rows: the rest is left out"));
            return groups;
        }
        let Some(slug) = Slug::derive(row.text(Column::Handle)) else {
            if !row.is_blank() {
                import.fail(
                    row.line,
                    Column::Handle.name(),
                    "each row needs a handle with at least one letter",
                );
            }
            continue;
        };
        let place = *by_slug.entry(slug.clone()).or_insert_with(|| {
            groups.push(Group::begin(slug, &row));
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(place) {
            group.add(&row, import);
        }
    }
}
