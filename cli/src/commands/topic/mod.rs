//! `shopctl topic`: the shop's feed of events.

mod tail;

use shop::broker::http::TopicView;
use shop::http::Page;

use crate::context::Context;
use crate::failure::Failure;
use crate::table::{Cell, Table};

/// List topics, and follow their events
#[derive(Debug, clap::Subcommand)]
pub enum Topic {
    /// List topics
    List,
    Tail(tail::Tail),
}

impl Topic {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        match self {
            Self::List => {
                let answer = context.client.get(&["admin", "v1", "topics"], &()).await?;
                context.output.answer(&answer.body, |page: &Page<TopicView>| vec![list(&page.data)])
            }
            Self::Tail(verb) => verb.run(context).await,
        }
    }
}

fn list(topics: &[TopicView]) -> Table {
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "KEPT", "WRITTEN BY", "CREATED"]);
    for topic in topics {
        let kept = topic.retention_days.map_or("as the settings say".into(), |days| format!("{days} days"));
        table.row(vec![
            Cell::text(&topic.name),
            Cell::number(topic.partitions),
            Cell::text(kept),
            Cell::text(if topic.standard { "the shop" } else { "partners" }),
            Cell::time(topic.created_at),
        ]);
    }
    table
}
