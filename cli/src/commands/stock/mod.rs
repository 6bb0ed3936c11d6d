//! `shopctl stock`: how much of what is where.

mod view;

use shop::catalog::Sku;
use shop::ids::LocationId;
use shop::inventory::http::{
    AdjustStockInput, MovementView, MovementsQuery, SetStockInput, StockQuery, StockView,
};

use super::words::word;
use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::paging::{self, Paging};

const STOCK: [&str; 3] = ["admin", "v1", "stock"];

/// Show and change stock
#[derive(Debug, clap::Subcommand)]
pub enum Stock {
    /// Show the stock of a SKU at each location
    Get {
        #[arg(value_parser = word::<Sku>)]
        sku: Sku,
    },
    /// List the stock of all SKUs
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Change what is on hand by so many units
    Adjust {
        #[arg(value_parser = word::<Sku>)]
        sku: Sku,
        /// Units that have come (12) or gone (-3)
        #[arg(allow_negative_numbers = true)]
        by: i64,
        /// A word for it, like damaged; it is told in events, so nothing personal
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Say what is on hand, as counted
    Set {
        #[arg(value_parser = word::<Sku>)]
        sku: Sku,
        on_hand: i64,
        /// Only if this is what is on hand now; otherwise refused with stock_changed
        #[arg(long, value_name = "UNITS")]
        if_on_hand: Option<i64>,
        #[command(flatten)]
        place: Place,
    },
    /// List the changes of a SKU's stock, the newest first
    Movements {
        #[arg(value_parser = word::<Sku>)]
        sku: Sku,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        paging: Paging,
    },
}

/// Where.
#[derive(Debug, clap::Args)]
pub struct Place {
    /// Location, like loc_…; the shop's first unless given
    #[arg(long, value_name = "ID")]
    location: Option<LocationId>,
}

impl Stock {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Get { sku } => get(context, sku).await,
            Self::List { paging } => {
                let query = |limit, cursor| StockQuery { limit, cursor, sku: None };
                paging::list(context, &STOCK, paging, query, view::levels).await
            }
            Self::Adjust { sku, by, reason, place } => {
                let body = AdjustStockInput { sku, location_id: place.location, by, reason };
                change(context, "adjust", Payload::json(&body)?).await
            }
            Self::Set { sku, on_hand, if_on_hand, place } => {
                let body = SetStockInput { sku, location_id: place.location, on_hand, if_on_hand };
                change(context, "set", Payload::json(&body)?).await
            }
            Self::Movements { sku, place, paging } => {
                let path = [&STOCK[..], &["movements"]].concat();
                let query = |limit, cursor| MovementsQuery {
                    sku: sku.clone(),
                    location_id: place.location,
                    limit,
                    cursor,
                };
                paging::list::<MovementView, _>(context, &path, paging, query, view::movements).await
            }
        }
    }
}

async fn get(context: &Context, sku: Sku) -> Result<(), Failure> {
    let shown = sku.to_string();
    let query = StockQuery { sku: Some(sku), ..StockQuery::default() };
    let answer = context.client.get(&STOCK, &query).await?;
    let page: shop::http::Page<StockView> = crate::output::read(&answer.body)?;
    if context.output.is_json() {
        context.output.line(&answer.body)?;
    } else if !page.data.is_empty() {
        context.output.tables(&[view::levels(&page.data)])?;
    }
    if page.data.is_empty() {
        return Err(Failure::Failed(format!("there is no stock of SKU {shown}")));
    }
    Ok(())
}

async fn change(context: &Context, verb: &str, body: Payload) -> Result<(), Failure> {
    let path = [&STOCK[..], &[verb]].concat();
    let answer = context.client.post(&path, &(), body).await?;
    context.changed(&answer, |level: &StockView| {
        let sentence = format!(
            "{}: {} on hand, {} available at {}",
            level.sku, level.on_hand, level.available, level.location_id
        );
        (sentence, vec![view::levels(std::slice::from_ref(level))])
    })
}
