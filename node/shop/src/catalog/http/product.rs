use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::catalog::{
    Backorder, Content, CreateProduct, MAX_DESCRIPTION_BYTES, MAX_IMAGES, MAX_OPTIONS, MAX_PRICES, MAX_TAGS,
    MAX_VARIANTS, Product, Sku, Slug, Status, UpdateProduct, Variant, VariantContent, image_in,
};
use crate::http::{Checks, from_value, item, member, merge_patch};
use crate::ids::ProductId;
use crate::money::Money;
use crate::rejection::Rejection;

/// The body of `POST /admin/v1/products`; a merge patch of it is that of `PATCH`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductInput {
    #[schema(min_length = 1, max_length = 255, example = "Green tea")]
    pub title: String,
    /// Its name in URLs; made of the title if missing.
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100, example = "green-tea")]
    pub slug: Option<String>,
    /// At most 32 KiB; HTML is kept as it is.
    #[serde(default)]
    #[schema(max_length = 32768)]
    pub description: String,
    #[serde(default)]
    pub status: Status,
    /// A category, by slug or title; one that is not there yet is made.
    #[serde(default)]
    #[schema(max_length = 100, example = "tea")]
    pub category: Option<String>,
    #[serde(default)]
    #[schema(max_length = 255)]
    pub vendor: Option<String>,
    #[serde(default)]
    #[schema(max_items = 100)]
    pub tags: Vec<String>,
    /// The names of its options, in the order in which they are shown; all names of the variants' options if missing.
    #[serde(default)]
    #[schema(max_items = 5)]
    pub options: Option<Vec<String>>,
    #[schema(min_items = 1, max_items = 100)]
    pub variants: Vec<VariantInput>,
    /// URLs that begin with `https://` or `http://`, or those of images of this shop.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub images: Vec<String>,
}

/// A variant in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VariantInput {
    pub sku: Sku,
    /// Its value for each option of the product.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// At most one per currency; without any it cannot be sold.
    #[serde(default)]
    #[schema(max_items = 20)]
    pub prices: Vec<Money>,
    #[serde(default)]
    pub backorder: Backorder,
}

impl ProductInput {
    /// The command that creates the product; `invalid_value` with all places otherwise.
    pub fn command(self) -> Result<CreateProduct, Rejection> {
        Ok(CreateProduct { content: self.content()? })
    }

    /// What the command carries.
    pub fn content(self) -> Result<Content, Rejection> {
        let mut checks = Checks::new();
        let slug = match &self.slug {
            Some(slug) => checks.parse::<Slug>("/slug", slug),
            None => {
                let derived = Slug::derive(&self.title);
                if derived.is_none() {
                    checks.fail("/slug", "the title has no letters to make a slug of: send one");
                }
                derived
            }
        };
        let category = self.category.as_deref().and_then(|text| {
            let derived = Slug::derive(text);
            if derived.is_none() {
                checks.fail("/category", "expected a slug or a title with at least one letter");
            }
            derived
        });
        let category_title = self.category.as_deref().filter(|_| category.is_some()).map(title_of);
        let options = self.options.unwrap_or_else(|| option_names(&self.variants));
        let mut variants = Vec::with_capacity(self.variants.len());
        for (at, variant) in self.variants.into_iter().enumerate() {
            variants.push(variant.content(&options, &item("/variants", at), &mut checks));
        }
        let Some(slug) = slug else {
            checks.finish()?;
            return Err(Rejection::at(crate::Code::InvalidValue, "/slug", "a slug is needed"));
        };
        let content = Content {
            title: self.title,
            slug,
            description: self.description,
            status: self.status,
            category,
            category_title,
            vendor: self.vendor,
            tags: self.tags,
            options,
            variants,
            images: self.images,
        };
        check_content(&content, &mut checks);
        checks.finish()?;
        Ok(content)
    }
}

impl VariantInput {
    fn content(self, names: &[String], pointer: &str, checks: &mut Checks) -> VariantContent {
        let mut options = Vec::with_capacity(names.len());
        for name in names {
            let at = member(&format!("{pointer}/options"), name);
            match self.options.get(name) {
                Some(value) => options.push(value.clone()),
                None => checks.fail(at, "each variant has a value for each option of the product"),
            }
        }
        for name in self.options.keys().filter(|name| !names.contains(name)) {
            checks.fail(member(&format!("{pointer}/options"), name), "the product has no such option");
        }
        VariantContent { sku: self.sku, options, prices: self.prices, backorder: self.backorder }
    }
}

/// The bounds of a product, whoever wrote it: a person or an import.
pub fn check_content(content: &Content, checks: &mut Checks) {
    checks.line("/title", &content.title, 1..=255);
    checks.prose("/description", &content.description, MAX_DESCRIPTION_BYTES);
    checks.optional_line("/category", content.category_title.as_deref(), 1..=100);
    checks.optional_line("/vendor", content.vendor.as_deref(), 1..=255);
    check_lines(checks, "/tags", &content.tags, MAX_TAGS, 255);
    check_lines(checks, "/options", &content.options, MAX_OPTIONS, 100);
    check_lines(checks, "/images", &content.images, MAX_IMAGES, 2_048);
    for (at, url) in content.images.iter().enumerate() {
        let expected = match image_in(url) {
            Some(Ok(_)) => continue,
            Some(Err(_)) => "expected /store/v1/images/ and the hash that the upload has answered",
            None if url.starts_with("https://") || url.starts_with("http://") => continue,
            None => "expected a URL that begins with https:// or http://, or one of this shop's images",
        };
        checks.fail(item("/images", at), expected);
    }
    checks.length("/variants", content.variants.len(), 1..=MAX_VARIANTS, "variants");
    for (at, variant) in content.variants.iter().enumerate() {
        let pointer = item("/variants", at);
        for value in &variant.options {
            checks.line(&format!("{pointer}/options"), value, 1..=255);
        }
        checks.length(&format!("{pointer}/prices"), variant.prices.len(), 0..=MAX_PRICES, "prices");
        for (number, price) in variant.prices.iter().enumerate() {
            let pointer = item(&format!("{pointer}/prices"), number);
            checks.money(&pointer, *price);
            if variant.prices[..number].iter().any(|other| other.currency == price.currency) {
                checks.fail(pointer, format!("there is another price in {}", price.currency));
            }
        }
        for other in &content.variants[..at] {
            if other.sku == variant.sku {
                checks.fail(format!("{pointer}/sku"), format!("SKU {} is there twice", variant.sku));
            } else if other.options == variant.options {
                checks.fail(format!("{pointer}/options"), format!("SKU {} has the same options", other.sku));
            }
        }
    }
}

fn check_lines(checks: &mut Checks, pointer: &str, lines: &[String], most: usize, chars: usize) {
    checks.length(pointer, lines.len(), 0..=most, "items");
    for (at, line) in lines.iter().enumerate().take(most) {
        checks.line(&item(pointer, at), line, 1..=chars);
    }
}

/// The command that applies a merge patch (RFC 7396) to the product that was read at this revision.
pub fn patch_product(id: ProductId, current: &Product, patch: Value) -> Result<UpdateProduct, Rejection> {
    let before = from_product(current);
    let target = serde_json::to_value(&before).unwrap_or(Value::Null);
    let patched: ProductInput = from_value(merge_patch(target, patch))?;
    Ok(UpdateProduct { id, if_revision: current.revision, content: patched.content()? })
}

fn from_product(product: &Product) -> ProductInput {
    let variant = |variant: &Variant| VariantInput {
        sku: variant.sku.clone(),
        options: product.options.iter().cloned().zip(variant.options.iter().cloned()).collect(),
        prices: variant.prices.clone(),
        backorder: variant.backorder,
    };
    ProductInput {
        title: product.title.clone(),
        slug: Some(product.slug.to_string()),
        description: product.description.clone(),
        status: product.status,
        category: product.category.as_ref().map(Slug::to_string),
        vendor: product.vendor.clone(),
        tags: product.tags.clone(),
        options: Some(product.options.clone()),
        variants: product.variants.iter().map(variant).collect(),
        images: product.images.clone(),
    }
}

fn option_names(variants: &[VariantInput]) -> Vec<String> {
    let mut names: Vec<String> =
        variants.iter().flat_map(|variant| variant.options.keys().cloned()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The title of a category that is named by slug: `green-tea` becomes `Green tea`; other texts stay as they are.
fn title_of(text: &str) -> String {
    if text.parse::<Slug>().is_err() {
        return text.trim().to_owned();
    }
    let spaced = text.replace(['-', '_'], " ");
    let mut chars = spaced.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{ProductInput, patch_product};
    use crate::catalog::Status;
    use crate::catalog::commands::fixtures::{create, tea};
    use crate::http::from_value;
    use crate::testing::Bench;

    fn input(body: Value) -> ProductInput {
        from_value(body).expect("a body")
    }

    #[test]
    fn the_documented_body_becomes_a_command() {
        let body = json!({
            "title": "Green tea", "slug": "green-tea", "status": "published", "category": "tea",
            "variants": [{"sku": "TEA-1", "options": {"size": "100 g"}, "prices": [{"amount": 999, "currency": "EUR"}]}],
        });
        let content = input(body).command().unwrap().content;
        assert_eq!(content, tea("green-tea", "TEA-1"));
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let content = input(json!({"title": "Ada's Tea", "variants": [{"sku": "A"}]})).content().unwrap();
        assert_eq!((content.slug.as_str(), content.status), ("adas-tea", Status::Draft));
        assert!(content.variants[0].prices.is_empty() && content.options.is_empty());
    }

    #[test]
    fn all_troubles_are_told_at_once() {
        let body = json!({
            "title": "", "slug": "Not A Slug", "options": ["size"], "images": ["ftp://x"],
            "variants": [
                {"sku": "A", "options": {"size": "1"}, "prices": [{"amount": -1, "currency": "EUR"}]},
                {"sku": "A", "options": {"colour/hue": "red"}},
            ],
        });
        let rejection = input(body).command().unwrap_err();
        let pointers: Vec<&str> = rejection.errors.iter().map(|at| at.pointer.as_str()).collect();
        assert_eq!(pointers, ["/slug", "/variants/1/options/size", "/variants/1/options/colour~1hue"]);
        let body = json!({"title": "", "slug": "a", "images": ["ftp://x"], "variants": [
            {"sku": "A", "prices": [{"amount": -1, "currency": "EUR"}]}, {"sku": "A"}, {"sku": "B"},
        ]});
        let rejection = input(body).command().unwrap_err();
        let pointers: Vec<&str> = rejection.errors.iter().map(|at| at.pointer.as_str()).collect();
        assert_eq!(
            pointers,
            [
                "/title",
                "/images/0",
                "/variants/0/prices/0/amount",
                "/variants/1/sku",
                "/variants/2/options",
                "/variants/2/options"
            ]
        );
    }

    #[test]
    fn an_image_is_a_url_or_one_of_the_shop_s() {
        let own = format!("/store/v1/images/{}", "0a".repeat(32));
        let images = json!(["https://x/y.png", own, "/store/v1/images/0A", "/store/v1/carts", "//x/y"]);
        let mut body = json!({"title": "Tea", "images": images, "variants": [{"sku": "A"}]});
        let rejection = input(body.clone()).content().unwrap_err();
        let pointers: Vec<&str> = rejection.errors.iter().map(|at| at.pointer.as_str()).collect();
        assert_eq!(pointers, ["/images/2", "/images/3", "/images/4"]);
        body["images"] = json!(["https://x/y.png", own]);
        let content = input(body).content().unwrap();
        let found: Vec<(usize, String)> =
            content.own_images().map(|(at, hash)| (at, hash.to_string())).collect();
        assert_eq!(found, [(1, "0a".repeat(32))]);
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let mut bench = Bench::new();
        let (id, product) = create(&mut bench, tea("green-tea", "TEA-1"));
        let command = patch_product(id, &product, json!({"title": "Sencha", "category": null})).unwrap();
        assert_eq!((command.if_revision, command.content.title.as_str()), (1, "Sencha"));
        assert_eq!(command.content.category, None);
        assert_eq!(command.content.variants, product.content().variants);
        let unknown = patch_product(id, &product, json!({"revision": 7})).unwrap_err();
        assert_eq!(unknown.code.as_str(), "invalid_value");
        assert!(patch_product(id, &product, json!([])).is_err());
    }
}
