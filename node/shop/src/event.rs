//! What happened, in commit order. One command's events are stored together, once, under the first of their gapless
//! sequence numbers (Kafka would say: a record batch under its base offset).

use serde::{Deserialize, Serialize};
use storage::{Fault, Value, codec};

use crate::actor::Actor;
use crate::command::Trace;
use crate::ids::RequestId;
use crate::outcome::Outcome;
use crate::time::Timestamp;
use crate::{broker, catalog, cluster, inventory, notification, order, payment, sms, user};

/// Events of all slices. Ids, amounts and states, never personal data. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    User(user::Event),
    Catalog(catalog::Event),
    Inventory(inventory::Event),
    Order(order::Event),
    Payment(payment::Event),
    Broker(broker::Event),
    Notification(notification::Event),
    Cluster(cluster::Event),
    Sms(sms::Event),
}

/// What every slice's event can say of itself.
pub trait Describe {
    /// CloudEvents `type`: `shopnode.<noun>.<past verb>.v1`.
    fn kind(&self) -> String;
    /// The topic it is in.
    fn topic(&self) -> &str;
    /// The aggregate's id: its partition key, and CloudEvents `subject`.
    fn key(&self) -> String;
    /// CloudEvents `data`, for the HTTP API and webhooks.
    #[cfg(feature = "http")]
    fn data(&self) -> serde_json::Value;
}

impl Event {
    pub fn describe(&self) -> &dyn Describe {
        match self {
            Self::User(event) => event,
            Self::Catalog(event) => event,
            Self::Inventory(event) => event,
            Self::Order(event) => event,
            Self::Payment(event) => event,
            Self::Broker(event) => event,
            Self::Notification(event) => event,
            Self::Cluster(event) => event,
            Self::Sms(event) => event,
        }
    }
}

/// The counters of a store. Each batch records them as they are after it, so that the last batch of the feed is where
/// a restarted node finds them: no key of their own is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// The sequence number that the next event gets; the first event has 1.
    pub next_seq: u64,
    /// The human number that the next order gets.
    pub next_order_number: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self { next_seq: 1, next_order_number: 1001 }
    }
}

/// The events of one command, stored under the sequence number of the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The index of the log entry that did it.
    pub index: u64,
    pub at: Timestamp,
    pub request: RequestId,
    pub actor: Actor,
    pub trace: Option<Trace>,
    pub events: Vec<Event>,
    /// The counters after this batch.
    pub counters: Counters,
    /// What a repetition of the request is answered, from level 6 on and for as long as that is remembered. It is here and
    /// not with the hash under which it is looked for: hashes come in no order, and what is stored under them should be
    /// little.
    #[serde(skip)]
    pub answer: Option<Answer>,
}

/// An outcome, encoded: who reads events has no use for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer(Vec<u8>);

impl Answer {
    /// # Errors
    /// When the outcome is too large to be stored.
    pub fn of(outcome: &Outcome) -> Result<Self, Fault> {
        storage::encode(outcome).map(Self)
    }

    /// # Errors
    /// When these are not the bytes of an outcome.
    pub fn outcome(&self) -> Result<Outcome, Fault> {
        storage::decode(&self.0)
    }
}

/// Version 1 has no answer: all of them below level 6, and those whose answers were forgotten. In version 2 it is what is
/// behind the rest.
impl Value for Batch {
    const VERSION: u8 = 2;

    fn encode(&self) -> Result<Vec<u8>, Fault> {
        match &self.answer {
            None => codec::encode_versioned(1, self),
            Some(Answer(bytes)) => codec::encode_with_tail(2, self, bytes),
        }
    }

    fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        match codec::split_version(bytes)? {
            (1, body) => storage::decode(body),
            (2, body) => {
                let (batch, tail) = codec::decode_front::<Self>(body)?;
                Ok(Self { answer: Some(Answer(tail.to_vec())), ..batch })
            }
            (found, _) => Err(codec::unknown_version::<Self>(found, Self::VERSION)),
        }
    }
}
