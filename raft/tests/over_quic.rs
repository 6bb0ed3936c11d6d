//! Three nodes on real logs, real engines and real QUIC endpoints, in one process: what the simulation leaves out.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail it")]

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use net::{Authority, ClusterId, Identity, QuicConfig, QuicTransport, Transport, Validity};
use raft::{Clock, Config, Consistency, Entry, Host, Machine, NodeInfo, Role};
use storage::{Fault, Read, Store, Table, Txn, versioned};
use tokio::time::{Instant, sleep};

struct Words;

impl Table for Words {
    const PREFIX: u8 = 0x20;
    const NAME: &'static str = "words";
    type Key = u64;
    type Value = Word;
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Word(Vec<u8>);
versioned!(Word, 1);

struct Keeper;

impl Machine for Keeper {
    fn apply(&mut self, tx: &mut Txn<'_>, entry: &Entry<'_>) -> Result<Vec<u8>, Fault> {
        tx.insert::<Words>(&entry.index, &Word(entry.payload.to_vec()))?;
        Ok(Vec::new())
    }
    fn committed(&mut self, _index: u64) {}
    fn restored(&mut self, _index: u64) {}
}

struct FixedClock;

impl Clock for FixedClock {
    fn now_ms(&self) -> u64 {
        1_000
    }
    fn seed(&self) -> [u8; 16] {
        [1; 16]
    }
}

struct Node {
    id: u64,
    dir: PathBuf,
    identity: Identity,
    /// Kept from the first start on, so that the others find it again.
    address: String,
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

impl Node {
    /// Finds a free port. Another endpoint binds it again later: the one that runs where raft does.
    async fn choose_address(&mut self) {
        let bind = ([127, 0, 0, 1], 0).into();
        let transport = QuicTransport::new(QuicConfig::new(self.identity.clone(), bind));
        transport.start().await.unwrap();
        self.address = transport.local_address().unwrap().to_string();
        transport.stop().await;
    }

    async fn start(&self) -> Host {
        let bind = self.address.parse().unwrap();
        let transport = QuicTransport::new(QuicConfig::new(self.identity.clone(), bind));
        let deadline = soon();
        let store = Arc::new(Store::open_dir(&self.dir.join("state"), 8 << 20).unwrap());
        let mut config = Config::new(self.id, "quic");
        config.snapshot_entries = 200;
        config.keep_entries = 50;
        let transport = Arc::new(transport);
        loop {
            let started = Host::start(
                config.clone(),
                Keeper,
                store.clone(),
                self.dir.join("wal"),
                transport.clone(),
                Arc::new(FixedClock),
            );
            match started.await {
                Ok(host) => return host,
                // The port is free a moment after its last user has stopped.
                Err(fault) => assert!(Instant::now() < deadline, "{fault}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn info(&self) -> NodeInfo {
        NodeInfo { cluster: self.address.clone(), ..NodeInfo::default() }
    }
}

/// Writes through whoever leads.
async fn write(hosts: &[Host], count: u64) -> u64 {
    let (mut done, mut last) = (0, 0);
    let deadline = soon();
    while done < count {
        assert!(Instant::now() < deadline, "commands are not accepted");
        let leader = hosts.iter().find(|host| host.status().role == Role::Leader);
        match leader {
            None => sleep(Duration::from_millis(10)).await,
            Some(host) => {
                let command = Bytes::copy_from_slice(&done.to_be_bytes());
                match host.submit(command, Instant::now() + Duration::from_secs(2)).await {
                    Ok(applied) => {
                        last = applied.index;
                        done += 1;
                    }
                    Err(_) => sleep(Duration::from_millis(10)).await,
                }
            }
        }
    }
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_survive_the_loss_of_one() {
    let dir = tempfile::tempdir().unwrap();
    let validity = Validity { from_ms: 1_600_000_000_000, until_ms: 4_000_000_000_000 };
    let authority = Authority::generate(ClusterId([1; 16]), validity).unwrap();
    let mut nodes = Vec::new();
    for id in 1..=3 {
        let identity = authority.issue(id, validity).unwrap();
        nodes.push(Node { id, dir: dir.path().join(id.to_string()), identity, address: String::new() });
    }
    let mut hosts = Vec::new();
    for node in &mut nodes {
        node.choose_address().await;
        hosts.push(node.start().await);
    }
    hosts[0].bootstrap(nodes[0].info()).await.unwrap();
    write(&hosts[..1], 1).await;
    for node in &nodes[1..] {
        hosts[0].add_learner(node.id, node.info(), soon()).await.unwrap();
    }
    hosts[0].set_voters(BTreeSet::from([1, 2, 3]), soon()).await.unwrap();
    write(&hosts, 50).await;

    let leader = hosts.iter().position(|host| host.status().role == Role::Leader).unwrap();
    hosts.remove(leader).shutdown().await;
    // Enough that the log it would need is gone.
    let last = write(&hosts, 600).await;
    hosts.push(nodes[leader].start().await);
    for host in &hosts {
        host.read(Consistency::Local, Some(last), soon()).await.unwrap();
        host.read(Consistency::Linearizable, None, soon()).await.unwrap();
        assert_eq!(host.view().get::<Words>(&last).unwrap(), Some(Word(599u64.to_be_bytes().to_vec())));
    }
    let digest = hosts[0].view().digests().clone();
    for host in &hosts {
        assert_eq!(*host.view().digests(), digest);
        assert!(host.faulted().borrow().is_none());
        host.shutdown().await;
    }
}
