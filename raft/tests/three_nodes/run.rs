//! One seed: clients and faults for a while, then healing, then the invariants.

use std::{
    cell::RefCell,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
    sync::atomic::Ordering,
    time::Duration,
};

use bytes::Bytes;
use net::sim::Random;
use raft::{Consistency, Host, SubmitError};
use tokio::task::LocalSet;

use crate::{
    cluster::{Cluster, NODES, seconds, within},
    faults::{mend_all, strike},
    invariants::{
        digests_agree, no_acked_write_lost, no_acked_write_lost::Acknowledged, progress_after_healing,
        same_order_everywhere, time_never_runs_back,
    },
};

/// Faults in one run.
const STRIKES: u64 = 12;
const CLIENTS: u64 = 4;
/// A run takes about half a minute of its own time.
const RUN_LIMIT: Duration = Duration::from_secs(180);

/// What a run did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    pub acknowledged: u64,
    pub unknown: u64,
    pub linearizable_reads: u64,
    pub crashes: u64,
    pub blackouts: u64,
    pub restarts: u64,
    pub cuts: u64,
    pub lossy: u64,
    pub transfers: u64,
    pub installs: u64,
    pub terms: u64,
    pub digests: u64,
    pub last_index: u64,
    pub virtual_ms: u64,
}

impl Report {
    pub fn add(&mut self, other: &Report) {
        self.acknowledged += other.acknowledged;
        self.unknown += other.unknown;
        self.linearizable_reads += other.linearizable_reads;
        self.crashes += other.crashes;
        self.blackouts += other.blackouts;
        self.restarts += other.restarts;
        self.cuts += other.cuts;
        self.lossy += other.lossy;
        self.transfers += other.transfers;
        self.installs += other.installs;
        self.terms += other.terms;
        self.digests += other.digests;
        self.last_index += other.last_index;
        self.virtual_ms += other.virtual_ms;
    }
}

/// Runs a seed. A failure says how to run it again.
pub fn run_seed(seed: u64) -> Report {
    let report = catch_unwind(AssertUnwindSafe(|| simulate(seed)));
    report.unwrap_or_else(|panic| {
        eprintln!(
            "seed {seed} failed; again: RAFT_SEED={seed} cargo test -p raft --test three_nodes replay -- \
             --ignored --nocapture"
        );
        resume_unwind(panic)
    })
}

fn simulate(seed: u64) -> Report {
    raft::seed_this_thread(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    // In virtual time: whatever waits for ever is a failure that says where, not a test that hangs.
    let bounded = async { tokio::time::timeout(RUN_LIMIT, scenario(seed)).await };
    LocalSet::new().block_on(&runtime, bounded).unwrap_or_else(|_| panic!("the run does not end"))
}

/// What the clients share.
struct Shared {
    cluster: RefCell<Vec<Host>>,
    acknowledged: RefCell<Vec<Acknowledged>>,
    report: RefCell<Report>,
    stop: tokio::sync::watch::Sender<bool>,
}

async fn scenario(seed: u64) -> Report {
    let start = tokio::time::Instant::now();
    let mut random = Random::new(seed);
    let mut cluster = Cluster::start(&mut random).await;
    let shared = Rc::new(Shared {
        cluster: RefCell::default(),
        acknowledged: RefCell::default(),
        report: RefCell::default(),
        stop: tokio::sync::watch::Sender::new(false),
    });
    let mut clients = Vec::new();
    for client in 0..CLIENTS {
        clients.push(tokio::task::spawn_local(write_and_read(client, random.fork(), shared.clone())));
    }
    let mut digests = digests_agree::Seen::default();
    let mut faults = Report::default();
    for _ in 0..STRIKES {
        publish(&cluster, &shared);
        tokio::time::sleep(Duration::from_millis(random.between(100, 800))).await;
        strike(&mut cluster, &mut random, &mut faults).await;
        cluster.hosts().iter().for_each(|(_, host)| digests.look(host));
    }
    mend_all(&mut cluster).await;
    publish(&cluster, &shared);
    shared.stop.send_replace(true);
    for client in clients {
        client.await.unwrap();
    }
    let last_index = progress_after_healing::check(&cluster).await;

    let hosts: Vec<Host> = cluster.hosts().into_iter().map(|(_, host)| host).collect();
    assert_eq!(hosts.len(), NODES.len());
    settle(&hosts).await;
    for host in &hosts {
        assert_eq!(*host.faulted().borrow(), None);
        no_acked_write_lost::check(host, &shared.acknowledged.borrow());
        time_never_runs_back::check(host);
        digests.look(host);
    }
    same_order_everywhere::check(&hosts);
    digests_agree::check(&hosts);

    let mut report = shared.report.borrow().clone();
    report.add(&faults);
    report.installs = cluster.installs.load(Ordering::Relaxed);
    report.terms = hosts[0].status().term;
    report.digests = digests.count() as u64;
    report.last_index = last_index;
    report.virtual_ms = start.elapsed().as_millis() as u64;
    // A run in which nothing was written or nothing broke proves nothing.
    assert!(report.acknowledged > 0, "nothing was written: {report:?}");
    let struck =
        report.crashes + report.blackouts + report.cuts + report.lossy + report.restarts + report.transfers;
    assert!(struck > 0, "nothing broke: {report:?}");
    cluster.shutdown().await;
    report
}

/// Tells the clients which hosts there are now.
fn publish(cluster: &Cluster, shared: &Shared) {
    *shared.cluster.borrow_mut() = cluster.hosts().into_iter().map(|(_, host)| host).collect();
}

/// Waits until all nodes have applied equally much.
async fn settle(hosts: &[Host]) {
    let deadline = seconds(10);
    loop {
        let applied: Vec<u64> = hosts.iter().map(|host| *host.applied().borrow()).collect();
        let committed = hosts.iter().map(|host| host.status().last_log_index).max().unwrap_or(0);
        if applied.iter().all(|index| *index == committed) {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the nodes do not settle: {:?}",
            hosts.iter().map(Host::status).collect::<Vec<_>>()
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// One client: writes through whoever takes it, and reads what it must then see.
async fn write_and_read(client: u64, mut random: Random, shared: Rc<Shared>) {
    let mut number = 0u64;
    while !*shared.stop.borrow() {
        let Some(host) = any_host(&mut random, &shared) else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        number += 1;
        let command = [client.to_be_bytes(), number.to_be_bytes()].concat();
        let limit = within(Duration::from_millis(random.between(50, 1500)));
        match host.submit(Bytes::from(command.clone()), limit).await {
            Ok(done) => {
                shared.report.borrow_mut().acknowledged += 1;
                shared.acknowledged.borrow_mut().push(Acknowledged { index: done.index, command });
            }
            Err(SubmitError::OutcomeUnknown { .. }) => shared.report.borrow_mut().unknown += 1,
            Err(_) => {}
        }
        if random.chance(200) {
            read(&mut random, &shared).await;
        }
        tokio::time::sleep(Duration::from_millis(random.between(5, 60))).await;
    }
}

/// A linearizable read, anywhere, sees everything acknowledged before it began.
async fn read(random: &mut Random, shared: &Shared) {
    let Some(host) = any_host(random, shared) else { return };
    let acknowledged = shared.acknowledged.borrow().iter().map(|ack| ack.index).max().unwrap_or(0);
    let limit = within(Duration::from_millis(random.between(50, 1000)));
    if let Ok(index) = host.read(Consistency::Linearizable, None, limit).await {
        assert!(index >= acknowledged, "a read at {index} missed {acknowledged}");
        shared.report.borrow_mut().linearizable_reads += 1;
    }
}

fn any_host(random: &mut Random, shared: &Shared) -> Option<Host> {
    let hosts = shared.cluster.borrow();
    hosts.get(random.below(hosts.len() as u64) as usize).cloned()
}
