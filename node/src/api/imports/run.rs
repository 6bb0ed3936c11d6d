//! Does an import: products in chunks, then stock, with the progress in the log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use futures::StreamExt;
use shop::Rejection;
use shop::broker::{JobError, Progress};
use shop::catalog::import::{Counted, Import, MAX_ERRORS, Places};
use shop::catalog::{self, Change, Content, Outcome, Slug, UpsertProducts, VariantContent};
use shop::ids::ProductId;
use shop::inventory::SetStock;
use shop::rejection::At;
use storage::{BlobHash, View};

use crate::api::catalog::no_image;
use crate::api::jobs::{Running, Verdict};
use crate::gateway::Problem;

/// Commands that set stock and are under way at once: one fsync serves many.
const AT_ONCE: usize = 32;
/// After how many of those the progress is told.
const REPORT_EVERY: usize = 500;

/// What there is to do: products and rows of stock; what was refused counts as done.
pub(super) fn total(import: &Import) -> u32 {
    let items = import.products.len() + import.stock.len() + import.refused as usize;
    // A file that is none at all is one item, so that its errors have a place.
    u32::try_from(items.max(usize::from(import.error_count > 0))).unwrap_or(u32::MAX)
}

/// Does the import.
pub(super) async fn run(job: Running, mut import: Import, dry_run: bool) -> Verdict {
    let places = std::mem::take(&mut import.places);
    let mut run =
        Run { job, progress: Progress::default(), untold: Vec::new(), places, refused: BTreeSet::new() };
    run.all(import, dry_run).await.unwrap_or_else(|problem| {
        tracing::error!(code = problem.code().as_str(), "an import has failed");
        Err(format!("{}: send the file again to go on", problem.code()))
    })
}

struct Run {
    job: Running,
    progress: Progress,
    /// Errors that no report has told yet.
    untold: Vec<JobError>,
    /// Where in the file the products are.
    places: BTreeMap<Slug, Places>,
    /// Products that the shop refused. Their SKUs may be another product's, whose stock is not this file's to tell.
    refused: BTreeSet<Slug>,
}

impl Run {
    async fn all(&mut self, mut import: Import, dry_run: bool) -> Result<Verdict, Problem> {
        self.progress.total = total(&import);
        self.progress.failed = import.error_count;
        self.progress.done = import.refused;
        let nothing_to_do = import.products.is_empty() && import.refused == 0;
        if nothing_to_do && import.error_count > 0 {
            self.progress.done = 1;
        }
        import.products = self.with_their_images(import.products).await?;
        if dry_run {
            let mut errors = import.errors;
            errors.extend(self.look(import.products).await?);
            errors.truncate(MAX_ERRORS);
            self.progress.done = self.progress.total;
            self.report(errors).await?;
        } else {
            self.report(import.errors).await?;
            for chunk in UpsertProducts::chunks(import.products) {
                self.products(chunk).await?;
            }
            self.stock(import.stock).await?;
        }
        Ok(if nothing_to_do { Err("the file has no product".to_owned()) } else { Ok(None) })
    }

    /// Counts what writing these products would change, and says what would be refused. In pieces, because commits wait
    /// while one is looked at.
    async fn look(&mut self, products: Vec<Content>) -> Result<Vec<JobError>, Problem> {
        let mut errors = Vec::new();
        // Products of the file that give up SKUs they have: those behind them may have them.
        let mut before = BTreeSet::new();
        for chunk in UpsertProducts::chunks(products) {
            let mut seen_before = std::mem::take(&mut before);
            let seen = self.job.app.read_local(move |view| {
                let (mut counts, mut taken) = ((0, 0, 0), Vec::new());
                for content in &chunk.products {
                    let found = catalog::product_by_slug(view, &content.slug)?;
                    let id = found.as_ref().map(|(id, _)| *id);
                    let others = taken_skus(view, content, |holder| {
                        Some(holder) == id || seen_before.contains(&holder)
                    })?;
                    if !others.is_empty() {
                        taken.push((content.slug.clone(), others));
                        continue;
                    }
                    match found {
                        None => counts.0 += 1,
                        Some((_, product)) if product.has(content) => counts.2 += 1,
                        Some(_) => counts.1 += 1,
                    }
                    seen_before.extend(id);
                }
                Ok((counts, taken, seen_before))
            });
            let ((created, updated, unchanged), taken, seen_before) = seen.await?.value;
            before = seen_before;
            self.progress.created += created;
            self.progress.updated += updated;
            self.progress.unchanged += unchanged;
            self.progress.failed += taken.len() as u32;
            for (slug, others) in taken {
                let places = self.places.get(&slug).cloned().unwrap_or_default();
                let told =
                    others.into_iter().map(|(variant, detail)| error(&slug, places.of_sku(variant), &detail));
                errors.extend(told.take(MAX_ERRORS.saturating_sub(errors.len())));
            }
        }
        Ok(errors)
    }

    /// Refuses the products that name an image of this shop which nobody has. The others' are there to stay.
    async fn with_their_images(&mut self, products: Vec<Content>) -> Result<Vec<Content>, Problem> {
        let named: BTreeSet<BlobHash> =
            products.iter().flat_map(|product| product.own_images().map(|(_, hash)| hash)).collect();
        if named.is_empty() {
            return Ok(products);
        }
        let missing = self.job.app.core.confirm_images(named.into_iter().collect()).await?;
        let mut kept = Vec::with_capacity(products.len());
        for product in products {
            let lacks = product.own_images().find(|(_, hash)| missing.contains(hash)).map(|(at, _)| at);
            match lacks {
                Some(at) => {
                    let At { pointer, code, detail } = no_image(at);
                    self.refuse(product.slug, &Rejection::at(code, pointer, detail)).await?;
                }
                None => kept.push(product),
            }
        }
        Ok(kept)
    }

    /// One chunk; one that is too large all the same, by halves.
    async fn products(&mut self, chunk: UpsertProducts) -> Result<(), Problem> {
        let mut left = vec![chunk];
        while let Some(chunk) = left.pop() {
            let count = chunk.products.len();
            let refused = match self.job.submit(chunk.clone()).await? {
                Ok(shop::Outcome::Catalog(Outcome::Upserted { products })) => {
                    let of = |change| products.iter().filter(|upserted| upserted.change == change).count();
                    self.progress.created += of(Change::Created) as u32;
                    self.progress.updated += of(Change::Updated) as u32;
                    self.progress.unchanged += of(Change::Unchanged) as u32;
                    self.progress.done += count as u32;
                    self.report(Vec::new()).await?;
                    continue;
                }
                Ok(other) => return Err(crate::gateway::unexpected(&other)),
                Err(rejection) => rejection,
            };
            match (chunk.products.first().map(|product| product.slug.clone()), chunk.halves()) {
                // What one product of a chunk is refused for must not keep the others out.
                (_, Some((first, second))) => left.extend([second, first]),
                (Some(slug), None) => self.refuse(slug, &refused).await?,
                (None, None) => {}
            }
        }
        Ok(())
    }

    async fn stock(&mut self, counted: Vec<Counted>) -> Result<(), Problem> {
        for piece in counted.chunks(REPORT_EVERY) {
            let this = &*self;
            let wanted = piece.iter().filter(|counted| !self.refused.contains(&counted.product));
            let wanted: Vec<Counted> = wanted.cloned().collect();
            let results: Vec<_> = futures::stream::iter(wanted)
                .map(|counted| async move {
                    let result = this.job.submit(set(&counted)).await;
                    (counted, result)
                })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            let mut errors = Vec::new();
            for (counted, result) in results {
                if let Err(rejection) = result? {
                    let places = self.places.get(&counted.product).cloned().unwrap_or_default();
                    errors.push(error(&counted.sku, places.of_units(counted.variant), &rejection.detail));
                }
            }
            self.progress.done += piece.len() as u32;
            self.progress.failed += errors.len() as u32;
            self.report(errors).await?;
        }
        Ok(())
    }

    async fn refuse(&mut self, slug: Slug, rejection: &Rejection) -> Result<(), Problem> {
        self.progress.failed += 1;
        self.progress.done += 1;
        let place = self.places.get(&slug).map_or((0, ""), |places| places.of(rejection));
        let told = error(&slug, place, &rejection.detail);
        self.refused.insert(slug);
        self.report(vec![told]).await
    }

    /// A report that is not ahead of the one before it is taken for a repetition: until something is done, errors wait.
    async fn report(&mut self, errors: Vec<JobError>) -> Result<(), Problem> {
        self.untold.extend(errors);
        if self.progress.done == 0 {
            return Ok(());
        }
        self.job.report(self.progress, std::mem::take(&mut self.untold)).await
    }
}

fn set(counted: &Counted) -> SetStock {
    SetStock { sku: counted.sku.clone(), location: None, on_hand: counted.on_hand, if_on_hand: None }
}

/// Which variants have the SKU of another product, and what the shop will say of it.
fn taken_skus(
    view: &View<'_>,
    content: &Content,
    may_have: impl Fn(ProductId) -> bool,
) -> Result<Vec<(usize, String)>, storage::Fault> {
    let mut taken = Vec::new();
    for (variant, VariantContent { sku, .. }) in content.variants.iter().enumerate() {
        if let Some(record) = catalog::sku(view, sku)?
            && !may_have(record.product)
        {
            taken.push((variant, format!("SKU {sku} is a variant of product {}", record.product)));
        }
    }
    Ok(taken)
}

fn error(what: &impl Display, (row, column): (u32, &str), detail: &str) -> JobError {
    JobError { row, column: column.to_owned(), detail: format!("{what}: {detail}") }
}
