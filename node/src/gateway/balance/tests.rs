//! Two gateways over states of their own, so that an answer shows whose it is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use net::NodeId;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{FRESH, ForPeers, LOOK_EVERY, Others};
use crate::config;
use crate::gateway::testing::Bench;
use crate::peers::{NotRead, ReadAnswer, ReadQuestion, Told};

const TEA: &str = r#"{"title": "Tea", "slug": "tea", "status": "published", "variants": [{"sku": "TEA-1"}]}"#;
const PRODUCT: &str = "GET /store/v1/products/tea";

/// How the other nodes answer.
#[derive(Clone, Copy)]
enum Manner {
    Well,
    Never,
    With(u16),
}

struct Elsewhere {
    told: Mutex<Vec<(NodeId, Told)>>,
    manner: Mutex<Manner>,
    asked: AtomicUsize,
    for_peers: ForPeers,
}

impl Others for Elsewhere {
    fn told(&self) -> Vec<(NodeId, Told)> {
        self.told.lock().unwrap().clone()
    }

    fn read<'a>(
        &'a self,
        _: NodeId,
        question: &'a ReadQuestion,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<ReadAnswer, NotRead>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let manner = *self.manner.lock().unwrap();
        Box::pin(async move {
            match manner {
                Manner::Well => self.for_peers.answer(question.clone()).await.map_err(NotRead::Refused),
                Manner::Never => {
                    tokio::time::sleep_until(deadline).await;
                    Err(NotRead::Late)
                }
                Manner::With(status) => Ok(ReadAnswer {
                    load_per_mille: 0,
                    status,
                    fields: Vec::new(),
                    body: bytes::Bytes::new(),
                }),
            }
        })
    }
}

/// A node that is asked, and another one, which has a product that this one has not.
struct Pair {
    here: Bench,
    there: Bench,
    others: Arc<Elsewhere>,
    following: Option<AbortOnDropHandle<()>>,
}

fn told(load_per_mille: u32) -> Told {
    Told { at: Instant::now(), load_per_mille, serves: true }
}

impl Pair {
    async fn new(change: impl FnOnce(&mut config::Balance)) -> Pair {
        let here = Bench::with(|config| {
            config.balance.busy_per_mille = 0;
            config.balance.margin_per_mille = 0;
            config.balance.timeout_ms = 100;
            change(&mut config.balance);
        });
        let there = Bench::new();
        there.admin("POST /admin/v1/products", &[], TEA).await.expect(201);
        let others = Arc::new(Elsewhere {
            told: Mutex::new(vec![(2, told(0))]),
            manner: Mutex::new(Manner::Well),
            asked: AtomicUsize::new(0),
            for_peers: ForPeers::new(there.app.clone()),
        });
        let mut pair = Pair { here, there, others, following: None };
        pair.follow().await;
        pair
    }

    async fn follow(&mut self) {
        let following = self.here.app.elsewhere.clone().follow(self.others.clone());
        self.following = Some(AbortOnDropHandle::new(tokio::spawn(following)));
        tokio::time::sleep(LOOK_EVERY * 2).await;
    }

    fn behave(&self, manner: Manner) {
        *self.others.manner.lock().unwrap() = manner;
    }

    fn tell(&self, all: Vec<(NodeId, Told)>) {
        *self.others.told.lock().unwrap() = all;
    }

    fn asked(&self) -> usize {
        self.others.asked.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_busy_node_lets_another_answer() {
    let pair = Pair::new(|_| {}).await;
    let seen = pair.here.call(PRODUCT, &[], "").await;
    assert_eq!((seen.status.as_u16(), seen.header("shopnode-node")), (200, "2"), "{}", seen.text);
    assert_eq!(seen.header("shopnode-lag"), "7");
    let etag = format!("if-none-match: {}", seen.header("etag"));
    let again = pair.here.call(PRODUCT, &[&etag], "").await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));

    // Problems come with the id under which this node knows the request.
    let missing = pair.here.call("GET /store/v1/products/coffee", &[], "").await;
    assert_eq!(missing.verdict(), (404, "not_found".to_owned()));
    assert_eq!(missing.json()["request_id"], missing.header("shopnode-request-id"));
    assert_eq!(missing.header("shopnode-node"), "2");
    let text = pair.there.app.metrics.render().unwrap();
    assert!(text.contains(r#"shopnode_reads_for_peers_total{outcome="answered"} 3"#), "{text}");
    let text = pair.here.app.metrics.render().unwrap();
    assert!(text.contains(r#"shopnode_reads_spilled_total{outcome="answered"} 3"#), "{text}");
}

#[tokio::test]
async fn what_must_be_answered_here_is() {
    let pair = Pair::new(|_| {}).await;
    for line in ["GET /livez", "GET /readyz", "GET /metrics", "GET /openapi.json", "GET /admin/v1/cluster"] {
        assert_eq!(pair.here.admin(line, &[], "").await.status, 200, "{line}");
    }
    pair.here.admin("POST /admin/v1/products", &[], TEA).await.expect(201);
    // Who may not is told so by the node that was asked.
    assert_eq!(pair.here.call("GET /admin/v1/products", &[], "").await.status, 401);
    // A body, and waiting for an index that is not there yet.
    assert_eq!(pair.here.call(PRODUCT, &[], "{}").await.header("shopnode-node"), "");
    let late = pair.here.call(PRODUCT, &["shopnode-min-index: 999999"], "").await;
    assert_eq!(late.verdict(), (503, "index_not_reached".to_owned()));
    assert_eq!(pair.asked(), 0);
}

#[tokio::test]
async fn nobody_is_shown_an_older_state_than_this_node_has() {
    let pair = Pair::new(|_| {}).await;
    while pair.here.core.applied_now() <= pair.there.core.applied_now() {
        pair.here.key(None, shop::user::Scopes::EVERY);
    }
    let seen = pair.here.call(PRODUCT, &[], "").await;
    assert_eq!((seen.status.as_u16(), seen.header("shopnode-node"), pair.asked()), (404, "", 1));
}

#[tokio::test]
async fn callers_are_counted_once_and_known_again() {
    let mut pair = Pair::new(|_| {}).await;
    pair.there.admin = pair.there.key(None, shop::user::Scopes::EVERY);
    // This node takes its own key; the other one knows nobody by it, which is the newer truth.
    let refused = pair.here.admin("GET /admin/v1/orders", &[], "").await;
    assert_eq!((refused.verdict(), refused.header("shopnode-node")), ((401, "unauthenticated".into()), "2"));
}

#[tokio::test]
async fn what_is_passed_on_is_not_passed_on_again() {
    let pair = Pair::new(|_| {}).await;
    let question = ReadQuestion {
        remaining: Duration::from_secs(1),
        least_index: 0,
        request: [7; 16],
        address: "192.0.2.1".parse().unwrap(),
        target: "/store/v1/products/tea".into(),
        fields: Vec::new(),
    };
    let answer = ForPeers::new(pair.here.app.clone()).answer(question.clone()).await.unwrap();
    assert_eq!((answer.status, pair.asked()), (404, 0));
    let strange = ReadQuestion { target: "no path".into(), ..question };
    assert!(ForPeers::new(pair.here.app.clone()).answer(strange).await.is_err());
}

#[tokio::test]
async fn whatever_fails_there_is_answered_here_and_the_node_is_set_aside() {
    for (manner, outcome) in
        [(Manner::Never, "late"), (Manner::With(503), "failed"), (Manner::With(0), "too_long")]
    {
        let pair = Pair::new(|balance| balance.outlier_failures = 3).await;
        pair.tell(vec![(2, told(0)), (3, told(1_000))]);
        pair.behave(manner);
        for _ in 0..6 {
            let seen = pair.here.call(PRODUCT, &[], "").await;
            assert_eq!((seen.status.as_u16(), seen.header("shopnode-node")), (404, ""), "{outcome}");
        }
        // An answer that is too long is nobody's failure.
        let expected = if outcome == "too_long" { (6, 0) } else { (3, 1) };
        tokio::time::sleep(LOOK_EVERY * 2).await;
        let metrics = &pair.here.app.metrics;
        assert_eq!((pair.asked(), metrics.balance.set_aside.get()), expected, "{outcome}");
        let text = metrics.render().unwrap();
        let line = format!(r#"shopnode_reads_spilled_total{{outcome="{outcome}"}} {}"#, expected.0);
        assert!(text.contains(&line), "{line}\n{text}");
        assert_eq!(metrics.balance.waiting.get(), 0);
    }
}

#[tokio::test]
async fn stale_unready_and_busier_nodes_are_not_chosen() {
    let pair = Pair::new(|_| {}).await;
    let stale = Told { at: Instant::now() - FRESH, ..told(0) };
    for others in [vec![(2, stale)], vec![(2, Told { serves: false, ..told(0) })], vec![]] {
        pair.tell(others);
        tokio::time::sleep(LOOK_EVERY * 2).await;
        assert!(!pair.here.app.elsewhere.spills(), "there is nobody to give anything to");
    }
    pair.tell(vec![(2, told(1))]);
    tokio::time::sleep(LOOK_EVERY * 2).await;
    assert!(pair.here.app.elsewhere.spills());
    assert_eq!(pair.here.call(PRODUCT, &[], "").await.status, 404);
    assert_eq!(pair.asked(), 0);
    let text = pair.here.app.metrics.render().unwrap();
    assert!(text.contains(r#"shopnode_reads_spilled_total{outcome="kept"} 1"#), "{text}");
}

#[tokio::test]
async fn an_idle_node_and_one_that_shall_not_give_nothing_away() {
    let pair = Pair::new(|balance| balance.busy_per_mille = 1).await;
    assert!(!pair.here.app.elsewhere.spills());
    pair.here.app.metrics.http.in_flight.set(100);
    tokio::time::sleep(LOOK_EVERY * 2).await;
    assert!(pair.here.app.elsewhere.spills());
    // What others work on does not make this node busy.
    pair.here.app.metrics.balance.waiting.set(100);
    tokio::time::sleep(LOOK_EVERY * 2).await;
    assert!(!pair.here.app.elsewhere.spills());
    let pair = Pair::new(|balance| balance.spill_reads = false).await;
    assert!(!pair.here.app.elsewhere.spills());
}
