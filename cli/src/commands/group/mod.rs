//! `shopctl group`: who reads topics together, and how far they are.

mod view;

use shop::broker::http::{EpochView, GroupView, GroupsQuery, PositionInput};

use crate::client::Payload;
use crate::context::Context;
use crate::failure::Failure;
use crate::paging::{self, Paging};

const GROUPS: [&str; 3] = ["admin", "v1", "groups"];

/// Show consumer groups, and have them read events again
#[derive(Debug, clap::Subcommand)]
pub enum Group {
    /// List consumer groups
    List {
        #[command(flatten)]
        paging: Paging,
    },
    /// Show a group: its members, and how far each partition is
    Get {
        /// Group, as in the list
        group: String,
    },
    /// Say where a group goes on with a partition, backwards too
    ///
    /// What its members are doing is fenced off: they hear of it with their next heartbeat.
    Reset {
        /// Group, as in the list
        group: String,
        /// Topic, like orders
        topic: String,
        /// The partition, from 0
        #[arg(long, value_name = "N")]
        partition: u16,
        /// The last sequence number that counts as finished; 0 to begin with the oldest event that is kept
        #[arg(long, value_name = "SEQ")]
        to: u64,
    },
}

impl Group {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        let [admin, version, groups] = GROUPS;
        match self {
            Self::List { paging } => {
                let query = |limit, cursor| GroupsQuery { limit, cursor };
                paging::list(context, &GROUPS, paging, query, view::list).await
            }
            Self::Get { group } => {
                let answer = context.client.get(&[admin, version, groups, &group], &()).await?;
                context.output.answer(&answer.body, |group: &GroupView| view::one(group))
            }
            Self::Reset { group, topic, partition, to } => {
                let path = [admin, version, groups, &group, "offsets", "reset"];
                let sentence = format!("{group} reads partition {partition} of {topic} from behind {to}");
                let body = Payload::json(&PositionInput { topic, partition, seq: to })?;
                let answer = context.client.post(&path, &(), body).await?;
                context.changed(&answer, |now: &EpochView| {
                    (format!("{sentence}; epoch {}", now.epoch), Vec::new())
                })
            }
        }
    }
}
