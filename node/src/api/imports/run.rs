//! Does an import: products in chunks, then stock, with the progress in the log.

use futures::StreamExt;
use shop::Rejection;
use shop::broker::{JobError, Progress};
use shop::catalog::import::Import;
use shop::catalog::{self, Change, Content, Outcome, UpsertProducts};
use shop::inventory::SetStock;

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
pub(super) async fn run(job: Running, import: Import, dry_run: bool) -> Verdict {
    let mut run = Run { job, progress: Progress::default() };
    run.all(import, dry_run).await.unwrap_or_else(|problem| {
        tracing::error!(code = problem.code().as_str(), "an import has failed");
        Err(format!("{}: send the file again to go on", problem.code()))
    })
}

struct Run {
    job: Running,
    progress: Progress,
}

impl Run {
    async fn all(&mut self, import: Import, dry_run: bool) -> Result<Verdict, Problem> {
        self.progress.total = total(&import);
        self.progress.failed = import.error_count;
        self.progress.done = import.refused;
        let nothing_to_do = import.products.is_empty() && import.refused == 0;
        if nothing_to_do && import.error_count > 0 {
            self.progress.done = 1;
        }
        if dry_run {
            self.look(import.products).await?;
            self.progress.done = self.progress.total;
            self.report(import.errors).await?;
        } else {
            self.report(import.errors).await?;
            for chunk in UpsertProducts::chunks(import.products) {
                self.products(chunk).await?;
            }
            self.stock(import.stock.into_iter().map(|(sku, on_hand)| SetStock {
                sku,
                location: None,
                on_hand,
                if_on_hand: None,
            }))
            .await?;
        }
        Ok(if nothing_to_do { Err("the file has no product".to_owned()) } else { Ok(None) })
    }

    /// Counts what writing these products would change. In pieces, because commits wait while one is looked at.
    async fn look(&mut self, products: Vec<Content>) -> Result<(), Problem> {
        for chunk in UpsertProducts::chunks(products) {
            let seen = self.job.app.read_local(move |view| {
                let mut counts = (0, 0, 0);
                for content in &chunk.products {
                    match catalog::product_by_slug(view, &content.slug)? {
                        None => counts.0 += 1,
                        Some((_, product)) if product.has(content) => counts.2 += 1,
                        Some(_) => counts.1 += 1,
                    }
                }
                Ok(counts)
            });
            let (created, updated, unchanged) = seen.await?.value;
            self.progress.created += created;
            self.progress.updated += updated;
            self.progress.unchanged += unchanged;
        }
        Ok(())
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
            let names: Vec<String> = chunk.products.iter().map(|product| product.slug.to_string()).collect();
            match chunk.halves() {
                // What one product of a chunk is refused for must not keep the others out.
                Some((first, second)) => left.extend([second, first]),
                None => self.refused(names.concat(), &refused, 1).await?,
            }
        }
        Ok(())
    }

    async fn stock(&mut self, rows: impl Iterator<Item = SetStock>) -> Result<(), Problem> {
        let rows: Vec<SetStock> = rows.collect();
        for piece in rows.chunks(REPORT_EVERY) {
            let this = &*self;
            let results: Vec<_> = futures::stream::iter(piece.iter().cloned())
                .map(|row| async move { (row.sku.to_string(), this.job.submit(row).await) })
                .buffer_unordered(AT_ONCE)
                .collect()
                .await;
            let mut errors = Vec::new();
            for (sku, result) in results {
                if let Err(rejection) = result? {
                    errors.push(error(format!("stock of {sku}"), &rejection));
                }
            }
            self.progress.done += piece.len() as u32;
            self.progress.failed += errors.len() as u32;
            self.report(errors).await?;
        }
        Ok(())
    }

    async fn refused(&mut self, what: String, rejection: &Rejection, items: u32) -> Result<(), Problem> {
        self.progress.failed += 1;
        self.progress.done += items;
        self.report(vec![error(what, rejection)]).await
    }

    async fn report(&self, errors: Vec<JobError>) -> Result<(), Problem> {
        self.job.report(self.progress, errors).await
    }
}

fn error(what: String, rejection: &Rejection) -> JobError {
    JobError { row: 0, column: String::new(), detail: format!("{what}: {}", rejection.detail) }
}
