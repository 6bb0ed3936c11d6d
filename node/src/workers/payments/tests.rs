//! A shop of one node whose worker pays over real HTTP at the sandbox, is switched off with payments whose answers were
//! lost, and comes back when the provider has forgotten their keys: sent again, they would be charged anew.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use serde_json::{Value, json};
use shop::catalog::{Backorder, Content, CreateProduct, Status as ProductStatus, VariantContent};
use shop::ids::OrderId;
use shop::inventory::CreateLocation;
use shop::order::{self, Order, Orders, Status};
use shop::payment::{RESEND_MILLIS, State};
use shop::{Actor, Command, Currency, Money, Outcome};
use storage::{Read, Scope};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::level_filters::LevelFilter;

use super::Payments;
use crate::config::Config;
use crate::effects::stripe::{Stripe, StripeConfig};
use crate::peers::Condition;
use crate::replica::Replica;
use crate::replica::tests::cluster::{Cluster, LIMIT, until};
use crate::sandbox::{self, Handle, Options};
use crate::telemetry::Metrics;
use crate::workers::Desk;
use crate::workers::fixtures::order_by_card;
use crate::workers::supervisor::Supervisor;

const KEY: &str = "sk_sandbox";

struct Bench {
    cluster: Cluster,
    sandbox: Handle,
    http: reqwest::Client,
}

impl Bench {
    async fn new() -> Bench {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = Options {
            webhook_urls: Vec::new(),
            webhook_secret: SecretString::from("whsec_sandbox"),
            api_key: SecretString::from(KEY),
        };
        let sandbox = sandbox::serve(listener, options).unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let bench = Bench { cluster: Cluster::over_quic(1).await, sandbox, http };
        bench.run(CreateLocation { name: "Main".into() }).await;
        bench.run(CreateProduct { content: tea() }).await;
        bench
    }

    fn replica(&self) -> &Replica {
        self.cluster.replica(1)
    }

    async fn run(&self, command: impl Into<Command>) -> Outcome {
        self.replica().proposer.run(Actor::System, command.into()).await.unwrap().result.unwrap()
    }

    async fn place(&self) -> OrderId {
        match self.run(order_by_card()).await {
            Outcome::Order(order::Outcome::Order(id, _)) => id,
            other => panic!("{other:?}"),
        }
    }

    fn order(&self, id: OrderId) -> Order {
        let view = self.replica().store.view().in_scope(Scope(1));
        view.get::<Orders>(&id).unwrap().unwrap()
    }

    fn state(&self, id: OrderId) -> State {
        self.order(id).attempts[0].state
    }

    /// Lets the worker begin.
    fn work(&self) -> (CancellationToken, JoinHandle<()>) {
        let replica = self.replica();
        replica.peers.tell(|| Condition { works: true, unready: Vec::new(), ..Condition::starting() });
        let mut settings = Config::default().workers;
        settings.interval_ms = 100;
        let stop = CancellationToken::new();
        let supervisor = Supervisor {
            desk: Desk::new(replica.clone(), self.cluster.clock(1), Metrics::new().unwrap(), settings),
            node: 1,
            applied: replica.host.applied(),
            present: replica.peers.watch(),
            stop: stop.clone(),
        };
        let config = StripeConfig::new("sandbox", self.sandbox.base_url(), SecretString::from(KEY));
        let payments = Payments::new(vec![Arc::new(Stripe::new(config).unwrap())]);
        (stop, tokio::spawn(supervisor.run(Box::new(payments))))
    }

    /// Switches the node off and on again, so much later.
    async fn away(&mut self, ahead_ms: u64) {
        self.cluster.stop(1).await;
        self.cluster.restart_with_clock(1, ahead_ms as i64).await;
        self.replica().ready(LIMIT).await.unwrap();
    }

    /// Tells the sandbox what to do; answers what waits there.
    async fn control(&self, control: Value) -> Value {
        let url = format!("{}/sandbox/control", self.sandbox.base_url());
        let answer = self.http.post(url).json(&control).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{control}");
        answer.json().await.unwrap()
    }

    /// What the ledger says, with the orders' ids.
    async fn ledger(&self) -> Vec<(String, String)> {
        let url = format!("{}/sandbox/ledger", self.sandbox.base_url());
        let ledger: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let entries = ledger["data"].as_array().unwrap();
        entries.iter().map(|entry| (text(&entry["kind"]), text(&entry["metadata"]["order"]))).collect()
    }
}

fn tea() -> Content {
    Content {
        title: "Tea".into(),
        slug: "tea".parse().unwrap(),
        description: String::new(),
        status: ProductStatus::Published,
        category: None,
        category_title: None,
        vendor: None,
        tags: Vec::new(),
        options: Vec::new(),
        variants: vec![VariantContent {
            sku: "TEA-1".parse().unwrap(),
            options: Vec::new(),
            prices: vec![Money::new(999, Currency::EUR)],
            backorder: Backorder::Allow,
        }],
        images: Vec::new(),
    }
}

/// What is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

// On one thread, so that all of the worker's tasks log where this test looks.
#[tokio::test]
async fn after_23_hours_payments_are_looked_up_with_an_alarm_and_never_sent_again() {
    let mut bench = Bench::new().await;
    let (stop, worker) = bench.work();
    let faults = |fault: &str| json!([{"fault": fault, "on": "create", "times": 1000}]);
    bench.control(json!({"faults": faults("drop_after")})).await;
    let charged = bench.place().await;
    until("the answer is not lost", || bench.state(charged) == State::Unknown).await;
    bench.control(json!({"clear_faults": true, "faults": faults("drop_before")})).await;
    let never_arrived = bench.place().await;
    until("the request is not lost", || bench.state(never_arrived) == State::Unknown).await;
    stop.cancel();
    worker.await.unwrap();
    let charges = vec![("charge".to_owned(), charged.to_string())];
    assert_eq!(bench.ledger().await, charges);

    bench.away(RESEND_MILLIS).await;
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(LevelFilter::ERROR)
        .with_writer(move || writer.clone())
        .finish();
    let _logged = tracing::subscriber::set_default(lines);
    // Whatever is sent would spring the trap, and what is sent after it would be charged. The first look-ups fail, which is no
    // reason to send either.
    let trap = json!({"fault": "error_before", "on": "create", "times": 1});
    let failing = json!({"fault": "error_before", "on": "read", "times": 2});
    bench.control(json!({"clear_faults": true, "forget_keys": true, "faults": [trap, failing]})).await;
    let (stop, worker) = bench.work();
    until("the lost payment is not found", || bench.order(charged).status == Status::Open).await;
    assert_eq!(bench.ledger().await, charges);
    until("what never arrived waits", || bench.order(never_arrived).status == Status::Expired).await;
    stop.cancel();
    worker.await.unwrap();

    let waiting = bench.control(json!({})).await["faults"].clone();
    let targets: Vec<_> = waiting.as_array().unwrap().iter().map(|fault| fault["on"].clone()).collect();
    assert_eq!(targets, ["create"], "nothing was sent, and the look-ups that failed were made: {waiting:#}");
    assert_eq!(bench.ledger().await, charges);
    assert_eq!(bench.order(charged).captured(), 999);
    assert_eq!(bench.state(never_arrived), State::Declined);
    let text = log.text();
    let alarms = |order| {
        let payment = order::payment_id(order, 0).to_string();
        let what = "a payment could not be resolved in time";
        text.lines().filter(|line| line.contains(what) && line.contains(&payment)).count()
    };
    let alarms = (alarms(charged), alarms(never_arrived));
    assert!(
        alarms.0 > 0 && alarms.1 > 0 && alarms.0 + alarms.1 == 4,
        "one for each look-up: {alarms:?}\n{text}"
    );
    bench.cluster.close().await;
}
