use serde::{Deserialize, Serialize};
use storage::Read;

use crate::catalog::{Products, Status, save};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::ids::ProductId;
use crate::rejection::{Halt, Rejection};

/// Removes a product for good: for what was made by mistake. What was sold is archived instead: a published product is
/// refused with `conflict`. Orders keep their own copy of what they say about it; stock rows stay under their SKUs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteProduct {
    pub id: ProductId,
    /// Refused with `precondition_failed` if it is not the current one; `None`: any.
    pub if_revision: Option<u64>,
}

impl Execute for DeleteProduct {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(product) = ctx.tx.get::<Products>(&self.id)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no product {}", self.id)).into());
        };
        if self.if_revision.is_some_and(|revision| revision != product.revision) {
            let detail = format!("product {} is at revision {}", self.id, product.revision);
            return Err(Rejection::new(Code::PreconditionFailed, detail).into());
        }
        if product.status == Status::Published {
            let detail = format!("product {} is published: archive it first", self.id);
            return Err(Rejection::new(Code::Conflict, detail).into());
        }
        save::remove(ctx, self.id, &product)?;
        Ok(crate::Outcome::Done)
    }
}

#[cfg(test)]
mod tests {
    use storage::{Read, Span};

    use super::DeleteProduct;
    use crate::catalog::commands::fixtures::{create, tea};
    use crate::catalog::{Products, ProductsByCategory, ProductsBySlug, ProductsByStatus, Skus, Status};
    use crate::testing::Bench;

    #[test]
    fn nothing_of_it_stays() {
        let mut bench = Bench::new();
        let mut draft = tea("green-tea", "TEA-1");
        draft.status = Status::Draft;
        let (id, _) = create(&mut bench, draft);
        bench.ok(DeleteProduct { id, if_revision: Some(1) });
        let view = bench.view();
        assert_eq!(view.scan::<Products>(Span::all()).count(), 0);
        assert_eq!(view.scan::<ProductsBySlug>(Span::all()).count(), 0);
        assert_eq!(view.scan::<ProductsByStatus>(Span::all()).count(), 0);
        assert_eq!(view.scan::<ProductsByCategory>(Span::all()).count(), 0);
        assert_eq!(view.scan::<Skus>(Span::all()).count(), 0);
    }

    #[test]
    fn what_is_for_sale_is_not_deleted() {
        let mut bench = Bench::new();
        let (id, _) = create(&mut bench, tea("green-tea", "TEA-1"));
        assert_eq!(bench.refused(DeleteProduct { id, if_revision: None }).code.as_str(), "conflict");
        assert_eq!(bench.refused(DeleteProduct { id, if_revision: Some(9) }).code.as_str(), "precondition_failed");
    }
}
