use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::broker::PublishEvent;
use crate::broker::queries::{FeedFilter, FeedPage};
use crate::codes::Code;
use crate::http::{Checks, CloudEvent, Limit};
use crate::rejection::Rejection;

/// The body of `POST /admin/v1/topics/{name}/events`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishInput {
    /// CloudEvents `type`; not `shopnode.…`.
    #[serde(rename = "type")]
    #[schema(min_length = 1, max_length = 128, example = "acme.parcel.delivered.v1")]
    pub kind: String,
    /// What it is about: events with the same one stay in order.
    #[schema(min_length = 1, max_length = 128, example = "parcel-17")]
    pub subject: String,
    /// At most 64 KiB.
    #[schema(value_type = Object)]
    pub data: Value,
}

impl PublishInput {
    /// The command that publishes it.
    pub fn command(self, topic: String) -> Result<PublishEvent, Rejection> {
        let mut checks = Checks::new();
        checks.line("/type", &self.kind, 1..=128);
        checks.line("/subject", &self.subject, 1..=128);
        if self.kind.starts_with("shopnode.") {
            checks.fail("/type", "types that begin with `shopnode.` are the shop's own");
        }
        let data = self.data.to_string();
        checks.length("/data", data.len(), 0..=64 * 1_024, "bytes");
        checks.finish()?;
        Ok(PublishEvent { topic, kind: self.kind, key: self.subject, data })
    }
}

/// The answer to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Published {
    /// The event's place in the feed.
    pub seq: u64,
}

/// The query of `GET /admin/v1/events` and `GET /admin/v1/topics/{name}/events`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct FeedQuery {
    /// Only what is behind this sequence number; 0: from the oldest that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Only this partition of the topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u16>,
}

impl FeedQuery {
    /// What to ask of [`crate::broker::queries::feed`]: filter, `after`, limit. `topic` comes from the path, with its
    /// number of partitions.
    pub fn read(&self, topic: Option<(&str, u16)>) -> Result<(FeedFilter, u64, usize), Rejection> {
        let partition = match (self.partition, topic) {
            (Some(partition), Some((_, partitions))) if partition < partitions => {
                Some((partition, partitions))
            }
            (None, _) => None,
            (Some(_), _) => {
                let detail = "partition: a partition is one of a topic, counted from 0";
                return Err(Rejection::new(Code::InvalidParameter, detail));
            }
        };
        let filter = FeedFilter { topic: topic.map(|(name, _)| name.to_owned()), partition };
        Ok((filter, self.after.unwrap_or(0), self.limit.unwrap_or_default().get()))
    }
}

/// A page of the feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedView {
    pub data: Vec<CloudEvent>,
    /// Send it as `after` for the next page, also when this one is empty: a page looks at 1,000 events at most.
    pub next_after: u64,
    /// Whether there is more behind `next_after` now.
    pub more: bool,
    /// The end of the whole feed: send it as `after` to get only what is new.
    pub last_seq: u64,
}

impl FeedView {
    /// The view of a page of a store's feed.
    pub fn of(store: u32, page: &FeedPage) -> Self {
        let data = page.events.iter().map(|event| CloudEvent::of(store, event)).collect();
        Self { data, next_after: page.after, more: page.more, last_seq: page.last_seq }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{FeedQuery, FeedView, PublishInput};
    use crate::broker::{CreateTopic, queries};
    use crate::http::from_value;
    use crate::testing::{Bench, STORE};

    #[test]
    fn what_is_published_is_read_as_a_cloud_event() {
        let mut bench = Bench::new();
        bench.ok(CreateTopic { name: "acme".into(), partitions: 1, retention_days: None });
        let body = json!({"type": "acme.seen.v1", "subject": "p-1", "data": {"n": [1, null]}});
        bench.ok(from_value::<PublishInput>(body).unwrap().command("acme".into()).unwrap());
        let query = FeedQuery { partition: Some(0), ..FeedQuery::default() };
        let (filter, after, limit) = query.read(Some(("acme", 1))).unwrap();
        let page = queries::feed(&bench.view(), &filter, after, limit).unwrap();
        let view = serde_json::to_value(FeedView::of(STORE, &page)).unwrap();
        assert_eq!(view["last_seq"], 2);
        let event = &view["data"][0];
        assert_eq!((&view["next_after"], &view["more"]), (&json!(2), &json!(false)));
        assert_eq!(event["specversion"], "1.0");
        assert_eq!(event["source"], "/stores/1");
        assert_eq!(event["type"], "acme.seen.v1");
        assert_eq!(event["subject"], "p-1");
        assert_eq!(event["time"], "2026-01-01T00:00:00.001Z");
        assert_eq!(event["data"], json!({"n": [1, null]}));
        assert!(event["id"].as_str().unwrap().starts_with("evt_"));
        assert!(query.read(None).is_err() && query.read(Some(("acme", 0))).is_err());
    }

    #[test]
    fn the_shop_s_own_types_are_refused() {
        let body = json!({"type": "shopnode.order.placed.v1", "subject": "", "data": 1});
        let rejection = from_value::<PublishInput>(body).unwrap().command("acme".into()).unwrap_err();
        let pointers: Vec<&str> = rejection.errors.iter().map(|at| at.pointer.as_str()).collect();
        assert_eq!(pointers, ["/subject", "/type"]);
    }
}
