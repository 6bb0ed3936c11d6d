//! `shopctl notification`: the mails that orders call for.

mod view;

use shop::notification::Status;
use shop::notification::http::NotificationsQuery;

use super::words::word;
use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::paging::{self, Paging};

const NOTIFICATIONS: [&str; 3] = ["admin", "v1", "notifications"];

/// List the mails that orders call for, and send those again that have failed
#[derive(Debug, clap::Subcommand)]
pub enum Notification {
    /// List notifications, those of the newest events first
    List {
        /// Only those in this state: pending, sent or failed
        #[arg(long, value_parser = word::<Status>)]
        status: Option<Status>,
        #[command(flatten)]
        paging: Paging,
    },
    /// Send a mail again that has failed, with all tries before it
    Retry {
        /// The sequence number of the event that it follows from, as in `notification list`
        seq: u64,
    },
}

impl Notification {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List { status, paging } => {
                let query = |limit, cursor| NotificationsQuery { limit, cursor, status };
                paging::list(context, &NOTIFICATIONS, paging, query, view::list).await
            }
            Self::Retry { seq } => {
                let [admin, version, notifications] = NOTIFICATIONS;
                let path = [admin, version, notifications, &seq.to_string(), "retry"];
                let answer = context.client.post(&path, &(), Payload::Nothing).await?;
                context.ended(&answer, &format!("notification {seq} is due again"))
            }
        }
    }
}
