//! Real endpoints on loopback: who is answered without a certificate, by whom, and what a removed node still gets.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail it")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use net::{
    Authority, BoxFuture, Channel, ClusterId, GroupId, Identity, JoinError, Kind, MAX_REQUEST_BYTES, NodeId,
    Pin, QuicConfig, QuicTransport, Registrar, Route, Service, Transport, Validity, ask,
};
use tokio::time::{Instant, sleep};

const CLUSTER: ClusterId = ClusterId([5; 16]);
const LIMIT: Duration = Duration::from_secs(10);

/// Answers with what it was asked.
struct Echo;

impl Registrar for Echo {
    fn register(&self, _from: SocketAddr, request: Bytes) -> BoxFuture<'_, Bytes> {
        Box::pin(async move { [b"re: ", request.as_ref()].concat().into() })
    }
}

impl Service for Echo {
    fn call(&self, _from: NodeId, _kind: Kind, body: Bytes) -> BoxFuture<'_, Result<Bytes, String>> {
        Box::pin(async move { Ok(body) })
    }

    fn channel(&self, _from: NodeId, _kind: Kind, _channel: Channel) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn validity() -> Validity {
    Validity { from_ms: 1_600_000_000_000, until_ms: 4_000_000_000_000 }
}

fn authority() -> Authority {
    Authority::generate(CLUSTER, validity()).unwrap()
}

fn pin(authority: &Authority) -> Pin {
    Pin { authority_sha256: authority.key_sha256(), cluster: CLUSTER }
}

async fn endpoint(identity: Identity) -> (Arc<QuicTransport>, String) {
    let transport = Arc::new(QuicTransport::new(QuicConfig::new(identity, ([127, 0, 0, 1], 0).into())));
    transport.serve(GroupId::FIRST, Arc::new(Echo));
    transport.enrol_by(Arc::new(Echo));
    transport.start().await.unwrap();
    let address = transport.local_address().unwrap().to_string();
    (transport, address)
}

fn issue(authority: &Authority, node: NodeId) -> Identity {
    authority.issue(node, validity()).unwrap()
}

async fn call(from: &QuicTransport, peer: NodeId) -> Result<Bytes, net::NetError> {
    let route = Route { peer, group: GroupId::FIRST, kind: Kind(1) };
    from.call(route, Bytes::from_static(b"x"), Instant::now() + LIMIT).await
}

/// Looks until it is so.
async fn until(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !look().await {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn any_node_of_the_pinned_cluster_answers() {
    let authority = authority();
    let (node, address) = endpoint(issue(&authority, 7)).await;
    let answer = ask(&address, pin(&authority), Bytes::from_static(b"hello"), LIMIT).await;
    assert_eq!(answer, Ok(Bytes::from_static(b"re: hello")));
    let large = Bytes::from(vec![7; MAX_REQUEST_BYTES]);
    assert_eq!(ask(&address, pin(&authority), large, LIMIT).await.unwrap().len(), 4 + MAX_REQUEST_BYTES);
    let too_large = Bytes::from(vec![7; MAX_REQUEST_BYTES + 1]);
    let refused = ask(&address, pin(&authority), too_large, LIMIT).await.unwrap_err();
    assert_eq!(refused.code(), "join_too_large");
    node.stop().await;
    let gone = ask(&address, pin(&authority), Bytes::new(), Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(gone.code(), "join_unreachable");
}

#[tokio::test]
async fn nobody_else_is_sent_anything() {
    let (ours, theirs) = (authority(), authority());
    let check = async |identity: Identity, code: &str| {
        let (node, address) = endpoint(identity).await;
        let refused = ask(&address, pin(&ours), Bytes::from_static(b"secret"), LIMIT).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        node.stop().await;
    };
    check(issue(&theirs, 1), "join_pin_mismatch").await;
    // The authority's certificate is no secret: whoever shows it must also have had its key.
    let forger = Authority::from_der(CLUSTER, ours.certificate().to_vec(), &theirs.key_der()).unwrap();
    check(issue(&forger, 1), "join_pin_mismatch").await;
    let other = ClusterId([6; 16]);
    let elsewhere = Authority::from_der(other, ours.certificate().to_vec(), &ours.key_der()).unwrap();
    check(issue(&elsewhere, 1), "join_wrong_cluster").await;
    // Most of those who name the wrong address meet an honest stranger.
    let stranger = Authority::from_der(other, theirs.certificate().to_vec(), &theirs.key_der()).unwrap();
    check(issue(&stranger, 1), "join_wrong_cluster").await;
    let expired = Validity { from_ms: 1_500_000_000_000, until_ms: 1_500_000_001_000 };
    check(ours.issue(1, expired).unwrap(), "join_unreachable").await;
}

#[tokio::test]
async fn who_asks_too_often_is_told_so() {
    let authority = authority();
    let (node, address) = endpoint(issue(&authority, 1)).await;
    let mut refused = None;
    for _ in 0..60 {
        refused = ask(&address, pin(&authority), Bytes::new(), LIMIT).await.err();
        if refused.is_some() {
            break;
        }
    }
    assert!(matches!(refused, Some(JoinError::Busy { .. })), "{refused:?}");
    node.stop().await;
}

#[tokio::test]
async fn a_removed_node_loses_what_it_has_and_gets_nothing_new() {
    let authority = authority();
    let (one, first) = endpoint(issue(&authority, 1)).await;
    let (two, second) = endpoint(issue(&authority, 2)).await;
    one.know(2, &second);
    two.know(1, &first);
    call(&one, 2).await.unwrap();
    call(&two, 1).await.unwrap();
    assert_eq!(two.connected(), [1]);
    two.refuse(1);
    until("its connections to end", async || two.connected().is_empty()).await;
    until("it to be told", async || call(&one, 2).await.is_err_and(|error| error.code() == "net_removed"))
        .await;
    assert_eq!(call(&two, 1).await.unwrap_err().code(), "net_unreachable");
    two.know(1, &first);
    assert_eq!(call(&two, 1).await.unwrap_err().code(), "net_unreachable");
    one.stop().await;
    two.stop().await;
}

fn trusting(identity: &Identity, authorities: &[&Authority]) -> Identity {
    let authorities = authorities.iter().map(|authority| authority.certificate().to_vec()).collect();
    let (certificate, key) = (identity.certificate().to_vec(), identity.key_der().to_vec());
    Identity::from_der(CLUSTER, authorities, certificate, key).unwrap()
}

#[tokio::test]
async fn authorities_change_while_nodes_talk() {
    let (old, new) = (authority(), authority());
    let (one, _) = endpoint(issue(&old, 1)).await;
    let (two, second) = endpoint(issue(&old, 2)).await;
    one.know(2, &second);
    call(&one, 2).await.unwrap();
    for node in [&one, &two] {
        node.renew(trusting(&node.identity(), &[&old, &new])).unwrap();
        call(&one, 2).await.unwrap();
    }
    for node in [&one, &two] {
        node.renew(trusting(&issue(&new, node.identity().node()), &[&old, &new])).unwrap();
        call(&one, 2).await.unwrap();
    }
    // Links go over to the new certificates by themselves, and then the old authority can go.
    for node in [&one, &two] {
        node.renew(trusting(&node.identity(), &[&new])).unwrap();
    }
    until("a connection under the new authority", async || call(&one, 2).await.is_ok()).await;

    let (late, _) = endpoint(trusting(&issue(&old, 3), &[&old, &new])).await;
    late.know(2, &second);
    let refused = call(&late, 2).await.unwrap_err();
    assert_ne!(refused.code(), "net_timeout", "{refused}");
    for node in [one, two, late] {
        node.stop().await;
    }
}
