//! Products that tests begin with.

use crate::catalog::{Backorder, Content, CreateProduct, Outcome, Product, Status, VariantContent};
use crate::ids::ProductId;
use crate::money::{Currency, Money};
use crate::testing::Bench;

/// A published product with one SKU at 9.99 EUR.
pub fn tea(slug: &str, sku: &str) -> Content {
    Content {
        title: "Green tea".into(),
        slug: slug.parse().expect("a slug"),
        description: String::new(),
        status: Status::Published,
        category: Some("tea".parse().expect("a slug")),
        category_title: Some("Tea".into()),
        vendor: None,
        tags: Vec::new(),
        options: vec!["size".into()],
        variants: vec![VariantContent {
            sku: sku.parse().expect("a SKU"),
            options: vec!["100 g".into()],
            prices: vec![Money::new(999, Currency::EUR)],
            backorder: Backorder::Refuse,
        }],
        images: Vec::new(),
    }
}

/// Creates it.
pub fn create(bench: &mut Bench, content: Content) -> (ProductId, Product) {
    match bench.ok(CreateProduct { content }) {
        crate::Outcome::Catalog(Outcome::Product { id, product }) => (id, product),
        other => panic!("{other:?}"),
    }
}
