//! `shopctl leader`: who leads, and who shall.

use serde::{Deserialize, Serialize};

use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::table::{Cell, Table, Tone};

/// Show which node leads, and hand the lead to another one
#[derive(Debug, clap::Subcommand)]
pub enum Leader {
    /// Show who leads
    Show,
    /// Hand the lead over, and wait until the other node leads
    Transfer {
        /// The node that shall lead, like 3; whoever is best able to unless given
        #[arg(long, value_name = "NODE")]
        to: Option<u64>,
    },
}

/// Who leads, as the cluster and the transfer answer.
#[derive(Debug, Deserialize)]
struct Lead {
    leader: Option<u64>,
    term: u64,
}

/// The body of a transfer.
#[derive(Debug, Serialize)]
struct Transfer {
    to: Option<u64>,
}

impl Leader {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::Show => {
                let answer = context.client.get(&["admin", "v1", "cluster"], &()).await?;
                context.output.answer(&answer.body, |lead: &Lead| vec![table(lead)])
            }
            Self::Transfer { to } => {
                let path = ["admin", "v1", "cluster", "leader", "transfer"];
                let answer = context.client.post(&path, &(), Payload::json(&Transfer { to })?).await?;
                context.changed(&answer, |lead: &Lead| {
                    let who =
                        lead.leader.map_or_else(|| "another node".to_owned(), |id| format!("node {id}"));
                    (format!("{who} leads"), vec![table(lead)])
                })
            }
        }
    }
}

fn table(lead: &Lead) -> Table {
    let leader = match lead.leader {
        Some(leader) => Cell::text(format!("node {leader}")),
        None => Cell::text("none").tone(Tone::Bad),
    };
    Table::details([("leader", leader), ("term", Cell::number(lead.term))])
}
