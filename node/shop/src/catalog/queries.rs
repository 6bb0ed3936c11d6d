//! Reading the catalogue. Every list runs over an index, and at most three of them.

use storage::{Fault, Read, Span, Stored, Table};

use crate::catalog::{
    Categories, Category, Product, Products, ProductsByCategory, ProductsBySlug, ProductsByStatus, Sku,
    SkuRecord, Skus, Slug, Status,
};
use crate::ids::ProductId;
use crate::page::Found;
use crate::time::Timestamp;

/// Which products a list has, in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only with this status; `None`: all.
    pub status: Option<Status>,
    /// Only in this category; `None`: all.
    pub category: Option<Slug>,
    /// Created at this time or later.
    pub created_from: Option<Timestamp>,
    /// Created before this time.
    pub created_before: Option<Timestamp>,
    pub newest_first: bool,
}

impl Filter {
    /// The least id in the filter, and the least one behind it.
    fn ids(&self) -> (ProductId, ProductId) {
        let first = self.created_from.map_or(ProductId([0; 16]), ProductId::least_at);
        let end = self.created_before.map_or(ProductId([0xff; 16]), ProductId::least_at);
        (first, end.max(first))
    }

    fn span<T: Table>(&self, key: impl Fn(ProductId) -> T::Key, after: Option<ProductId>) -> Span<T> {
        let (first, end) = self.ids();
        let span = Span::from(&key(first)).until(&key(end));
        let span = if self.newest_first { span.reversed() } else { span };
        match after {
            Some(after) => span.resume_after(&key(after)),
            None => span,
        }
    }
}

/// A product by id.
pub fn product(read: &impl Read, id: ProductId) -> Result<Option<Product>, Fault> {
    read.get::<Products>(&id)
}

/// A product as it is stored, for who has shown the same bytes before.
pub fn stored_product(read: &impl Read, id: ProductId) -> Result<Option<Stored<Products>>, Fault> {
    read.stored::<Products>(&id)
}

/// The product that has a slug.
pub fn product_id(read: &impl Read, slug: &Slug) -> Result<Option<ProductId>, Fault> {
    read.get::<ProductsBySlug>(slug)
}

/// A product by slug.
pub fn product_by_slug(read: &impl Read, slug: &Slug) -> Result<Option<(ProductId, Product)>, Fault> {
    match product_id(read, slug)? {
        Some(id) => Ok(product(read, id)?.map(|product| (id, product))),
        None => Ok(None),
    }
}

/// A SKU.
pub fn sku(read: &impl Read, sku: &Sku) -> Result<Option<SkuRecord>, Fault> {
    read.get::<Skus>(sku)
}

/// Products in the order of their creation. `after` is the `next` of the piece before.
pub fn products(
    read: &impl Read,
    filter: &Filter,
    after: Option<ProductId>,
    limit: usize,
) -> Result<Found<(ProductId, Product), ProductId>, Fault> {
    let ids = match (&filter.category, filter.status) {
        (None, None) => return Found::of(read.scan(filter.span::<Products>(|id| id, after)), limit),
        (None, Some(status)) => {
            let span = filter.span::<ProductsByStatus>(|id| (status, id), after);
            Found::of(read.scan(span).map(|record| record.map(|((_, id), _)| (id, ()))), limit)?
        }
        (Some(category), Some(status)) => in_category(read, filter, category, &[status], after, limit)?,
        (Some(category), None) => in_category(read, filter, category, &Status::ALL, after, limit)?,
    };
    ids.try_map(|(id, ())| {
        let product = product(read, id)?;
        product
            .map(|product| (id, product))
            .ok_or_else(|| Fault::corrupt("an index of products", format!("{id} is indexed and not there")))
    })
}

/// The index of a category is by status: the beginnings of up to three stretches are merged.
fn in_category(
    read: &impl Read,
    filter: &Filter,
    category: &Slug,
    statuses: &[Status],
    after: Option<ProductId>,
    limit: usize,
) -> Result<Found<(ProductId, ()), ProductId>, Fault> {
    let mut ids = Vec::new();
    for status in statuses {
        let span = filter.span::<ProductsByCategory>(|id| (category.clone(), *status, id), after);
        for record in read.scan(span).take(limit + 1) {
            ids.push(record?.0.2);
        }
    }
    ids.sort_unstable();
    if filter.newest_first {
        ids.reverse();
    }
    Found::of(ids.into_iter().map(|id| Ok((id, ()))), limit)
}

/// A category.
pub fn category(read: &impl Read, slug: &Slug) -> Result<Option<Category>, Fault> {
    read.get::<Categories>(slug)
}

/// Categories in the order of their slugs.
pub fn categories(
    read: &impl Read,
    after: Option<Slug>,
    limit: usize,
) -> Result<Found<(Slug, Category), Slug>, Fault> {
    let span = after.map_or_else(Span::all, |after| Span::after(&after));
    Found::of(read.scan::<Categories>(span), limit)
}

#[cfg(test)]
mod tests {
    use super::{Filter, categories, product_by_slug, products};
    use crate::catalog::Status;
    use crate::catalog::commands::fixtures::{create, tea};
    use crate::testing::Bench;
    use crate::time::Timestamp;

    /// Twelve products: statuses in turn, every second one in category `b`.
    fn shop() -> Bench {
        let mut bench = Bench::new();
        for number in 0..12 {
            let mut content = tea(&format!("tea-{number}"), &format!("TEA-{number}"));
            content.status = Status::ALL[number % 3];
            content.category = Some(["a", "b"][number % 2].parse().unwrap());
            create(&mut bench, content);
            bench.pass_millis(999);
        }
        bench
    }

    fn listed(bench: &Bench, filter: &Filter, limit: usize) -> Vec<String> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let found = products(&bench.view(), filter, after, limit).unwrap();
            all.extend(found.items.iter().map(|(_, product)| product.slug.to_string()[4..].to_owned()));
            after = found.next;
            if after.is_none() {
                return all;
            }
        }
    }

    #[test]
    fn filters_pages_and_order() {
        let bench = shop();
        let check = |filter: Filter, expect: &[&str]| {
            let newest = Filter { newest_first: true, ..filter.clone() };
            let backwards: Vec<&str> = expect.iter().rev().copied().collect();
            for limit in [1, 2, 5, 100] {
                assert_eq!(listed(&bench, &filter, limit), expect, "{filter:?} by {limit}");
                assert_eq!(listed(&bench, &newest, limit), backwards, "{newest:?} by {limit}");
            }
        };
        let at = |second: u64| Some(Timestamp::from_millis(crate::testing::BEGIN_MILLIS + second * 1_000));
        let category = Some("b".parse().unwrap());
        let all = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"];
        check(Filter::default(), &all);
        check(Filter { status: Some(Status::Published), ..Filter::default() }, &["1", "4", "7", "10"]);
        check(Filter { category: category.clone(), ..Filter::default() }, &["1", "3", "5", "7", "9", "11"]);
        let both = Filter { category, status: Some(Status::Draft), ..Filter::default() };
        check(both.clone(), &["3", "9"]);
        check(Filter { created_from: at(4), ..both }, &["9"]);
        check(Filter { created_from: at(3), created_before: at(5), ..Filter::default() }, &["3", "4"]);
        check(Filter { created_from: at(5), created_before: at(3), ..Filter::default() }, &[]);
    }

    #[test]
    fn by_slug_and_categories() {
        let bench = shop();
        let found = product_by_slug(&bench.view(), &"tea-7".parse().unwrap()).unwrap();
        assert_eq!(found.unwrap().1.variants[0].sku.as_str(), "TEA-7");
        assert!(product_by_slug(&bench.view(), &"tea-99".parse().unwrap()).unwrap().is_none());
        let first = categories(&bench.view(), None, 1).unwrap();
        assert_eq!(first.items[0].0.as_str(), "a");
        assert_eq!(categories(&bench.view(), first.next, 1).unwrap().items[0].0.as_str(), "b");
    }
}
