use serde::{Deserialize, Serialize};

use crate::catalog::{Content, Outcome, save};
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::ProductId;
use crate::rejection::Halt;

/// Adds a product. Refused with `already_exists` if its slug or one of its SKUs is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateProduct {
    pub content: Content,
}

impl Execute for CreateProduct {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let id = ProductId::fresh(&mut ctx.ids);
        let product = save::save(ctx, id, None, &self.content, "")?;
        Ok(Outcome::Product { id, product }.into())
    }
}

#[cfg(test)]
mod tests {
    use storage::Read;

    use super::CreateProduct;
    use crate::catalog::commands::fixtures::{create, tea};
    use crate::catalog::{Categories, ProductsBySlug, Skus};
    use crate::money::Money;
    use crate::testing::Bench;

    #[test]
    fn a_product_comes_with_its_skus_category_and_indexes() {
        let mut bench = Bench::new();
        let (id, product) = create(&mut bench, tea("green-tea", "TEA-1"));
        let view = bench.view();
        let row = view.get::<Skus>(&"TEA-1".parse().unwrap()).unwrap().unwrap();
        assert_eq!((row.product, row.variant, row.sellable), (id, product.variants[0].id, true));
        assert_eq!((row.title.as_str(), row.options.as_str()), ("Green tea", "100 g"));
        assert_eq!(view.get::<ProductsBySlug>(&product.slug).unwrap(), Some(id));
        assert_eq!(view.get::<Categories>(&"tea".parse().unwrap()).unwrap().unwrap().title, "Tea");
        drop(view);
        assert_eq!(bench.event_kinds(), ["shopnode.category.created.v1", "shopnode.product.created.v1"]);
    }

    #[test]
    fn slug_and_skus_are_unique() {
        let mut bench = Bench::new();
        create(&mut bench, tea("green-tea", "TEA-1"));
        let check = |bench: &mut Bench, slug, sku, pointer: &str| {
            let rejection = bench.refused(CreateProduct { content: tea(slug, sku) });
            assert_eq!(rejection.code.as_str(), "already_exists");
            assert_eq!(rejection.errors[0].pointer, pointer);
        };
        check(&mut bench, "green-tea", "TEA-2", "/slug");
        check(&mut bench, "other-tea", "TEA-1", "/variants/0/sku");
    }

    #[test]
    fn what_orders_rely_on_is_checked_again() {
        let mut bench = Bench::new();
        let check = |bench: &mut Bench, change: &dyn Fn(&mut CreateProduct), pointer: &str| {
            let mut command = CreateProduct { content: tea("green-tea", "TEA-1") };
            change(&mut command);
            assert_eq!(bench.refused(command).errors[0].pointer, pointer);
        };
        check(&mut bench, &|c| c.content.variants[0].prices[0].amount = -1, "/variants/0/prices/0");
        check(&mut bench, &|c| c.content.variants[0].prices[0].amount = i64::MAX, "/variants/0/prices/0");
        let euro = Money::new(1, "EUR".parse().unwrap());
        check(&mut bench, &|c| c.content.variants[0].prices.push(euro), "/variants/0/prices/1");
        check(&mut bench, &|c| c.content.variants.push(c.content.variants[0].clone()), "/variants/1/sku");
        check(&mut bench, &|c| c.content.category_title = None, "/category");
    }
}
