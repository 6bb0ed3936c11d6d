//! Events as the outside sees them: CloudEvents 1.0, JSON format.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::broker::queries::Recorded;
use crate::command::Trace;
use crate::ids::EventId;
use crate::time::Timestamp;

/// One event. `seq`, `index`, `topic` and `traceparent` are extension attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudEvent {
    /// Always `1.0`.
    #[schema(example = "1.0")]
    pub specversion: String,
    pub id: EventId,
    /// The store: `/stores/1`.
    #[schema(example = "/stores/1")]
    pub source: String,
    #[serde(rename = "type")]
    #[schema(example = "shopnode.order.placed.v1")]
    pub kind: String,
    /// The id of what it is about; also the key of its partition.
    pub subject: String,
    pub time: Timestamp,
    /// Always `application/json`.
    #[schema(example = "application/json")]
    pub datacontenttype: String,
    #[schema(value_type = Object)]
    pub data: Value,
    /// Its gapless place in the feed, from 1.
    pub seq: u64,
    /// The index of the log entry that did it.
    pub index: u64,
    pub topic: String,
    /// W3C Trace Context of the request that caused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

impl CloudEvent {
    /// The view of one event of a store's feed.
    pub fn of(store: u32, recorded: &Recorded) -> Self {
        let described = recorded.event.describe();
        Self {
            specversion: "1.0".into(),
            id: EventId::of(recorded.at, recorded.seq),
            source: format!("/stores/{store}"),
            kind: described.kind(),
            subject: described.key(),
            time: recorded.at,
            datacontenttype: "application/json".into(),
            data: described.data(),
            seq: recorded.seq,
            index: recorded.index,
            topic: described.topic().to_owned(),
            traceparent: recorded.trace.map(traceparent),
        }
    }
}

/// The `traceparent` header of a trace context, version 00.
fn traceparent(trace: Trace) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("00-{}-{}-{:02x}", hex(&trace.trace_id), hex(&trace.span_id), trace.flags)
}

#[cfg(test)]
mod tests {
    use super::traceparent;
    use crate::command::Trace;

    #[test]
    fn traceparent_is_that_of_the_standard() {
        let trace = Trace { trace_id: [0x4b; 16], span_id: [1; 8], flags: 1 };
        assert_eq!(traceparent(trace), format!("00-{}-{}-01", "4b".repeat(16), "01".repeat(8)));
    }
}
