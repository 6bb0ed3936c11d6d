use serde::{Deserialize, Serialize};
use storage::Read;

use crate::catalog::{Categories, Outcome, Slug, save};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// Adds a category. Refused with `already_exists` if its slug is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateCategory {
    pub slug: Slug,
    pub title: String,
}

impl Execute for CreateCategory {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        if ctx.tx.contains::<Categories>(&self.slug)? {
            let detail = format!("there is a category {}", self.slug);
            return Err(Rejection::at(Code::AlreadyExists, "/slug", detail).into());
        }
        let category = save::add_category(ctx, &self.slug, &self.title)?;
        Ok(Outcome::Category { slug: self.slug.clone(), category }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::CreateCategory;
    use crate::testing::Bench;

    #[test]
    fn a_slug_is_taken_once() {
        let mut bench = Bench::new();
        let command = CreateCategory { slug: "tea".parse().unwrap(), title: "Tea".into() };
        bench.ok(command.clone());
        assert_eq!(bench.refused(command).code.as_str(), "already_exists");
        assert_eq!(bench.event_kinds(), ["shopnode.category.created.v1"]);
    }
}
