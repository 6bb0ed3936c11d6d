//! Where in the file a product is.

use super::columns::Column;
use crate::rejection::Rejection;

/// The lines of a product's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// Of the first row.
    pub(super) line: u32,
    /// Of each variant, in the order of the product's.
    pub(super) variants: Vec<u32>,
}

impl Places {
    /// The row and the column of what is wrong with the product, or with the only product of a command.
    pub fn of(&self, rejection: &Rejection) -> (u32, &'static str) {
        let Some(first) = rejection.errors.first() else { return (self.line, "") };
        let pointer = first.pointer.strip_prefix("/products/0").unwrap_or(&first.pointer);
        let (line, column) = self.at(pointer);
        (line, column.name())
    }

    /// The row of a variant's SKU, and its column.
    pub fn of_sku(&self, variant: usize) -> (u32, &'static str) {
        (self.line_of(Some(variant)), Column::VariantSku.name())
    }

    /// The row of a variant's units on hand, and its column.
    pub fn of_units(&self, variant: usize) -> (u32, &'static str) {
        (self.line_of(Some(variant)), Column::VariantInventoryQty.name())
    }

    /// Where a member of the product is.
    pub(super) fn at(&self, pointer: &str) -> (u32, Column) {
        let mut parts = pointer.split('/').skip(1);
        let column = match parts.next() {
            Some("title") => Column::Title,
            Some("description") => Column::Body,
            Some("category") => Column::Type,
            Some("vendor") => Column::Vendor,
            Some("tags") => Column::Tags,
            Some("options") => Column::Option1Name,
            Some("images") => Column::ImageSrc,
            Some("variants") => return self.at_variant(parts.next(), parts.next()),
            _ => Column::Handle,
        };
        (self.line, column)
    }

    fn at_variant(&self, number: Option<&str>, member: Option<&str>) -> (u32, Column) {
        let column = match member {
            Some("sku") => Column::VariantSku,
            Some("prices") => Column::VariantPrice,
            Some("options") => Column::Option1Value,
            _ => Column::Handle,
        };
        (self.line_of(number.and_then(|number| number.parse().ok())), column)
    }

    fn line_of(&self, variant: Option<usize>) -> u32 {
        variant.and_then(|variant| self.variants.get(variant)).copied().unwrap_or(self.line)
    }
}
