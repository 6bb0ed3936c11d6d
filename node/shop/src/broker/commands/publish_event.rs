use serde::{Deserialize, Serialize};
use storage::Read;

use crate::broker::{Event, Outcome, Topics, is_standard};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// The longest payload of a published event, in bytes: 64 KiB.
pub const MAX_DATA_BYTES: usize = 64 * 1024;

/// Appends an event from outside to a topic that is not a standard one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishEvent {
    pub topic: String,
    /// CloudEvents `type`; never `shopnode.…`: those say what happened in the shop.
    pub kind: String,
    /// CloudEvents `subject`, and what decides the partition.
    pub key: String,
    /// JSON, at most [`MAX_DATA_BYTES`].
    pub data: String,
}

impl Execute for PublishEvent {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        if is_standard(&self.topic) {
            let detail = format!("only the shop itself writes to {}", self.topic);
            return Err(Rejection::new(Code::Forbidden, detail).into());
        }
        if !ctx.tx.contains::<Topics>(&self.topic)? {
            return Err(Rejection::new(Code::NotFound, format!("there is no topic {}", self.topic)).into());
        }
        if self.data.len() > MAX_DATA_BYTES {
            let detail = format!("{} bytes: at most {MAX_DATA_BYTES} are allowed", self.data.len());
            return Err(Rejection::at(Code::InvalidValue, "/data", detail).into());
        }
        let Self { topic, kind, key, data } = self.clone();
        let seq = ctx.emit(crate::Event::Broker(Event::Published { topic, kind, key, data }));
        Ok(Outcome::Published { seq }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_DATA_BYTES, PublishEvent};
    use crate::broker::CreateTopic;
    use crate::testing::Bench;

    #[test]
    fn only_to_own_topics_and_bounded() {
        let mut bench = Bench::new();
        for name in ["orders", "acme"] {
            bench.ok(CreateTopic { name: name.into(), partitions: 1, retention_days: None });
        }
        let event = |topic: &str, data: &str| PublishEvent {
            topic: topic.into(),
            kind: "acme.thing.seen.v1".into(),
            key: "thing-1".into(),
            data: data.into(),
        };
        bench.ok(event("acme", "{}"));
        assert_eq!(bench.refused(event("orders", "{}")).code.as_str(), "forbidden");
        assert_eq!(bench.refused(event("other", "{}")).code.as_str(), "not_found");
        assert_eq!(bench.refused(event("acme", &"1".repeat(MAX_DATA_BYTES + 1))).code.as_str(), "invalid_value");
        let last = bench.events().pop().unwrap();
        let described = last.describe();
        assert_eq!((described.topic(), described.kind().as_str()), ("acme", "acme.thing.seen.v1"));
    }
}
