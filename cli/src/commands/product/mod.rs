//! `shopctl product`: the catalogue.

mod image;
mod import;
mod view;

use shop::catalog::http::{ProductView, ProductsQuery};
use shop::catalog::{Slug, Status};
use shop::ids::ProductId;

use super::words::word;
use crate::context::Context;
use crate::failure::Failure;
use crate::paging::{self, Paging};

/// Import, list and show products, upload their images
#[derive(Debug, clap::Subcommand)]
pub enum Product {
    Import(import::Import),
    Image(image::Image),
    /// List products, the newest first
    List {
        /// Only those in this state: draft, published or archived
        #[arg(long, value_parser = word::<Status>)]
        status: Option<Status>,
        /// Only those in this category, by its slug
        #[arg(long, value_name = "SLUG", value_parser = word::<Slug>)]
        category: Option<Slug>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show one product with its variants
    Get {
        /// Its id, like prd_…
        id: ProductId,
    },
}

impl Product {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Import(verb) => verb.run(context).await,
            Self::Image(verb) => verb.run(context).await,
            Self::List { status, category, paging } => {
                let query = |limit, cursor| ProductsQuery {
                    limit,
                    cursor,
                    status,
                    category: category.clone(),
                    ..ProductsQuery::default()
                };
                paging::list(context, &["admin", "v1", "products"], paging, query, view::list).await
            }
            Self::Get { id } => {
                let answer = context.client.get(&["admin", "v1", "products", &id.to_string()], &()).await?;
                context.output.answer(&answer.body, |product: &ProductView| view::one(product))
            }
        }
    }
}
