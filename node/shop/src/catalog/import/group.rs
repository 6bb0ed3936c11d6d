use std::collections::BTreeMap;

use super::amount::{clipped, minor_units};
use super::columns::{Column, OPTIONS, Row};
use super::places::Places;
use super::sku::derive_sku;
use super::{Counted, Import};
use crate::catalog::http::check_content;
use crate::catalog::{Backorder, Content, MAX_IMAGES, MAX_VARIANTS, Sku, Slug, Status, VariantContent};
use crate::http::Checks;
use crate::inventory::MAX_UNITS;
use crate::money::{Currency, Money};

/// The rows of one product, as they are read.
#[derive(Debug)]
pub(super) struct Group {
    slug: Slug,
    /// The line of its first row.
    line: u32,
    title: String,
    description: String,
    vendor: String,
    kind: String,
    tags: String,
    published: String,
    status: String,
    options: Vec<String>,
    variants: Vec<VariantRow>,
    images: Vec<String>,
    is_broken: bool,
}

/// A row that has a variant.
#[derive(Debug)]
struct VariantRow {
    line: u32,
    sku: String,
    values: Vec<String>,
    price: String,
    quantity: String,
    policy: String,
}

impl Group {
    /// A product begins with the row that first has its handle.
    pub(super) fn begin(slug: Slug, row: &Row<'_>) -> Self {
        let text = |column| row.text(column).to_owned();
        let names = OPTIONS.iter().map(|(name, _)| text(*name)).take_while(|name| !name.is_empty());
        let mut options: Vec<String> = names.collect();
        // How Shopify writes a product without options.
        if options == ["Title"] && row.text(Column::Option1Value) == "Default Title" {
            options.clear();
        }
        Self {
            slug,
            line: row.line,
            title: text(Column::Title),
            description: text(Column::Body),
            vendor: text(Column::Vendor),
            kind: text(Column::Type),
            tags: text(Column::Tags),
            published: text(Column::Published),
            status: text(Column::Status),
            options,
            variants: Vec::new(),
            images: Vec::new(),
            is_broken: false,
        }
    }

    /// A row of this product, the first one too.
    pub(super) fn add(&mut self, row: &Row<'_>, import: &mut Import) {
        if let Some(column) = row.not_utf8() {
            import.fail(row.line, column.name(), "this is not UTF-8");
            self.is_broken = true;
            return;
        }
        if row.is_too_long() {
            import.fail(row.line, "", "the row has more fields than the header: is a comma not quoted?");
            self.is_broken = true;
            return;
        }
        let image = row.text(Column::ImageSrc);
        if !image.is_empty()
            && self.images.len() <= MAX_IMAGES
            && !self.images.iter().any(|known| known == image)
        {
            self.images.push(image.to_owned());
        }
        let speaks = [Column::Option1Value, Column::VariantSku, Column::VariantPrice];
        let has_variant = row.line == self.line || speaks.iter().any(|column| !row.text(*column).is_empty());
        // One more than allowed is kept, so that the excess is told.
        if has_variant && self.variants.len() <= MAX_VARIANTS {
            let value = |(_, value): &(Column, Column)| row.text(*value).to_owned();
            self.variants.push(VariantRow {
                line: row.line,
                sku: row.text(Column::VariantSku).to_owned(),
                values: OPTIONS.iter().take(self.options.len()).map(value).collect(),
                price: row.text(Column::VariantPrice).to_owned(),
                quantity: row.text(Column::VariantInventoryQty).to_owned(),
                policy: row.text(Column::VariantInventoryPolicy).to_owned(),
            });
        }
    }

    /// Adds the product to the import, or its errors. `seen` has the SKUs of the products before it, and their lines.
    pub(super) fn finish(self, currency: Currency, seen: &mut BTreeMap<Sku, u32>, import: &mut Import) {
        if self.is_broken {
            import.refused += 1;
            return;
        }
        let before = import.error_count;
        let (mut variants, mut counted) = (Vec::with_capacity(self.variants.len()), Vec::new());
        for (number, row) in self.variants.iter().enumerate() {
            let Some(variant) = self.variant(row, currency, import) else { continue };
            if let Some(line) = seen.get(&variant.sku) {
                let detail = format!("SKU {} is also on line {line}", variant.sku);
                import.fail(row.line, Column::VariantSku.name(), detail);
            }
            if let Some(on_hand) = units(row, import) {
                counted.push(Counted {
                    product: self.slug.clone(),
                    variant: number,
                    sku: variant.sku.clone(),
                    on_hand,
                });
            }
            variants.push(variant);
        }
        let status = self.status(import);
        let content = self.content(status, variants);
        self.check(&content, import);
        if import.error_count > before {
            import.refused += 1;
            return;
        }
        for (variant, row) in content.variants.iter().zip(&self.variants) {
            seen.insert(variant.sku.clone(), row.line);
        }
        import.places.insert(self.slug.clone(), self.places());
        import.products.push(content);
        import.stock.extend(counted);
    }

    fn variant(&self, row: &VariantRow, currency: Currency, import: &mut Import) -> Option<VariantContent> {
        let before = import.error_count;
        // Spreadsheets write an apostrophe before a number that is a text.
        let given = row.sku.strip_prefix('\'').unwrap_or(&row.sku);
        let sku = if given.is_empty() {
            derive_sku(self.slug.as_str(), &row.values)
        } else {
            given
                .parse()
                .map_err(|error| import.fail(row.line, Column::VariantSku.name(), format!("{error}")))
                .ok()
        };
        for (value, (_, column)) in row.values.iter().zip(OPTIONS) {
            if value.is_empty() {
                import.fail(row.line, column.name(), "each variant has a value for each option");
            }
        }
        let mut prices = Vec::new();
        if !row.price.is_empty() {
            match minor_units(&row.price, currency) {
                Ok(amount) => prices.push(Money::new(amount, currency)),
                Err(detail) => import.fail(row.line, Column::VariantPrice.name(), detail),
            }
        }
        let backorder = match row.policy.to_ascii_lowercase().as_str() {
            "" | "deny" => Backorder::Refuse,
            "continue" => Backorder::Allow,
            _ => {
                import.fail(row.line, Column::VariantInventoryPolicy.name(), "expected deny or continue");
                Backorder::Refuse
            }
        };
        let sku = sku.filter(|_| import.error_count == before)?;
        Some(VariantContent { sku, options: row.values.clone(), prices, backorder })
    }

    fn status(&self, import: &mut Import) -> Status {
        let published = match self.published.to_ascii_lowercase().as_str() {
            "" | "true" => true,
            "false" => false,
            _ => {
                import.fail(self.line, Column::Published.name(), "expected TRUE or FALSE");
                false
            }
        };
        match self.status.to_ascii_lowercase().as_str() {
            "" | "active" if published => Status::Published,
            "" | "active" | "draft" => Status::Draft,
            "archived" => Status::Archived,
            _ => {
                import.fail(self.line, Column::Status.name(), "expected active, draft or archived");
                Status::Draft
            }
        }
    }

    fn content(&self, status: Status, variants: Vec<VariantContent>) -> Content {
        let optional = |text: &String| (!text.is_empty()).then(|| text.clone());
        let mut tags: Vec<String> = Vec::new();
        for tag in self.tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()) {
            if !tags.iter().any(|known| known == tag) {
                tags.push(tag.to_owned());
            }
        }
        let category = Slug::derive(&self.kind);
        Content {
            title: self.title.clone(),
            slug: self.slug.clone(),
            description: self.description.clone(),
            status,
            category_title: category.as_ref().map(|_| self.kind.clone()),
            category,
            vendor: optional(&self.vendor),
            tags,
            options: self.options.clone(),
            variants,
            images: self.images.clone(),
        }
    }

    /// The bounds that all products have, told by row and column.
    fn check(&self, content: &Content, import: &mut Import) {
        // Variants with errors are not in it: the errors are told already.
        if content.variants.len() < self.variants.len() {
            return;
        }
        let mut checks = Checks::new();
        check_content(content, &mut checks);
        let Err(rejection) = checks.finish() else { return };
        let places = self.places();
        for at in rejection.errors {
            let (line, column) = places.at(&at.pointer);
            import.fail(line, column.name(), at.detail);
        }
    }

    fn places(&self) -> Places {
        Places { line: self.line, variants: self.variants.iter().map(|row| row.line).collect() }
    }
}

/// The units on hand that a row names.
fn units(row: &VariantRow, import: &mut Import) -> Option<i64> {
    if row.quantity.is_empty() {
        return None;
    }
    let units = row.quantity.parse::<i64>().ok().filter(|units| (0..=MAX_UNITS).contains(units));
    if units.is_none() {
        let detail = format!("{:?} is no number of units from 0 to {MAX_UNITS}", clipped(&row.quantity));
        import.fail(row.line, Column::VariantInventoryQty.name(), detail);
    }
    units
}
