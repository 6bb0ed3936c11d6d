use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use net::Isolated;
use shop::catalog::CreateCategory;
use shop::command::Dedupe;
use shop::ids::RequestId;
use shop::{Actor, Code, Command};

use crate::clock::SystemClock;
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::identity::Identity;
use crate::node::node_info;
use crate::proposer::ProposeError;
use crate::replica::Replica;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::CommandOutcome;

const LIMIT: Duration = Duration::from_secs(20);

/// A replica in `root`, the only voter of its cluster.
async fn open(root: &Path, metrics: &Metrics) -> (DataDir, Replica) {
    let directory = if DataDir::is_initialised(root) {
        DataDir::open(root).unwrap()
    } else {
        let directory = DataDir::create(root).unwrap();
        directory.finish().unwrap();
        directory
    };
    let config = Config::default();
    let clock = SystemClock::start();
    let began = Instant::now();
    let replica = loop {
        let transport = Arc::new(Isolated);
        match Replica::open(&config, &Identity::FIRST, &directory, transport, clock, metrics).await {
            Ok(replica) => break replica,
            // The engine is free a moment after its last user has stopped.
            Err(error) => assert!(began.elapsed() < LIMIT, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    replica.bootstrap(node_info(&config)).await.unwrap();
    replica.ready(LIMIT).await.unwrap();
    (directory, replica)
}

fn category(slug: &str) -> Command {
    CreateCategory { slug: slug.parse().unwrap(), title: slug.to_owned() }.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let metrics = Metrics::new().unwrap();
    let (directory, replica) = open(home.path(), &metrics).await;
    let reply = replica.proposer.run(Actor::System, category("tea")).await.unwrap();
    assert!(reply.result.is_ok() && reply.index > 0);
    let digest = replica.store.digest();
    replica.close().await;
    assert_eq!(replica.proposer.run(Actor::System, category("x")).await, Err(ProposeError::Stopped));
    drop((replica, directory));

    let (_directory, replica) = open(home.path(), &metrics).await;
    assert_eq!(replica.store.digest(), digest);
    let again = replica.proposer.run(Actor::System, category("tea")).await.unwrap();
    assert_eq!(again.result.unwrap_err().code, Code::AlreadyExists);

    replica.sample(&metrics);
    let text = metrics.render().unwrap();
    assert!(text.contains(r#"shopnode_raft_role{role="leader"} 1"#));
    assert!(!text.contains("shopnode_wal_size_bytes 0\n") && !text.contains("shopnode_state_size_bytes 0\n"));
    assert!(!text.contains("shopnode_wal_fsync_duration_seconds_count 0\n"));
    assert_eq!(metrics.commands.count("catalog.create_category", CommandOutcome::Done), 1);
    assert_eq!(metrics.commands.count("catalog.create_category", CommandOutcome::Rejected), 1);
    assert_eq!(metrics.commands.count("catalog.create_category", CommandOutcome::Unavailable), 1);
    replica.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_gets_the_first_reply() {
    let home = tempfile::tempdir().unwrap();
    let metrics = Metrics::new().unwrap();
    let (_directory, replica) = open(home.path(), &metrics).await;
    let proposer = &replica.proposer;
    let envelope = proposer.envelope(RequestId([1; 16]), Actor::System, Dedupe::Request, category("tea"));
    let first = proposer.submit(&envelope, Instant::now() + LIMIT).await.unwrap();
    let second = proposer.submit(&envelope, Instant::now() + LIMIT).await.unwrap();
    assert!(!first.replayed && second.replayed);
    assert_eq!((first.index, first.result), (second.index, second.result));
    assert_eq!(metrics.commands.count("catalog.create_category", CommandOutcome::Replayed), 1);
    replica.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_much_at_once_is_refused_not_queued() {
    let home = tempfile::tempdir().unwrap();
    let (_directory, replica) = open(home.path(), &Metrics::new().unwrap()).await;
    let all = replica.proposer.take_all_slots();
    assert_eq!(replica.proposer.run(Actor::System, category("tea")).await, Err(ProposeError::Overloaded));
    drop(all);
    assert!(replica.proposer.run(Actor::System, category("tea")).await.is_ok());

    let huge = CreateCategory { slug: "tea".parse().unwrap(), title: "x".repeat(300_000) };
    let refused = replica.proposer.run(Actor::System, huge.into()).await;
    assert!(matches!(refused, Err(ProposeError::TooLarge { .. } | ProposeError::Command(_))), "{refused:?}");
    replica.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_a_cluster_says_so() {
    let home = tempfile::tempdir().unwrap();
    let directory = DataDir::create(home.path()).unwrap();
    let (config, metrics) = (Config::default(), Metrics::new().unwrap());
    let replica = Replica::open(
        &config,
        &Identity::FIRST,
        &directory,
        Arc::new(Isolated),
        SystemClock::start(),
        &metrics,
    )
    .await
    .unwrap();
    let error = replica.ready(Duration::from_millis(50)).await.unwrap_err();
    assert!(error.to_string().contains("in no cluster yet"), "{error}");
    replica.close().await;
}
