//! `shopctl payment`: the money of orders.

mod amount;
pub mod view;

use serde::Serialize;
use shop::http::{Cursor, Limit};
use shop::ids::PaymentId;
use shop::money::Money;
use shop::payment::State;
use shop::payment::http::{AttemptView, CaptureInput, RefundInput, RefundView};

use super::words::word;
use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::paging::{self, Paging};
use crate::table::{format_money, word_of};

const PAYMENTS: [&str; 3] = ["admin", "v1", "payments"];

/// List, show, capture, void and refund payments
#[derive(Debug, clap::Subcommand)]
pub enum Payment {
    /// List payments, those of the newest orders first
    List {
        /// Only those in this state: created, sending, requires_action, authorized, capturing, captured, voiding,
        /// voided, canceling, canceled, declined or unknown
        #[arg(long, value_parser = word::<State>)]
        status: Option<State>,
        #[command(flatten)]
        paging: Paging,
    },
    /// List what providers have that no order claims
    Unmatched {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show one payment
    Get {
        /// Its id, like pay_…
        id: PaymentId,
    },
    /// Take money that is authorized
    Capture {
        /// Its id, like pay_…
        id: PaymentId,
        #[command(flatten)]
        part: Part,
    },
    /// Let go of money that is authorized
    Void {
        /// Its id, like pay_…
        id: PaymentId,
    },
    /// Give money back
    ///
    /// It is done when the provider says so: `payment get` and `order get` show how far it is.
    Refund {
        /// Its id, like pay_…
        id: PaymentId,
        #[command(flatten)]
        part: Part,
    },
}

/// The query of both lists.
#[derive(Serialize)]
struct ListQuery {
    limit: Option<Limit>,
    cursor: Option<Cursor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<State>,
}

/// How much.
#[derive(Debug, clap::Args)]
pub struct Part {
    /// How much, with its currency, like 12.50EUR; all of it unless given
    #[arg(long, value_name = "MONEY", value_parser = amount::parse)]
    amount: Option<Money>,
}

impl Payment {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List { status, paging } => {
                let query = |limit, cursor| ListQuery { limit, cursor, status };
                paging::list(context, &PAYMENTS, paging, query, view::attempts).await
            }
            Self::Unmatched { paging } => {
                let query = |limit, cursor| ListQuery { limit, cursor, status: None };
                paging::list(context, &of("unmatched", &[]), paging, query, view::unmatched).await
            }
            Self::Get { id } => {
                let answer = context.client.get(&of(&id.to_string(), &[]), &()).await?;
                context.output.answer(&answer.body, |attempt: &AttemptView| view::one(attempt))
            }
            Self::Capture { id, part } => {
                let body = Payload::json(&CaptureInput { amount: part.amount })?;
                change(context, id, "capture", body).await
            }
            Self::Void { id } => change(context, id, "void", Payload::Nothing).await,
            Self::Refund { id, part } => {
                let body = Payload::json(&RefundInput { amount: part.amount })?;
                let answer = context.client.post(&of(&id.to_string(), &["refunds"]), &(), body).await?;
                context.changed(&answer, |refund: &RefundView| {
                    let sentence =
                        format!("refund of {} is {}", format_money(refund.amount), word_of(&refund.status));
                    (sentence, vec![view::refunds(std::slice::from_ref(refund))])
                })
            }
        }
    }
}

async fn change(context: &Context, id: PaymentId, verb: &str, body: Payload) -> Result<(), Failure> {
    let answer = context.client.post(&of(&id.to_string(), &[verb]), &(), body).await?;
    context.changed(&answer, |attempt: &AttemptView| {
        let sentence = format!("payment {} is {}", attempt.id, word_of(&attempt.status));
        (sentence, vec![view::attempts(std::slice::from_ref(attempt))])
    })
}

fn of<'a>(id: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&PAYMENTS[..], &[id], rest].concat()
}
