use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalog::{Category, CreateCategory, Slug, UpdateCategory};
use crate::http::Checks;
use crate::rejection::Rejection;
use crate::time::Timestamp;

/// The body of `POST /admin/v1/categories`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoryInput {
    #[schema(min_length = 1, max_length = 100, example = "Tea")]
    pub title: String,
    /// Its name in URLs; made of the title if missing.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 100, example = "tea")]
    pub slug: Option<String>,
}

impl CategoryInput {
    /// The command that creates it.
    pub fn command(self) -> Result<CreateCategory, Rejection> {
        let mut checks = Checks::new();
        checks.line("/title", &self.title, 1..=100);
        let slug = match &self.slug {
            Some(slug) => checks.parse("/slug", slug),
            None => Slug::derive(&self.title),
        };
        match slug {
            Some(slug) => checks.finish().map(|()| CreateCategory { slug, title: self.title }),
            None => {
                if self.slug.is_none() {
                    checks.fail("/slug", "the title has no letters to make a slug of: send one");
                }
                checks.finish()?;
                Err(Rejection::at(crate::Code::InvalidValue, "/slug", "a slug is needed"))
            }
        }
    }
}

/// The body of `PATCH /admin/v1/categories/{slug}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CategoryPatch {
    #[schema(min_length = 1, max_length = 100)]
    pub title: String,
}

impl CategoryPatch {
    /// The command that changes it. `if_revision` comes from `If-Match`.
    pub fn command(self, slug: Slug, if_revision: Option<u64>) -> Result<UpdateCategory, Rejection> {
        let mut checks = Checks::new();
        checks.line("/title", &self.title, 1..=100);
        checks.finish()?;
        Ok(UpdateCategory { slug, if_revision, title: self.title })
    }
}

/// A category as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CategoryView {
    pub slug: Slug,
    pub title: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub revision: u64,
}

impl CategoryView {
    /// The view of a category.
    pub fn of(slug: Slug, category: &Category) -> Self {
        let Category { title, created_at, updated_at, revision } = category.clone();
        Self { slug, title, created_at, updated_at, revision }
    }
}

#[cfg(test)]
mod tests {
    use super::CategoryInput;

    #[test]
    fn a_slug_is_derived_or_checked() {
        let check = |title: &str, slug: Option<&str>, expect: Result<&str, &str>| {
            let input = CategoryInput { title: title.into(), slug: slug.map(str::to_owned) };
            let found = input.command();
            let found = found.as_ref().map(|c| c.slug.as_str()).map_err(|r| r.errors[0].pointer.as_str());
            assert_eq!(found, expect);
        };
        check("Green Tea", None, Ok("green-tea"));
        check("Green Tea", Some("gt"), Ok("gt"));
        check("Green Tea", Some("G T"), Err("/slug"));
        check("!", None, Err("/slug"));
        check("", Some("gt"), Err("/title"));
    }
}
