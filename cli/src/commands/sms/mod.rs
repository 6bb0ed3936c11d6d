//! `shopctl sms`: the text messages about parcels.

mod view;

use shop::sms::Status;
use shop::sms::http::SmsQuery;

use super::words::word;
use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::paging::{self, Paging};

const SMS: [&str; 3] = ["admin", "v1", "sms"];

/// List the text messages about parcels, and send those again that have failed
#[derive(Debug, clap::Subcommand)]
pub enum Sms {
    /// List text messages, those of the newest events first
    List {
        /// Only those in this state: pending, sending (it may have left and is looked up), sent or failed
        #[arg(long, value_parser = word::<Status>)]
        status: Option<Status>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Send a text message again that has failed; if nobody knows whether it left, it may arrive twice
    Retry {
        /// The sequence number of the event that it follows from, as in `sms list`
        seq: u64,
    },
}

impl Sms {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List { status, paging } => {
                let query = |limit, cursor| SmsQuery { limit, cursor, status };
                paging::list(context, &SMS, paging, query, view::list).await
            }
            Self::Retry { seq } => {
                let [admin, version, sms] = SMS;
                let path = [admin, version, sms, &seq.to_string(), "retry"];
                let answer = context.client.post(&path, &(), Payload::Nothing).await?;
                context.ended(&answer, &format!("text message {seq} is due again"))
            }
        }
    }
}
