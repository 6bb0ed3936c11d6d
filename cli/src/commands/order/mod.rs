//! `shopctl order`: what was ordered, and what becomes of it.

mod ship;
mod timeline;
mod view;

use shop::ids::OrderId;
use shop::order::Status;
use shop::order::http::{OrderView, OrdersQuery, TimelineStepView};
use shop::time::Timestamp;

use super::words::word;
use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::paging::{self, Paging};
use crate::table::word_of;

const ORDERS: [&str; 3] = ["admin", "v1", "orders"];

/// List, show, cancel, ship and erase orders
#[derive(Debug, clap::Subcommand)]
pub enum Order {
    /// List orders, the newest first
    List {
        /// Only those in this state: pending_payment, open, completed, canceled or expired
        #[arg(long, value_parser = word::<Status>)]
        status: Option<Status>,
        /// Only those placed at this time or later, like 2026-01-31T00:00:00Z
        #[arg(long, value_name = "TIME")]
        from: Option<Timestamp>,
        /// Only those placed before this time
        #[arg(long, value_name = "TIME")]
        until: Option<Timestamp>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Show one order with its lines, payments and shipments
    Get {
        /// Its id, like ord_…
        id: OrderId,
    },
    /// Cancel an order: its stock is released, its payment undone
    ///
    /// While a payment is under way it is only asked for, and done when that has ended.
    Cancel {
        /// Its id, like ord_…
        id: OrderId,
    },
    Ship(ship::Ship),
    /// Show each step of an order with the index of its log entry
    Timeline {
        /// Its id, like ord_…
        id: OrderId,
    },
    /// Erase who ordered and where it went; the order stays
    ///
    /// For guests. It cannot be undone, and what has not shipped can then not be sent to anybody.
    Erase {
        /// Its id, like ord_…
        id: OrderId,
    },
}

impl Order {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List { status, from, until, paging } => {
                let query = |limit, cursor| OrdersQuery { limit, cursor, status, from, until, sort: None };
                paging::list(context, &ORDERS, paging, query, view::list).await
            }
            Self::Get { id } => {
                let answer = context.client.get(&of(&id.to_string(), &[]), &()).await?;
                context.output.answer(&answer.body, |order: &OrderView| view::one(order))
            }
            Self::Cancel { id } => {
                let answer =
                    context.client.post(&of(&id.to_string(), &["cancel"]), &(), Payload::Nothing).await?;
                context.changed(&answer, |order: &OrderView| (canceled(order), view::changed(order)))
            }
            Self::Ship(verb) => verb.run(context).await,
            Self::Timeline { id } => {
                let answer = context.client.get(&of(&id.to_string(), &["timeline"]), &()).await?;
                context.output.answer(&answer.body, |page: &shop::http::Page<TimelineStepView>| {
                    vec![timeline::steps(&page.data)]
                })
            }
            Self::Erase { id } => {
                let answer =
                    context.client.post(&of(&id.to_string(), &["erase"]), &(), Payload::Nothing).await?;
                context.ended(&answer, &format!("erased what was personal in order {id}"))
            }
        }
    }
}

fn of<'a>(id: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&ORDERS[..], &[id], rest].concat()
}

fn canceled(order: &OrderView) -> String {
    if order.cancel_requested {
        format!("order {} is canceled as soon as its payment has ended", order.number)
    } else {
        format!("order {} is {}", order.number, word_of(&order.status))
    }
}
