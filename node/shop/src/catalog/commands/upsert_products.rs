use serde::{Deserialize, Serialize};
use storage::Read;

use crate::catalog::{Change, Content, Outcome, Products, ProductsBySlug, Upserted, save};
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::ProductId;
use crate::rejection::Halt;

/// Writes products by slug, as an import does: new ones are created, others get this content. One that has it already
/// is left alone: no event, no revision. All or none of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpsertProducts {
    pub products: Vec<Content>,
}

/// The most products of one command.
pub const MAX_PRODUCTS: usize = 50;
/// The keys that new products may write in one command: far below the bound of 1,000, because the SKUs that replaced
/// revisions lose count too and are not known here.
const MAX_NEW_KEYS: usize = 400;
/// The bytes of one command's products, half of the 256 KiB that an entry may have.
const MAX_BYTES: usize = 128 * 1024;

impl UpsertProducts {
    /// Cuts a list of products into commands that fit. One that is refused with `command_too_large` all the same
    /// (its products lose very many SKUs) goes through after [`UpsertProducts::halves`].
    pub fn chunks(products: Vec<Content>) -> Vec<Self> {
        let mut chunks: Vec<Self> = Vec::new();
        let (mut keys, mut bytes) = (usize::MAX, usize::MAX);
        for product in products {
            let (more_keys, more_bytes) = (6 + product.variants.len(), size(&product));
            let full = chunks.last().is_none_or(|chunk| chunk.products.len() >= MAX_PRODUCTS);
            let too_much = keys.saturating_add(more_keys) > MAX_NEW_KEYS || bytes.saturating_add(more_bytes) > MAX_BYTES;
            if full || too_much {
                chunks.push(Self { products: Vec::new() });
                (keys, bytes) = (0, 0);
            }
            (keys, bytes) = (keys + more_keys, bytes + more_bytes);
            if let Some(chunk) = chunks.last_mut() {
                chunk.products.push(product);
            }
        }
        chunks
    }

    /// The same work in two commands; `None` for a single product.
    pub fn halves(mut self) -> Option<(Self, Self)> {
        if self.products.len() < 2 {
            return None;
        }
        let second = self.products.split_off(self.products.len() / 2);
        Some((self, Self { products: second }))
    }
}

/// An upper bound of a product's encoded size, within a few bytes per field.
fn size(product: &Content) -> usize {
    let texts = |texts: &[String]| texts.iter().map(|text| text.len() + 5).sum::<usize>();
    let variants = product.variants.iter().map(|v| 80 + texts(&v.options) + 20 * v.prices.len()).sum::<usize>();
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let category = product.category.as_ref().map_or(0, |slug| slug.as_str().len());
    let single = product.title.len() + product.slug.as_str().len() + product.description.len() + category;
    let rest = optional(&product.category_title) + optional(&product.vendor) + 100;
    single + rest + texts(&product.tags) + texts(&product.options) + texts(&product.images) + variants
}

impl Execute for UpsertProducts {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let mut products = Vec::with_capacity(self.products.len());
        for (at, content) in self.products.iter().enumerate() {
            products.push(upsert(ctx, content, &format!("/products/{at}"))?);
        }
        Ok(Outcome::Upserted { products }.into())
    }
}

fn upsert(ctx: &mut Ctx<'_, '_>, content: &Content, pointer: &str) -> Result<Upserted, Halt> {
    let Some(product) = ctx.tx.get::<ProductsBySlug>(&content.slug)? else {
        let product = ProductId::fresh(&mut ctx.ids);
        save::save(ctx, product, None, content, pointer)?;
        return Ok(Upserted { product, change: Change::Created });
    };
    let before = ctx.tx.get::<Products>(&product)?;
    if before.as_ref().is_some_and(|before| before.has(content)) {
        return Ok(Upserted { product, change: Change::Unchanged });
    }
    save::save(ctx, product, before.as_ref(), content, pointer)?;
    Ok(Upserted { product, change: Change::Updated })
}

#[cfg(test)]
mod tests {
    use super::{MAX_PRODUCTS, UpsertProducts};
    use crate::catalog::commands::fixtures::tea;
    use crate::catalog::{Change, Content, Outcome};
    use crate::testing::Bench;

    fn changes(bench: &mut Bench, products: Vec<Content>) -> Vec<Change> {
        match bench.ok(UpsertProducts { products }) {
            crate::Outcome::Catalog(Outcome::Upserted { products }) => products.iter().map(|p| p.change).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_second_time_nothing_changes() {
        let mut bench = Bench::new();
        let products = vec![tea("green-tea", "TEA-1"), tea("black-tea", "TEA-2")];
        assert_eq!(changes(&mut bench, products.clone()), [Change::Created, Change::Created]);
        let before = bench.store.digest();
        assert_eq!(changes(&mut bench, products.clone()), [Change::Unchanged, Change::Unchanged]);
        assert_eq!(before, bench.store.digest());
        let mut changed = products;
        changed[1].title = "Black tea".into();
        assert_eq!(changes(&mut bench, changed), [Change::Unchanged, Change::Updated]);
    }

    #[test]
    fn all_or_none() {
        let mut bench = Bench::new();
        let rejection = bench.refused(UpsertProducts { products: vec![tea("a", "TEA-1"), tea("b", "TEA-1")] });
        assert_eq!(rejection.errors[0].pointer, "/products/1/variants/0/sku");
    }

    #[test]
    fn chunks_fit_an_entry() {
        let mut big = tea("big", "BIG");
        big.description = "x".repeat(32 * 1024);
        let mut wide = tea("wide", "WIDE");
        for number in 1..100 {
            let mut variant = wide.variants[0].clone();
            variant.sku = format!("WIDE-{number}").parse().unwrap();
            wide.variants.push(variant);
        }
        let mut products = vec![big; 9];
        products.extend(vec![wide; 9]);
        products.extend(vec![tea("small", "SMALL"); 120]);
        let chunks = UpsertProducts::chunks(products);
        assert_eq!(chunks.iter().map(|chunk| chunk.products.len()).sum::<usize>(), 138);
        for chunk in &chunks {
            assert!(!chunk.products.is_empty() && chunk.products.len() <= MAX_PRODUCTS);
            assert!(storage::encode(chunk).unwrap().len() < 250 * 1024);
            let skus: usize = chunk.products.iter().map(|product| product.variants.len()).sum();
            assert!(skus + 6 * chunk.products.len() <= 1_000);
        }
        assert!(UpsertProducts { products: vec![tea("a", "A")] }.halves().is_none());
        let (first, second) = UpsertProducts { products: vec![tea("a", "A"); 5] }.halves().unwrap();
        assert_eq!((first.products.len(), second.products.len()), (2, 3));
    }
}
