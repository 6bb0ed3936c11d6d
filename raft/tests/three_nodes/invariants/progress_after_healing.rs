//! Once everything works again, commands are accepted and every node catches up, in bounded time.

use std::time::Duration;

use bytes::Bytes;
use raft::Consistency;
use tokio::time::Instant;

use crate::cluster::{Cluster, seconds, within};

pub async fn check(cluster: &Cluster) -> u64 {
    let deadline = seconds(20);
    let index = loop {
        let leader = cluster.leader(deadline).await;
        let host = cluster.host(leader).unwrap();
        let limit = within(Duration::from_secs(1));
        if let Ok(done) = host.submit(Bytes::from_static(b"healed"), limit).await {
            break done.index;
        }
        assert!(Instant::now() < deadline, "no command is accepted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    for (id, host) in cluster.hosts() {
        let caught_up = host.read(Consistency::Local, Some(index), deadline).await;
        assert!(caught_up.is_ok(), "node {id} stays behind: {caught_up:?} {:?}", host.status());
    }
    index
}
