//! Datagrams between real endpoints on loopback.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail it")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use net::{
    Authority, ClusterId, Gossip, GossipConfig, Listener, Liveness, MAX_DATAGRAM_BYTES, NodeId, Pace,
    QuicConfig, QuicTransport, Transport, Validity,
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

const CLUSTER: ClusterId = ClusterId([6; 16]);
const LIMIT: Duration = Duration::from_secs(30);

struct Tell(mpsc::UnboundedSender<(NodeId, Bytes)>);

impl Listener for Tell {
    fn heard(&self, from: NodeId, datagram: Bytes) {
        let _ = self.0.send((from, datagram));
    }
}

/// Certificates that hold while the tests run: from long ago until long after.
fn validity() -> Validity {
    Validity { from_ms: 1_600_000_000_000, until_ms: 4_000_000_000_000 }
}

async fn endpoints(count: u64) -> Vec<(NodeId, Arc<QuicTransport>, String)> {
    let authority = Authority::generate(CLUSTER, validity()).unwrap();
    let mut endpoints = Vec::new();
    for node in 1..=count {
        let bind: SocketAddr = ([127, 0, 0, 1], 0).into();
        let identity = authority.issue(node, validity()).unwrap();
        let transport = Arc::new(QuicTransport::new(QuicConfig::new(identity, bind)));
        transport.start().await.unwrap();
        let address = transport.local_address().unwrap().to_string();
        endpoints.push((node, transport, address));
    }
    endpoints
}

#[tokio::test]
async fn a_datagram_waits_for_the_first_connection_and_names_its_sender() {
    let endpoints = endpoints(2).await;
    let (tell, mut told) = mpsc::unbounded_channel();
    endpoints[1].1.hear(Arc::new(Tell(tell)));
    let one = &endpoints[0].1;
    one.send_datagram(2, Bytes::from_static(b"to nobody known"));
    one.know(2, &endpoints[1].2);
    let large = Bytes::from(vec![7; MAX_DATAGRAM_BYTES]);
    one.send_datagram(2, Bytes::from_static(b"first"));
    one.send_datagram(2, large.clone());
    one.send_datagram(2, Bytes::from(vec![8; MAX_DATAGRAM_BYTES + 1]));
    let first = timeout(LIMIT, told.recv()).await.unwrap().unwrap();
    assert_eq!(first, (1, Bytes::from_static(b"first")));
    assert_eq!(timeout(LIMIT, told.recv()).await.unwrap().unwrap(), (1, large));
    one.send_datagram(2, Bytes::from_static(b"later"));
    assert_eq!(timeout(LIMIT, told.recv()).await.unwrap().unwrap(), (1, Bytes::from_static(b"later")));
    for (_, endpoint, _) in endpoints {
        endpoint.stop().await;
    }
}

#[tokio::test]
async fn three_gossip_and_learn_an_address_that_only_one_was_told() {
    let endpoints = endpoints(3).await;
    let mut gossips = Vec::new();
    for (node, transport, address) in &endpoints {
        let config = GossipConfig {
            node: *node,
            address: address.clone(),
            started_ms: 1_700_000_000_000,
            pace: Pace::LAN,
            seed: *node,
        };
        gossips.push(Gossip::start(config, transport.clone()));
    }
    // 2 and 3 know the way to 1, and hear of each other from there.
    gossips[1].introduce(1, &endpoints[0].2);
    gossips[2].introduce(1, &endpoints[0].2);
    for gossip in &gossips {
        let mut members = gossip.members();
        let all =
            members.wait_for(|members| (1..=3).all(|node| members.liveness(node) == Some(Liveness::Alive)));
        timeout(LIMIT, all).await.unwrap().unwrap();
    }
    // A crash, not a goodbye.
    let (_, dead, _) = &endpoints[1];
    dead.stop().await;
    drop(gossips.remove(1));
    for gossip in &gossips {
        let mut members = gossip.members();
        let down = members.wait_for(|members| members.liveness(2) == Some(Liveness::Down));
        timeout(LIMIT, down).await.unwrap().unwrap();
    }
    sleep(Duration::from_millis(1)).await;
    for (_, endpoint, _) in &endpoints {
        endpoint.stop().await;
    }
}
