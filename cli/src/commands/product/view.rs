//! Products as tables.

use shop::catalog::http::{ProductView, VariantView};
use shop::money::Money;

use crate::table::{Cell, Table, format_money};

/// One line a product.
pub fn list(products: &[ProductView]) -> Table {
    let mut table = Table::new(&["ID", "SLUG", "TITLE", "STATUS", "CATEGORY", "VARIANTS", "PRICE"]);
    for product in products {
        table.row(vec![
            Cell::of(product.id),
            Cell::of(&product.slug),
            Cell::text(&product.title),
            Cell::word(&product.status),
            Cell::maybe(product.category.as_ref()),
            Cell::number(product.variants.len()),
            Cell::text(price_range(&product.variants)),
        ]);
    }
    table
}

/// One product and its variants.
pub fn one(product: &ProductView) -> Vec<Table> {
    let details = Table::details([
        ("id", Cell::of(product.id)),
        ("slug", Cell::of(&product.slug)),
        ("title", Cell::text(&product.title)),
        ("status", Cell::word(&product.status)),
        ("category", Cell::maybe(product.category.as_ref())),
        ("vendor", Cell::maybe(product.vendor.as_ref())),
        ("tags", Cell::text(product.tags.join(", "))),
        ("images", Cell::number(product.images.len())),
        ("created", Cell::time(product.created_at)),
        ("updated", Cell::time(product.updated_at)),
        ("revision", Cell::number(product.revision)),
    ]);
    let mut variants = Table::new(&["SKU", "OPTIONS", "PRICES", "BACKORDER", "VARIANT"]);
    for variant in &product.variants {
        let options: Vec<String> =
            variant.options.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let prices: Vec<String> = variant.prices.iter().copied().map(format_money).collect();
        variants.row(vec![
            Cell::of(&variant.sku),
            Cell::text(options.join(", ")),
            Cell::text(prices.join(", ")),
            Cell::word(&variant.backorder),
            Cell::of(variant.id),
        ]);
    }
    vec![details, variants]
}

/// The lowest and the highest price in the currency of the first.
fn price_range(variants: &[VariantView]) -> String {
    let prices: Vec<Money> = variants.iter().filter_map(|variant| variant.prices.first()).copied().collect();
    let Some(currency) = prices.first().map(|price| price.currency) else { return "-".into() };
    let amounts = prices.iter().filter(|price| price.currency == currency).map(|price| price.amount);
    let (low, high) =
        amounts.fold((i64::MAX, i64::MIN), |(low, high), amount| (low.min(amount), high.max(amount)));
    let money = |amount| format_money(Money { amount, currency });
    if low == high { money(low) } else { format!("{} to {}", money(low), money(high)) }
}
