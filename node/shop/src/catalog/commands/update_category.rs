use serde::{Deserialize, Serialize};
use storage::Read;

use crate::catalog::{Categories, Event, Outcome, Slug};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// Gives a category another title.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateCategory {
    pub slug: Slug,
    /// Refused with `precondition_failed` if it is not the current one; `None`: any.
    pub if_revision: Option<u64>,
    pub title: String,
}

impl Execute for UpdateCategory {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        let Some(mut category) = ctx.tx.get::<Categories>(&self.slug)? else {
            return Err(Rejection::new(Code::NotFound, format!("there is no category {}", self.slug)).into());
        };
        if self.if_revision.is_some_and(|revision| revision != category.revision) {
            let detail = format!("category {} is at revision {}", self.slug, category.revision);
            return Err(Rejection::new(Code::PreconditionFailed, detail).into());
        }
        if category.title != self.title {
            category.title.clone_from(&self.title);
            category.revision += 1;
            category.updated_at = ctx.now;
            ctx.tx.put::<Categories>(&self.slug, &category)?;
            let (slug, revision) = (self.slug.clone(), category.revision);
            ctx.emit(crate::Event::Catalog(Event::CategoryUpdated { category: slug, revision }));
        }
        Ok(Outcome::Category { slug: self.slug.clone(), category }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::UpdateCategory;
    use crate::catalog::CreateCategory;
    use crate::testing::Bench;

    #[test]
    fn a_title_changes_once() {
        let mut bench = Bench::new();
        let slug: crate::catalog::Slug = "tea".parse().unwrap();
        let command = UpdateCategory { slug: slug.clone(), if_revision: Some(1), title: "Teas".into() };
        assert_eq!(bench.refused(command.clone()).code.as_str(), "not_found");
        bench.ok(CreateCategory { slug, title: "Tea".into() });
        bench.ok(command.clone());
        assert_eq!(bench.refused(command.clone()).code.as_str(), "precondition_failed");
        let before = bench.store.digest();
        bench.ok(UpdateCategory { if_revision: None, ..command });
        assert_eq!(before, bench.store.digest());
    }
}
