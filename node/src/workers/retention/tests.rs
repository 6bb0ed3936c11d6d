//! A shop is filled, switched off for longer than anything is kept, and filled again: one sweep takes what is old. And one
//! adds to the indexes what is older than they are.

use std::time::Instant;

use shop::actor::Caller;
use shop::broker::{Events, Fence, Replies, RepliesByEpoch, TakeLease};
use shop::cart::{self, Carts, CreateCart};
use shop::catalog::{Backorder, Content, CreateCategory, CreateProduct, Status, VariantContent};
use shop::cluster::RaiseActiveVersion;
use shop::command::Dedupe;
use shop::ids::{CartId, OrderId, RequestId};
use shop::inventory::CreateLocation;
use shop::level::{FIRST_LEVEL, LEVELS};
use shop::notification::{self, Delivery, Enqueue, Item, Kind, Notifications, QUEUE as MAILS, Report};
use shop::order::{self, CancelOrder};
use shop::payment::{IndexProgress, PaymentsByState, State, StatesIndexed};
use shop::{Actor, Command, Currency, Money, Outcome, Timestamp};
use storage::{Read, Scope, Span};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{INDEXED_PER_STEP, Retention};
use crate::config::Config;
use crate::peers::Condition;
use crate::replica::Replica;
use crate::replica::tests::cluster::{Cluster, LIMIT, until};
use crate::telemetry::Metrics;
use crate::workers::Desk;
use crate::workers::fixtures::order_by_card;
use crate::workers::supervisor::Supervisor;

/// Longer than what is kept longest, which is 30 days, and less than what a clock is believed to be ahead.
const AWAY_MILLIS: i64 = 40 * 24 * 60 * 60 * 1_000;

/// What the sweep looks at.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    /// When each was given.
    replies: Vec<Timestamp>,
    carts: Vec<CartId>,
    notifications: Vec<u64>,
    /// The first sequence number of each batch.
    events: Vec<u64>,
}

fn kept(replica: &Replica) -> Kept {
    let view = replica.store.view().in_scope(Scope(1));
    let mut replies: Vec<Timestamp> =
        view.scan::<Replies>(Span::all()).map(|reply| reply.unwrap().1.at).collect();
    replies.sort_unstable();
    Kept {
        replies,
        carts: view.scan::<Carts>(Span::all()).map(|cart| cart.unwrap().0).collect(),
        notifications: view.scan::<Notifications>(Span::all()).map(|mail| mail.unwrap().0).collect(),
        events: view.scan::<Events>(Span::all()).map(|batch| batch.unwrap().0).collect(),
    }
}

/// How far the index of payments by state has come.
fn indexed(replica: &Replica) -> Option<IndexProgress> {
    replica.store.view().in_scope(Scope(1)).get::<StatesIndexed>(&()).unwrap()
}

async fn run(replica: &Replica, command: impl Into<Command>) -> Outcome {
    replica.proposer.run(Actor::System, command.into()).await.unwrap().result.unwrap()
}

async fn make_cart(replica: &Replica) -> CartId {
    let cart = CreateCart { owner: None, currency: Currency::EUR, items: Vec::new() };
    match run(replica, cart).await {
        Outcome::Cart(cart::Outcome::Cart(id, _)) => id,
        other => panic!("{other:?}"),
    }
}

/// Something that tells one event; gives its sequence number.
async fn tell(replica: &Replica, slug: &str) -> u64 {
    run(replica, CreateCategory { slug: slug.parse().unwrap(), title: slug.to_owned() }).await;
    kept(replica).events.last().copied().unwrap()
}

/// Mails that follow from these events, of which the last stays pending.
async fn make_mails(replica: &Replica, seqs: &[u64]) {
    let fence = || Fence { queue: MAILS.to_owned(), epoch: 1 };
    let item = |seq: &u64| Item { seq: *seq, kind: Kind::Confirmed, order: OrderId([1; 16]) };
    let (pending, sent) = seqs.split_last().unwrap();
    let items = seqs.iter().map(item).collect();
    run(replica, Enqueue { fence: fence(), up_to: *pending, items }).await;
    let results = sent.iter().map(|seq| (*seq, Delivery::Sent)).collect();
    run(replica, Report { fence: fence(), results }).await;
}

/// Lets the worker of the one node begin.
fn start(cluster: &Cluster, replica: &Replica) -> (CancellationToken, JoinHandle<()>) {
    let metrics = Metrics::new().unwrap();
    replica.peers.tell(|| Condition { works: true, unready: Vec::new(), ..Condition::starting() });
    let stop = CancellationToken::new();
    let supervisor = Supervisor {
        desk: Desk::new(replica.clone(), cluster.clock(1), metrics, Config::default().workers),
        node: 1,
        applied: replica.host.applied(),
        present: replica.peers.watch(),
        stop: stop.clone(),
    };
    (stop, tokio::spawn(supervisor.run(Box::<Retention>::default())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_and_what_is_not_stays() {
    let mut cluster = Cluster::over_quic(1).await;
    let replica = cluster.replica(1).clone();
    run(&replica, TakeLease { queue: MAILS.to_owned(), holder: 1, after_epoch: 0 }).await;
    make_cart(&replica).await;
    let (first, second) = (tell(&replica, "first").await, tell(&replica, "second").await);
    make_mails(&replica, &[first, second]).await;
    drop(replica);

    cluster.stop(1).await;
    cluster.restart_with_clock(1, AWAY_MILLIS).await;
    let replica = cluster.replica(1).clone();
    replica.ready(LIMIT).await.unwrap();
    let before = kept(&replica);
    let cart = make_cart(&replica).await;
    let (third, fourth) = (tell(&replica, "third").await, tell(&replica, "fourth").await);
    make_mails(&replica, &[third, fourth]).await;
    let filled = kept(&replica);
    assert!(filled.replies.len() > before.replies.len() && before.replies.len() > 3, "{filled:?}");
    assert_eq!((filled.carts.len(), filled.notifications.len()), (2, 4));

    let (stop, supervisor) = start(&cluster, &replica);
    // Events go last. What the mails' being sent told has a batch of its own behind the second and the fourth.
    let is_young = |seq: &u64| *seq >= third;
    until("old events stay", || kept(&replica).events.iter().all(is_young)).await;
    stop.cancel();
    supervisor.await.unwrap();

    let young = Kept {
        replies: filled.replies[before.replies.len()..].to_vec(),
        carts: vec![cart],
        // One that was never sent is not forgotten, however old it is.
        notifications: vec![second, third, fourth],
        events: filled.events.into_iter().filter(is_young).collect(),
    };
    assert_eq!(kept(&replica), young);
    // Below its level no index is begun, and the sweep goes on all the same.
    assert_eq!(indexed(&replica), None);
    drop(replica);
    cluster.close().await;
}

/// A command with an idempotency key of the client's.
async fn ask(replica: &Replica, hash: u8) {
    let dedupe = Dedupe::Key { scope: [hash; 32], fingerprint: [0; 32] };
    let slug = format!("asked-{hash}");
    let command = CreateCategory { slug: slug.parse().unwrap(), title: slug }.into();
    let envelope = replica.proposer.envelope(RequestId([hash; 16]), Actor::System, dedupe, command);
    replica.proposer.submit(&envelope, Instant::now() + LIMIT).await.unwrap().result.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_replies_by_epoch_go_and_young_ones_stay() {
    let mut cluster = Cluster::over_quic(1).await;
    let replica = cluster.replica(1).clone();
    for to in FIRST_LEVEL + 1..=LEVELS.most {
        run(&replica, RaiseActiveVersion { to, program: "0.7.0".into() }).await;
    }
    ask(&replica, 2).await;
    drop(replica);

    cluster.stop(1).await;
    cluster.restart_with_clock(1, AWAY_MILLIS).await;
    let replica = cluster.replica(1).clone();
    replica.ready(LIMIT).await.unwrap();
    ask(&replica, 1).await;
    let hashes = || {
        let view = replica.store.view().in_scope(Scope(1));
        let rows = view.scan::<RepliesByEpoch>(Span::all()).map(|reply| reply.unwrap().0.1[0]);
        rows.collect::<Vec<u8>>()
    };
    assert_eq!(hashes(), [1, 2]);
    let (stop, supervisor) = start(&cluster, &replica);
    until("the old one stays", || hashes() == [1]).await;
    stop.cancel();
    supervisor.await.unwrap();
    drop(replica);
    cluster.close().await;
}

/// An order that waits for its payment by card.
async fn place(replica: &Replica) -> OrderId {
    match run(replica, order_by_card()).await {
        Outcome::Order(order::Outcome::Order(id, _)) => id,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_from_before_the_index_are_added_to_it_when_the_level_is_raised() {
    let cluster = Cluster::over_quic(1).await;
    let replica = cluster.replica(1).clone();
    run(&replica, CreateLocation { name: "Main".into() }).await;
    let variant = VariantContent {
        sku: "TEA-1".parse().unwrap(),
        options: Vec::new(),
        prices: vec![Money::new(999, Currency::EUR)],
        backorder: Backorder::Allow,
    };
    let content = Content {
        title: "Tea".into(),
        slug: "tea".parse().unwrap(),
        description: String::new(),
        status: Status::Published,
        category: None,
        category_title: None,
        vendor: None,
        tags: Vec::new(),
        options: Vec::new(),
        variants: vec![variant],
        images: Vec::new(),
    };
    run(&replica, CreateProduct { content }).await;
    // More than one step takes.
    for _ in 0..INDEXED_PER_STEP {
        place(&replica).await;
    }
    let order = place(&replica).await;
    run(&replica, CancelOrder { order, caller: Caller::Staff }).await;
    for to in FIRST_LEVEL + 1..=LEVELS.most {
        run(&replica, RaiseActiveVersion { to, program: "0.4.0".into() }).await;
    }
    assert_eq!(indexed(&replica), None);

    let (stop, supervisor) = start(&cluster, &replica);
    let mails_are_indexed = || {
        let view = replica.store.view().in_scope(Scope(1));
        notification::queries::statuses_are_indexed(&view).unwrap()
    };
    until("all are indexed", || indexed(&replica) == Some(IndexProgress::Complete) && mails_are_indexed())
        .await;
    stop.cancel();
    supervisor.await.unwrap();
    let view = replica.store.view().in_scope(Scope(1));
    let listed: Vec<_> = view.scan::<PaymentsByState>(Span::all()).map(|entry| entry.unwrap().0).collect();
    assert_eq!(listed, [(State::Canceled.key(), order)]);
    drop(view);
    drop(replica);
    cluster.close().await;
}
