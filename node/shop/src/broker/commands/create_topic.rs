use serde::{Deserialize, Serialize};
use storage::{Read, Span};

use crate::broker::{Event, MAX_TOPICS, Outcome, Topic, Topics};
use crate::codes::Code;
use crate::command::Execute;
use crate::ctx::Ctx;
use crate::rejection::{Halt, Rejection};

/// Adds a topic: a standard one when the shop is set up, or one of an operator's own. Refused with `already_exists` if
/// there is one of this name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateTopic {
    pub name: String,
    pub partitions: u16,
    pub retention_days: Option<u32>,
}

impl Execute for CreateTopic {
    fn execute(&self, ctx: &mut Ctx<'_, '_>) -> Result<crate::Outcome, Halt> {
        if ctx.tx.contains::<Topics>(&self.name)? {
            let detail = format!("there is a topic {}", self.name);
            return Err(Rejection::at(Code::AlreadyExists, "/name", detail).into());
        }
        if ctx.tx.scan::<Topics>(Span::all()).take(MAX_TOPICS).count() >= MAX_TOPICS {
            return Err(Rejection::new(Code::LimitReached, format!("there are {MAX_TOPICS} topics")).into());
        }
        let topic = Topic {
            partitions: self.partitions.max(1),
            retention_days: self.retention_days,
            created_at: ctx.now,
        };
        ctx.tx.put::<Topics>(&self.name, &topic)?;
        ctx.emit(crate::Event::Broker(Event::TopicCreated { topic: self.name.clone() }));
        Ok(Outcome::Topic { name: self.name.clone(), topic }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::CreateTopic;
    use crate::broker::{MAX_TOPICS, STANDARD_TOPICS};
    use crate::testing::Bench;

    fn topic(name: impl Into<String>) -> CreateTopic {
        CreateTopic { name: name.into(), partitions: 8, retention_days: None }
    }

    #[test]
    fn names_are_unique_and_topics_bounded() {
        let mut bench = Bench::new();
        for name in STANDARD_TOPICS {
            bench.ok(topic(name));
        }
        assert_eq!(bench.refused(topic("orders")).code.as_str(), "already_exists");
        for number in STANDARD_TOPICS.len()..MAX_TOPICS {
            bench.ok(topic(format!("t{number}")));
        }
        assert_eq!(bench.refused(topic("one-more")).code.as_str(), "limit_reached");
    }
}
