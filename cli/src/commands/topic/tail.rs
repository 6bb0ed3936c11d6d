//! `shopctl topic tail`: events as they happen, in the order of the log.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use shop::broker::http::{FeedQuery, FeedView};
use shop::http::{CloudEvent, Limit};

use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::Meaning;
use crate::output;
use crate::table::format_time;

/// The most events of one request.
const BATCH: u16 = 100;
/// How long it waits when there is nothing new.
const PAUSE: Duration = Duration::from_millis(500);

/// Print a topic's events as they happen, until Ctrl-C
///
/// With `-o json` each event is one line, untouched (CloudEvents).
#[derive(Debug, clap::Args)]
pub struct Tail {
    /// Topic, like orders; all topics without one
    topic: Option<String>,

    /// Begin behind this sequence number; 0 is the oldest event that is kept. Only new events unless given
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,

    /// Only this partition of the topic
    #[arg(long, value_name = "N", requires = "topic")]
    partition: Option<u16>,

    /// End where the feed ends now
    #[arg(long)]
    no_follow: bool,
}

/// A page whose events are kept as they came.
#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
}

impl Tail {
    pub async fn run(self, context: &Context) -> Result<(), Failure> {
        context.interrupt.means(Meaning::End);
        let path = match &self.topic {
            Some(topic) => vec!["admin", "v1", "topics", topic, "events"],
            None => vec!["admin", "v1", "events"],
        };
        let mut after = match self.after {
            Some(after) => after,
            None => end_of_feed(context, &path).await?,
        };
        loop {
            let query = FeedQuery { after: Some(after), limit: Limit::new(BATCH), partition: self.partition };
            let answer = context.client.watch(&path, &query).await?;
            let page: FeedView = output::read(&answer.body)?;
            if context.output.is_json() {
                for event in output::read_borrowed::<RawPage<'_>>(&answer.body)?.data {
                    context.output.line(event.get())?;
                }
            } else {
                for event in &page.data {
                    context.output.line(&line(event))?;
                }
            }
            // A replica that is behind must not lead back.
            after = after.max(page.next_after);
            if !page.more {
                if self.no_follow {
                    return Ok(());
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The last sequence number of the feed.
async fn end_of_feed(context: &Context, path: &[&str]) -> Result<u64, Failure> {
    let query = FeedQuery { limit: Limit::new(1), ..FeedQuery::default() };
    let answer = context.client.get(path, &query).await?;
    Ok(output::read::<FeedView>(&answer.body)?.last_seq)
}

/// An event in one line: columns that line up without knowing what comes.
fn line(event: &CloudEvent) -> String {
    let kind = event.kind.strip_prefix("shopnode.").unwrap_or(&event.kind);
    let text = format!(
        "{:>8}  {}  {kind:<26}  {}  {}",
        event.seq,
        format_time(event.time),
        event.subject,
        event.data
    );
    output::clean(&text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let event: CloudEvent = serde_json::from_value(serde_json::json!({
            "specversion": "1.0", "id": "evt_06fzz5q2ks5j8v1mcd0p8qf1w2", "source": "/stores/1",
            "type": "shopnode.order.placed.v1", "subject": "ord_1\n\u{1b}[2J", "time": "2026-01-31T12:00:00.000Z",
            "datacontenttype": "application/json", "data": {"number": 1001}, "seq": 42, "index": 50, "topic": "orders",
        }))
        .unwrap();
        assert_eq!(
            line(&event),
            "      42  2026-01-31 12:00:00Z  order.placed.v1             ord_1 \u{fffd}[2J  {\"number\":1001}"
        );
    }
}
