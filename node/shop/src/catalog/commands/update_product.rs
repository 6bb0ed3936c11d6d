use serde::{Deserialize, Serialize};
use storage::Read;

use crate::catalog::{Content, Outcome, Products, save};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::ProductId;
use crate::rejection::{Halt, Rejection};

/// Replaces what a product says with the result of a merge patch. A variant stays the same one as long as its SKU does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateProduct {
    pub id: ProductId,
    /// The revision that the patch was applied to: refused with `precondition_failed` if it is not the current one.
    pub if_revision: u64,
    pub content: Content,
}

impl Execute for UpdateProduct {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(before) = ctx.tx.get::<Products>(&self.id)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no product {}", self.id)).into());
        };
        if before.revision != self.if_revision {
            let (now, wanted) = (before.revision, self.if_revision);
            let detail = format!("product {} is at revision {now}, not {wanted}", self.id);
            return Err(Rejection::new(Code::PreconditionFailed, detail).into());
        }
        if before.has(&self.content) {
            return Ok(Outcome::Product { id: self.id, product: before }.into());
        }
        let product = save::save(ctx, self.id, Some(&before), &self.content, "")?;
        Ok(Outcome::Product { id: self.id, product }.into())
    }
}

#[cfg(test)]
mod tests {
    use storage::{Read, Span};

    use super::UpdateProduct;
    use crate::catalog::commands::fixtures::{create, tea};
    use crate::catalog::{ProductsByCategory, ProductsBySlug, ProductsByStatus, Skus, Status};
    use crate::testing::Bench;

    #[test]
    fn indexes_skus_and_prices_follow() {
        let mut bench = Bench::new();
        let (id, product) = create(&mut bench, tea("green-tea", "TEA-1"));
        let mut content = product.content();
        content.slug = "sencha".parse().unwrap();
        content.status = Status::Archived;
        content.category = Some("rare".parse().unwrap());
        content.category_title = Some("Rare".into());
        content.variants[0].prices[0].amount = 1_099;
        let mut second = content.variants[0].clone();
        second.sku = "TEA-2".parse().unwrap();
        content.variants.push(second);
        bench.ok(UpdateProduct { id, if_revision: 1, content: content.clone() });
        content.variants.remove(0);
        bench.ok(UpdateProduct { id, if_revision: 2, content });

        let view = bench.view();
        let keys = |records: Vec<Result<_, _>>| records.into_iter().map(|r| r.map(|(k, _)| k)).collect::<Vec<_>>();
        assert_eq!(
            keys(view.scan::<ProductsByStatus>(Span::all()).collect())[0].as_ref().unwrap(),
            &(Status::Archived, id)
        );
        let categories: Vec<_> = view.scan::<ProductsByCategory>(Span::all()).map(|r| r.unwrap().0).collect();
        assert_eq!(categories, [("rare".parse().unwrap(), Status::Archived, id)]);
        let slugs: Vec<_> = view.scan::<ProductsBySlug>(Span::all()).map(|r| r.unwrap().0).collect();
        assert_eq!(slugs, ["sencha".parse().unwrap()]);
        let skus: Vec<_> = view.scan::<Skus>(Span::all()).map(|r| r.unwrap()).collect();
        assert_eq!(skus.len(), 1);
        assert_eq!((skus[0].0.as_str(), skus[0].1.sellable), ("TEA-2", false));
        drop(view);
        assert_eq!(
            bench.event_kinds()[2..],
            [
                "shopnode.category.created.v1",
                "shopnode.product.updated.v1",
                "shopnode.price.changed.v1",
                "shopnode.product.updated.v1",
            ]
        );
    }

    #[test]
    fn a_stale_revision_is_refused() {
        let mut bench = Bench::new();
        let (id, product) = create(&mut bench, tea("green-tea", "TEA-1"));
        let command = UpdateProduct { id, if_revision: 2, content: product.content() };
        assert_eq!(bench.refused(command).code.as_str(), "precondition_failed");
    }

    #[test]
    fn the_same_content_changes_nothing() {
        let mut bench = Bench::new();
        let (id, product) = create(&mut bench, tea("green-tea", "TEA-1"));
        let before = bench.store.digest();
        bench.ok(UpdateProduct { id, if_revision: 1, content: product.content() });
        assert_eq!(before, bench.store.digest());
    }
}
