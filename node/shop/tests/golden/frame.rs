//! What holds everything else: envelopes, batches, replies, counters, rejections, ids, money, time.

use shop::broker::{AcquireLease, Event as BrokerEvent, Kept, Outcome as BrokerOutcome, StoredReply};
use shop::command::{Dedupe, Envelope, Trace};
use shop::event::{Answer, Batch, Counters};
use shop::ids::{ApiKeyId, ClientId, CustomerId, EventId, OrderId, PaymentId, ProductId, RequestId};
use shop::rejection::Rejection;
use shop::tables::Present;
use shop::{Actor, Code, Command, Event, Money, Outcome, Private, Reply, Timestamp};
use storage::Key;

use crate::{Golden, check, part, sixteen, value};

const AT: Timestamp = Timestamp::from_millis(1_795_359_600_500);

fn envelope(dedupe: Dedupe) -> Envelope {
    Envelope {
        store: 1,
        request: RequestId(sixteen(1)),
        actor: Actor::Client(ClientId(sixteen(2))),
        trace: Some(Trace { trace_id: sixteen(3), span_id: [4; 8], flags: 1 }),
        dedupe,
        command: Command::Broker(shop::broker::Command::AcquireLease(AcquireLease {
            queue: "payments".into(),
            holder: 300,
        })),
    }
}

fn whole(name: &str, envelope: &Envelope) -> Golden {
    let bytes = envelope.encode().expect("it can be encoded");
    let is_read_back = Envelope::decode(&bytes).expect("it can be decoded") == *envelope;
    Golden { name: name.to_owned(), bytes, is_read_back }
}

fn key<K: Key + PartialEq>(name: &str, key: &K) -> Golden {
    let mut bytes = Vec::new();
    key.encode(&mut bytes);
    let is_read_back = K::decode(&mut bytes.as_slice()).is_ok_and(|read| read == *key);
    Golden { name: format!("key {name}"), bytes, is_read_back }
}

#[test]
fn frame() {
    let batch = Batch {
        index: 70_000,
        at: AT,
        request: RequestId(sixteen(1)),
        actor: Actor::System,
        trace: None,
        events: vec![Event::Broker(BrokerEvent::SettingsUpdated { revision: 1 })],
        counters: Counters { next_seq: 8, next_order_number: 1_001 },
        answer: None,
    };
    let outcome = Outcome::Broker(BrokerOutcome::Lease(7));
    let stored = StoredReply {
        at: AT,
        index: 9,
        kept_millis: 600_000,
        fingerprint: [5; 32],
        answer: Kept::Here(outcome.clone()),
    };
    let reply = |result| Reply { result, index: 9, at: AT, replayed: true };
    let rejection = Rejection::at(Code::OutOfStock, "/lines/0", "none left");
    let golden = vec![
        whole("envelope without dedupe", &envelope(Dedupe::Idempotent)),
        whole("envelope by request", &envelope(Dedupe::Request)),
        whole("envelope by key", &envelope(Dedupe::Key { scope: [6; 32], fingerprint: [7; 32] })),
        value("Batch", &batch),
        value("StoredReply", &stored),
        value(
            "Batch with answer",
            &Batch { answer: Some(Answer::of(&outcome).expect("an answer")), ..batch },
        ),
        value("StoredReply in batch", &StoredReply { answer: Kept::InBatch(300), ..stored }),
        value("Present", &Present),
        value("CustomerId", &CustomerId(sixteen(8))),
        value("ProductId", &ProductId(sixteen(10))),
        part("reply done", &reply(Ok(outcome))),
        part("reply refused", &reply(Err(rejection))),
        part("outcome done", &Outcome::Done),
        part("counters of an empty store", &Counters::default()),
        part("actor guest", &Actor::Guest),
        part("actor key", &Actor::ApiKey(ApiKeyId(sixteen(9)))),
        part("actor worker", &Actor::Worker),
        part("actor provider", &Actor::Provider),
        part("caller of a client", &shop::actor::Caller::Shopper(Some(ClientId(sixteen(2))))),
        part("caller staff", &shop::actor::Caller::Staff),
        part("money", &Money::new(-2_499, "JPY".parse().expect("a currency"))),
        part("private", &Private("ada@example.com".to_owned())),
        part("time", &AT),
        part("payment of an order", &PaymentId::of(OrderId(sixteen(0x10)), 3)),
        part("event id", &EventId::of(AT, 77)),
        key("order", &OrderId(sixteen(0x11))),
        key("time", &AT),
        key("sku", &"TEA-1".parse::<shop::catalog::Sku>().expect("a SKU")),
        key("slug", &"grüner-tee".parse::<shop::catalog::Slug>().expect("a slug")),
        key("product status", &shop::catalog::Status::Archived),
    ];
    check("frame", &[], golden);
}

/// Codes are stored by position: their order is a format.
#[test]
fn codes() {
    let golden = Code::ALL.iter().map(|code| part(&format!("code {code}"), code)).collect();
    check("codes", &[], golden);
}

/// Scopes are stored by bit.
#[test]
fn scopes() {
    use shop::user::{Scope, Scopes};
    let mut golden: Vec<Golden> =
        Scope::ALL.iter().map(|scope| part(&format!("scope {scope}"), &Scopes::of(&[*scope]))).collect();
    golden.push(part("scope *", &Scopes::EVERY));
    check("scopes", &[], golden);
}
