//! A shop of one node whose worker sends texts over real HTTP to the catcher, which takes them, refuses them, or keeps its
//! answers to itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use shop::broker::{Fence, Settings, TakeLease, UpdateSettings};
use shop::catalog::{Backorder, Content, CreateProduct, Status as ProductStatus, VariantContent};
use shop::cluster::{NodeInfo, RaiseActiveVersion, RegisterNode};
use shop::ids::OrderId;
use shop::inventory::{CreateLocation, SetStock};
use shop::notification;
use shop::order::{self, FulfilOrder, LineRequest, PlaceOrder, Tracking, Wanted};
use shop::sms::{Message, Messages, QUEUE, Status};
use shop::user::Address;
use shop::{Actor, Command, Currency, Money, Outcome, Private};
use storage::{Read, Scope, Span};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Due, Sms, send_all};
use crate::config::Config;
use crate::effects::sms::{Sender, Twilio, TwilioConfig};
use crate::peers::Condition;
use crate::replica::Replica;
use crate::replica::tests::cluster::{Cluster, until};
use crate::sms_catcher::{self, Fault};
use crate::telemetry::Metrics;
use crate::workers::Desk;
use crate::workers::desk::Trouble;
use crate::workers::retention::seen_by_all;
use crate::workers::supervisor::Supervisor;

const PHONE: &str = "+49 30 901820";

struct Bench {
    cluster: Cluster,
    replica: Replica,
    catcher: sms_catcher::Handle,
}

/// One life of a worker.
struct Worker {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Bench {
    /// A shop that sells something for nothing, at the level of text messages.
    async fn new() -> Bench {
        let cluster = Cluster::over_quic(1).await;
        let replica = cluster.replica(1).clone();
        replica.peers.tell(|| Condition { works: true, unready: Vec::new(), ..Condition::starting() });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let catcher = sms_catcher::serve(listener, "AC1".into(), SecretString::from("secret")).unwrap();
        let bench = Bench { cluster, replica, catcher };
        for to in 2..=super::LEVEL {
            bench.run(RaiseActiveVersion { to, program: "x".into() }).await;
        }
        bench.run(CreateLocation { name: "Main".into() }).await;
        let settings = Settings { store_name: "Tea".into(), ..Settings::default() };
        bench.run(UpdateSettings { if_revision: None, settings }).await;
        bench.run(CreateProduct { content: sample() }).await;
        let sku = "sample-1".parse().unwrap();
        bench.run(SetStock { sku, location: None, on_hand: 1_000, if_on_hand: None }).await;
        bench
    }

    async fn run(&self, command: impl Into<Command>) -> Outcome {
        self.replica.proposer.run(Actor::System, command.into()).await.unwrap().result.unwrap()
    }

    /// An order that has left in one parcel.
    async fn ship(&self, phone: Option<&str>) -> OrderId {
        let Outcome::Order(order::Outcome::Order(order, _)) = self.run(order_of(phone)).await else {
            panic!("no order")
        };
        let url = Some("https://dhl.example/1".into());
        let tracking = Some(Tracking { carrier: "DHL".into(), number: "1".into(), url });
        self.run(FulfilOrder { order, lines: Vec::new(), tracking }).await;
        order
    }

    fn twilio(&self) -> Arc<Twilio> {
        let config = TwilioConfig {
            base_url: Url::parse(&self.catcher.base_url()).unwrap(),
            account: "AC1".into(),
            token: SecretString::from("secret"),
            sender: Sender::From("+15005550006".into()),
            total_timeout: Duration::from_secs(30),
        };
        Arc::new(Twilio::new(config).unwrap())
    }

    fn desk(&self) -> Desk {
        let mut settings = Config::default().workers;
        settings.interval_ms = 100;
        Desk::new(self.replica.clone(), self.cluster.clock(1), Metrics::new().unwrap(), settings)
    }

    fn work(&self) -> Worker {
        let stop = CancellationToken::new();
        let supervisor = Supervisor {
            desk: self.desk(),
            node: 1,
            applied: self.replica.host.applied(),
            present: self.replica.peers.watch(),
            stop: stop.clone(),
        };
        let task = tokio::spawn(supervisor.run(Box::new(Sms::new(Some(self.twilio())))));
        Worker { stop, task }
    }

    fn messages(&self) -> Due {
        let view = self.replica.store.view().in_scope(Scope(1));
        view.scan::<Messages>(Span::all()).map(Result::unwrap).collect()
    }

    fn count(&self, status: Status) -> usize {
        self.messages().iter().filter(|(_, message)| message.state.status() == status).count()
    }

    /// The lease, taken without a worker.
    async fn lease(&self) -> Fence {
        self.run(TakeLease { queue: QUEUE.into(), holder: 1, after_epoch: 0 }).await;
        Fence { queue: QUEUE.into(), epoch: 1 }
    }

    /// A text message that is due, and what a worker sees of it.
    async fn pending(&self, fence: &Fence) -> Due {
        self.ship(Some(PHONE)).await;
        let mut worker = Sms::new(Some(self.twilio()));
        worker.derive(&self.desk(), fence).await.unwrap();
        let found: Vec<(u64, Message)> = self.messages();
        assert_eq!(found.len(), 1);
        found
    }

    async fn end(self) {
        self.catcher.shutdown().await;
        drop(self.replica);
        self.cluster.close().await;
    }
}

impl Worker {
    async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

fn sample() -> Content {
    Content {
        title: "Sample".into(),
        slug: "sample".parse().unwrap(),
        description: String::new(),
        status: ProductStatus::Published,
        category: None,
        category_title: None,
        vendor: None,
        tags: Vec::new(),
        options: vec!["size".into()],
        variants: vec![VariantContent {
            sku: "sample-1".parse().unwrap(),
            options: vec!["5 g".into()],
            prices: vec![Money::new(0, Currency::EUR)],
            backorder: Backorder::Refuse,
        }],
        images: Vec::new(),
    }
}

fn order_of(phone: Option<&str>) -> PlaceOrder {
    let address = Address {
        name: "Ada".into(),
        line1: "1 Main St".into(),
        line2: None,
        city: "Berlin".into(),
        region: None,
        postal_code: Some("10115".into()),
        country: "DE".into(),
        phone: phone.map(str::to_owned),
    };
    let line = LineRequest { sku: "sample-1".parse().unwrap(), quantity: 1 };
    PlaceOrder {
        wanted: Wanted::Lines { currency: Currency::EUR, lines: vec![line] },
        owner: None,
        customer: None,
        personal: Private(order::Personal {
            email: "ada@example.com".into(),
            shipping_address: Some(address),
            billing_address: None,
        }),
        expected_total: None,
        payment: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_a_number_gets_one_text_about_a_parcel() {
    let bench = Bench::new().await;
    bench.ship(None).await;
    bench.ship(Some("030 901820")).await;
    let worker = bench.work();
    bench.ship(Some(PHONE)).await;
    until("the text is not sent", || bench.count(Status::Sent) == 1).await;
    worker.stop().await;
    let texts = bench.catcher.texts();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert_eq!((texts[0].to.as_str(), texts[0].from.as_str()), ("+4930901820", "+15005550006"));
    assert_eq!(texts[0].body, "Tea: parcel 1 of order 1003 is on its way. https://dhl.example/1");
    assert_eq!(bench.messages().len(), 1);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_answer_is_followed_by_what_it_proves() {
    let bench = Bench::new().await;
    for fault in [Fault::Refuse, Fault::RateLimit, Fault::DropBefore, Fault::DropAfter, Fault::ErrorAfter] {
        bench.catcher.next(fault);
        bench.ship(Some(PHONE)).await;
    }
    let worker = bench.work();
    // The one that was not accepted goes later, and those that were taken without an answer are found.
    until("three texts are not sent", || bench.count(Status::Sent) == 3).await;
    worker.stop().await;
    // The one that never arrived is still looked for.
    let rest = (bench.count(Status::Failed), bench.count(Status::Sending), bench.count(Status::Pending));
    assert_eq!(rest, (1, 1, 0));
    let texts = bench.catcher.texts();
    let bodies: BTreeSet<_> = texts.iter().map(|text| &text.body).collect();
    assert_eq!((texts.len(), bodies.len()), (3, 3), "{texts:?}");
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_left_before_a_crash_is_found_and_not_sent_again() {
    let bench = Bench::new().await;
    bench.catcher.next(Fault::Slow { delay_ms: 60_000 });
    let worker = bench.work();
    bench.ship(Some(PHONE)).await;
    until("the text does not leave", || bench.catcher.texts().len() == 1).await;
    // It does not live to see the answer, and cannot say what it has done.
    worker.task.abort();
    let _ = worker.task.await;
    assert_eq!(bench.count(Status::Sending), 1);
    let worker = bench.work();
    until("the text is not found", || bench.count(Status::Sent) == 1).await;
    worker.stop().await;
    assert_eq!(bench.catcher.texts().len(), 1);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_does_not_see_what_it_began_sends_nothing_again() {
    let bench = Bench::new().await;
    let fence = bench.lease().await;
    let pending = bench.pending(&fence).await;
    bench.catcher.next(Fault::DropAfter);
    let (twilio, desk) = (bench.twilio(), bench.desk());
    for _ in 0..3 {
        send_all(&twilio, &desk, &fence, pending.clone()).await.unwrap();
    }
    assert_eq!((bench.catcher.texts().len(), bench.count(Status::Sending)), (1, 1));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_lease_is_over_sends_nothing() {
    let bench = Bench::new().await;
    let fence = bench.lease().await;
    let pending = bench.pending(&fence).await;
    bench.run(TakeLease { queue: QUEUE.into(), holder: 2, after_epoch: 1 }).await;
    let sent = send_all(&bench.twilio(), &bench.desk(), &fence, pending).await;
    assert!(matches!(sent, Err(Trouble::LeaseOver)), "{sent:?}");
    assert_eq!((bench.catcher.texts().len(), bench.count(Status::Pending)), (0, 1));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_that_came_with_a_backup_is_looked_for_first() {
    let bench = Bench::new().await;
    let fence = bench.lease().await;
    let pending = bench.pending(&fence).await;
    let info = NodeInfo {
        name: "a".into(),
        zone: String::new(),
        cluster: "127.0.0.1:1".into(),
        http: String::new(),
        version: "0.1.0".into(),
    };
    bench.run(RegisterNode { info, key_sha256: [1; 32] }).await;
    send_all(&bench.twilio(), &bench.desk(), &fence, pending).await.unwrap();
    assert_eq!((bench.catcher.texts().len(), bench.count(Status::Sending)), (0, 1));
    bench.ship(Some(PHONE)).await;
    let mut worker = Sms::new(Some(bench.twilio()));
    worker.derive(&bench.desk(), &fence).await.unwrap();
    assert_eq!(bench.messages().len(), 2);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_kept_until_texts_have_been_derived_from_them() {
    let bench = Bench::new().await;
    let seen = || seen_by_all(&bench.replica.store.view().in_scope(Scope(1))).unwrap();
    bench.run(TakeLease { queue: notification::QUEUE.into(), holder: 1, after_epoch: 0 }).await;
    let mails = Fence { queue: notification::QUEUE.into(), epoch: 1 };
    bench.run(notification::Enqueue { fence: mails, up_to: 1_000, items: Vec::new() }).await;
    // Where no texts are derived, below their level, nothing waits for them.
    assert_eq!(seen(), 1_000);
    let fence = bench.lease().await;
    let text = bench.pending(&fence).await[0].0;
    assert!((text..1_000).contains(&seen()), "{}", seen());
    bench.end().await;
}
