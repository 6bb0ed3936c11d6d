use csv::ByteRecord;

macro_rules! columns {
    ($($column:ident, $name:literal;)*) => {
        /// The columns that are read; others are passed over.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Column { $($column,)* }

        impl Column {
            pub(super) const ALL: &'static [Column] = &[$(Column::$column,)*];

            /// As in the header, where upper and lower case do not matter.
            pub(super) const fn name(self) -> &'static str { match self { $(Column::$column => $name,)* } }
        }
    };
}

columns! {
    Handle, "Handle";
    Title, "Title";
    Body, "Body (HTML)";
    Vendor, "Vendor";
    Type, "Type";
    Tags, "Tags";
    Published, "Published";
    Option1Name, "Option1 Name";
    Option1Value, "Option1 Value";
    Option2Name, "Option2 Name";
    Option2Value, "Option2 Value";
    Option3Name, "Option3 Name";
    Option3Value, "Option3 Value";
    VariantSku, "Variant SKU";
    VariantPrice, "Variant Price";
    VariantInventoryQty, "Variant Inventory Qty";
    VariantInventoryPolicy, "Variant Inventory Policy";
    ImageSrc, "Image Src";
    Status, "Status";
}

/// The columns of names and values of the three options.
pub(super) const OPTIONS: [(Column, Column); 3] = [
    (Column::Option1Name, Column::Option1Value),
    (Column::Option2Name, Column::Option2Value),
    (Column::Option3Name, Column::Option3Value),
];

/// Where each column is in this file.
#[derive(Debug)]
pub(super) struct Columns {
    places: Vec<Option<usize>>,
    count: usize,
}

impl Columns {
    pub(super) fn of(header: &ByteRecord) -> Self {
        let place = |column: &Column| {
            header.iter().position(|field| field.trim_ascii().eq_ignore_ascii_case(column.name().as_bytes()))
        };
        Self { places: Column::ALL.iter().map(place).collect(), count: header.len() }
    }

    pub(super) fn has(&self, column: Column) -> bool {
        self.place(column).is_some()
    }

    fn place(&self, column: Column) -> Option<usize> {
        self.places.get(column as usize).copied().flatten()
    }
}

/// One row, by column.
#[derive(Debug)]
pub(super) struct Row<'a> {
    columns: &'a Columns,
    record: &'a ByteRecord,
    /// The line of the file on which it begins, from 1.
    pub(super) line: u32,
}

impl<'a> Row<'a> {
    pub(super) fn of(columns: &'a Columns, record: &'a ByteRecord, line: u32) -> Self {
        Self { columns, record, line }
    }

    /// The field without spaces around it; empty if the file has no such column, or if it is not UTF-8.
    pub(super) fn text(&self, column: Column) -> &'a str {
        self.bytes(column).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or("").trim()
    }

    /// The first column whose field is not UTF-8.
    pub(super) fn not_utf8(&self) -> Option<Column> {
        let broken =
            |column: &Column| self.bytes(*column).is_some_and(|bytes| std::str::from_utf8(bytes).is_err());
        Column::ALL.iter().copied().find(broken)
    }

    pub(super) fn is_blank(&self) -> bool {
        self.record.iter().all(|field| field.trim_ascii().is_empty())
    }

    /// Whether it has more fields than the header names.
    pub(super) fn is_too_long(&self) -> bool {
        self.record.iter().skip(self.columns.count).any(|field| !field.is_empty())
    }

    fn bytes(&self, column: Column) -> Option<&'a [u8]> {
        self.record.get(self.columns.place(column)?)
    }
}
