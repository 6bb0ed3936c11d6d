//! Every style with every thing of every category: 300 products with their variants, prices and stock.

use anyhow::{Context, Result};
use shop::catalog::{Backorder, Content, Sku, Slug, Status, VariantContent};
use shop::{Currency, Money};

use super::goods::{GOODS, Goods};

/// What is seeded.
#[derive(Debug)]
pub struct Demo {
    pub products: Vec<Content>,
    /// Units on hand of every SKU.
    pub stock: Vec<(Sku, i64)>,
}

/// The demo's catalogue and stock.
///
/// # Errors
/// When a made-up name is not one that the catalogue takes: a fault of this program, which a test excludes.
pub fn demo() -> Result<Demo> {
    let mut demo = Demo { products: Vec::new(), stock: Vec::new() };
    for goods in &GOODS {
        for (number, (style, thing)) in pairs(goods).enumerate() {
            let product = product(goods, number, style, thing)?;
            for variant in &product.variants {
                let units = on_hand(demo.stock.len());
                demo.stock.push((variant.sku.clone(), units));
            }
            demo.products.push(product);
        }
    }
    Ok(demo)
}

fn pairs(goods: &Goods) -> impl Iterator<Item = (&'static str, &'static str)> {
    let (styles, things) = (goods.styles, goods.things);
    things.into_iter().flat_map(move |thing| styles.into_iter().map(move |style| (style, thing)))
}

fn product(goods: &Goods, number: usize, style: &str, thing: &str) -> Result<Content> {
    let title = format!("{style} {thing}");
    // The category in the slug keeps apart what is called alike in two of them.
    let slug = Slug::derive(&format!("{} {title}", goods.slug)).context("a slug")?;
    let base = price(goods, number);
    let variants = goods.values.iter().enumerate().map(|(place, (value, percent))| {
        anyhow::Ok(VariantContent {
            sku: format!("{}-{:02}-{}", goods.code, number + 1, place + 1).parse()?,
            options: vec![(*value).to_owned()],
            prices: vec![Money::new(rounded(base * percent / 100), Currency::EUR)],
            backorder: Backorder::default(),
        })
    });
    Ok(Content {
        description: format!("{title} by {}. {}", goods.vendor, goods.about),
        title,
        slug,
        status: Status::Published,
        category: Some(goods.slug.parse()?),
        category_title: Some(goods.title.to_owned()),
        vendor: Some(goods.vendor.to_owned()),
        tags: vec![style.to_lowercase()],
        options: vec![goods.option.to_owned()],
        variants: variants.collect::<Result<_>>()?,
        images: Vec::new(),
    })
}

/// A base price within the category's bounds.
fn price(goods: &Goods, number: usize) -> i64 {
    let (low, high) = goods.price;
    // 7 and 25 have no common divisor, so that neighbours differ and the whole range is used.
    low + (high - low) * (number as i64 * 7 % 25) / 24
}

/// Prices end in 90 cents, as in shops.
fn rounded(cents: i64) -> i64 {
    (cents / 100) * 100 + 90
}

/// Mostly plenty, sometimes nearly gone, now and then sold out: a shop in which every state can be seen. The first is
/// never sold out, because the printed order is for it.
fn on_hand(number: usize) -> i64 {
    match number {
        0 => 250,
        _ if number.is_multiple_of(29) => 0,
        _ if number.is_multiple_of(13) => 1 + number as i64 % 3,
        _ => 20 + number as i64 * 37 % 180,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Demo, demo};

    #[test]
    fn it_is_a_shop_worth_browsing() {
        let Demo { products, stock } = demo().unwrap();
        let categories: BTreeSet<_> = products.iter().map(|product| product.category.clone()).collect();
        let slugs: BTreeSet<_> = products.iter().map(|product| product.slug.as_str()).collect();
        let skus: BTreeSet<_> = stock.iter().map(|(sku, _)| sku.as_str()).collect();
        assert_eq!((products.len(), categories.len()), (300, 12));
        assert_eq!((slugs.len(), skus.len()), (products.len(), stock.len()));
        assert!(stock.iter().any(|(_, units)| *units == 0) && stock.iter().any(|(_, units)| *units == 1));
        assert!(stock[0].1 > 100);
        for product in &products {
            for variant in &product.variants {
                assert!((90..100_000).contains(&variant.prices[0].amount), "{product:?}");
                assert_eq!(variant.options.len(), product.options.len());
            }
        }
    }

    #[test]
    fn it_is_the_same_every_time() {
        let (one, other) = (demo().unwrap(), demo().unwrap());
        assert_eq!((one.products, one.stock), (other.products, other.stock));
    }
}
