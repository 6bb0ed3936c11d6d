//! Two real endpoints on loopback: what works, and who is turned away.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail it")]

use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use net::{
    Authority, BoxFuture, Channel, ClusterId, GroupId, Identity, Kind, Lane, NetError, NodeId, PeerTally,
    QuicConfig, QuicTransport, Route, Service, Transport, Validity,
};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::time::{Instant, sleep, timeout};

const CLUSTER: ClusterId = ClusterId([5; 16]);

/// Answers with the caller's id and what was sent; kind 8 never answers, kind 9 refuses.
struct Echo;

impl Service for Echo {
    fn call(&self, from: NodeId, kind: Kind, body: Bytes) -> BoxFuture<'_, Result<Bytes, String>> {
        Box::pin(async move {
            match kind {
                Kind(8) => std::future::pending().await,
                Kind(9) => Err("not here".into()),
                _ => Ok([&from.to_be_bytes(), body.as_ref()].concat().into()),
            }
        })
    }

    fn channel(&self, _from: NodeId, kind: Kind, mut channel: Channel) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            while let Ok(Some(frame)) = channel.receiver.receive().await {
                if kind == Kind(9) || channel.sender.send(frame).await.is_err() {
                    return;
                }
            }
            let _ = channel.sender.finish().await;
        })
    }
}

/// Certificates that hold while the tests run: from long ago until long after.
fn authority(cluster: ClusterId) -> Authority {
    Authority::generate(cluster, validity()).unwrap()
}

fn validity() -> Validity {
    Validity { from_ms: 1_600_000_000_000, until_ms: 4_000_000_000_000 }
}

fn loopback() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

async fn endpoint(identity: Identity) -> (Arc<QuicTransport>, String) {
    started(QuicConfig::new(identity, loopback())).await
}

async fn started(config: QuicConfig) -> (Arc<QuicTransport>, String) {
    let transport = Arc::new(QuicTransport::new(config));
    transport.serve(GroupId::FIRST, Arc::new(Echo));
    transport.start().await.unwrap();
    let address = transport.local_address().unwrap().to_string();
    (transport, address)
}

async fn pair() -> (Arc<QuicTransport>, Arc<QuicTransport>) {
    let authority = authority(CLUSTER);
    let (one, _) = endpoint(authority.issue(1, validity()).unwrap()).await;
    let (two, address) = endpoint(authority.issue(2, validity()).unwrap()).await;
    one.know(2, &address);
    (one, two)
}

fn to_two(kind: u8) -> Route {
    Route { peer: 2, group: GroupId::FIRST, kind: Kind(kind) }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

#[tokio::test]
async fn calls_are_answered_by_the_certified_node() {
    let (one, two) = pair().await;
    let answer = one.call(to_two(1), Bytes::from_static(b"hello"), soon()).await.unwrap();
    assert_eq!(answer, [&1u64.to_be_bytes(), b"hello".as_slice()].concat());
    let refused = one.call(to_two(9), Bytes::new(), soon()).await;
    assert_eq!(refused, Err(NetError::Refused { peer: 2, why: "not here".into() }));
    let elsewhere = Route { group: GroupId(7), ..to_two(1) };
    assert_eq!(one.call(elsewhere, Bytes::new(), soon()).await.unwrap_err().code(), "net_refused");
    let large = Bytes::from(vec![7; 1 << 20]);
    assert_eq!(one.call(to_two(1), large.clone(), soon()).await.unwrap().slice(8..), large);
    let silent = one.call(to_two(8), Bytes::new(), Instant::now() + Duration::from_millis(50)).await;
    assert_eq!(silent.unwrap_err().code(), "net_timeout");
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn channels_keep_order_and_say_how_they_end() {
    let (one, two) = pair().await;
    for lane in [Lane::Steady, Lane::Bulk] {
        let mut channel = one.open(to_two(1), lane, soon()).await.unwrap();
        for n in 0..200u32 {
            channel.sender.send(Bytes::copy_from_slice(&n.to_be_bytes())).await.unwrap();
        }
        channel.sender.finish().await.unwrap();
        for n in 0..200u32 {
            assert_eq!(channel.receiver.receive().await.unwrap().unwrap(), n.to_be_bytes().as_slice());
        }
        assert_eq!(channel.receiver.receive().await.unwrap(), None);

        // A peer that gives up is not one that has finished.
        let mut abandoned = one.open(to_two(9), lane, soon()).await.unwrap();
        abandoned.sender.send(Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(abandoned.receiver.receive().await.unwrap_err().code(), "net_lost");
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_connection_of_a_channel_s_own_ends_with_it() {
    let (one, two) = pair().await;
    one.call(to_two(1), Bytes::new(), soon()).await.unwrap();
    let (until, mut open) = (soon(), Vec::new());
    for _ in 0..3 {
        let mut channel = one.open(to_two(1), Lane::Bulk, soon()).await.unwrap();
        channel.sender.send(Bytes::from_static(b"x")).await.unwrap();
        channel.receiver.receive().await.unwrap().unwrap();
        open.push(channel);
    }
    let connections =
        |at: &QuicTransport, peer| at.tally().iter().find(|tally| tally.peer == peer).unwrap().connections;
    assert_eq!(connections(&one, 2), 4, "three beside the steady one");
    let Channel { sender, mut receiver } = open.pop().unwrap();
    drop(sender);
    assert_eq!(receiver.receive().await.unwrap(), None, "its other half goes on");
    drop((receiver, open));
    while connections(&one, 2) > 1 {
        assert!(Instant::now() < until, "they stay open");
        sleep(Duration::from_millis(5)).await;
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_receive_that_was_dropped_loses_nothing() {
    let (one, two) = pair().await;
    let mut channel = one.open(to_two(1), Lane::Steady, soon()).await.unwrap();
    let frame = Bytes::from(vec![3; 3 << 20]);
    channel.sender.send(frame.clone()).await.unwrap();
    let deadline = soon();
    let received = loop {
        // Far less than the frame takes.
        if let Ok(received) = timeout(Duration::from_micros(200), channel.receiver.receive()).await {
            break received.unwrap().unwrap();
        }
        assert!(Instant::now() < deadline);
    };
    assert_eq!(received, frame);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn a_peer_that_comes_back_is_found_again() {
    let authority = authority(CLUSTER);
    let (one, _) = endpoint(authority.issue(1, validity()).unwrap()).await;
    let second = authority.issue(2, validity()).unwrap();
    let (two, address) = endpoint(second.clone()).await;
    one.know(2, &address);
    one.call(to_two(1), Bytes::new(), soon()).await.unwrap();
    two.stop().await;
    drop(two);
    let deadline = soon();
    while one.call(to_two(1), Bytes::new(), soon()).await.is_ok() {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(5)).await;
    }
    let config = QuicConfig::new(second, address.parse().unwrap());
    let again = QuicTransport::new(config);
    again.serve(GroupId::FIRST, Arc::new(Echo));
    // The socket goes with the last task that held it, which may be a moment after `stop`.
    while again.start().await.is_err() {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(5)).await;
    }
    while one.call(to_two(1), Bytes::new(), soon()).await.is_err() {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(5)).await;
    }
    one.stop().await;
    again.stop().await;
}

/// What `transport` has counted of a peer whose address it knows.
fn tally(transport: &QuicTransport, peer: NodeId) -> PeerTally {
    transport.tally().into_iter().find(|tally| tally.peer == peer).unwrap()
}

/// Waits until it is so, for ten seconds.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = soon();
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_connection_that_is_made_again_is_counted_once() {
    let scenario = async {
        let authority = authority(CLUSTER);
        let (one, _) = endpoint(authority.issue(1, validity()).unwrap()).await;
        let second = authority.issue(2, validity()).unwrap();
        let (two, address) = endpoint(second.clone()).await;
        one.know(2, &address);
        one.call(to_two(1), Bytes::new(), soon()).await.unwrap();
        let before = tally(&one, 2);
        assert!(before.connected && before.sent_bytes > 0 && before.received_bytes > 0, "{before:?}");
        assert_eq!((before.reconnects, before.failures, before.in_flight), (0, 0, 0));

        two.stop().await;
        drop(two);
        until("the loss goes unnoticed", || !tally(&one, 2).connected).await;
        one.call(to_two(1), Bytes::new(), soon()).await.unwrap_err();
        assert_eq!(tally(&one, 2).reconnects, 0, "nothing answers there");

        let again = QuicTransport::new(QuicConfig::new(second, address.parse().unwrap()));
        again.serve(GroupId::FIRST, Arc::new(Echo));
        let deadline = soon();
        // The socket goes with the last task that held it, which may be a moment after `stop`.
        while again.start().await.is_err() {
            assert!(Instant::now() < deadline, "the address stays in use");
            sleep(Duration::from_millis(5)).await;
        }
        until("it is not found again", || tally(&one, 2).reconnects > 0).await;
        one.call(to_two(1), Bytes::new(), soon()).await.unwrap();
        let after = tally(&one, 2);
        assert!(after.connected, "{after:?}");
        assert_eq!((after.reconnects, after.failures), (1, 1), "{after:?}");
        // What went over the first connection is not forgotten.
        assert!(after.sent_bytes > before.sent_bytes && after.received_bytes > before.received_bytes);
        one.stop().await;
        again.stop().await;
    };
    timeout(Duration::from_secs(60), scenario).await.unwrap();
}

#[tokio::test]
async fn two_nodes_speak_the_newest_protocol_that_both_know() {
    let check = async |ones: RangeInclusive<u16>, twos: RangeInclusive<u16>, expect: Option<u16>| {
        let authority = authority_of_two();
        let speaking = |node, protocols| QuicConfig {
            protocols,
            ..QuicConfig::new(authority.issue(node, validity()).unwrap(), loopback())
        };
        let (one, address_of_one) = started(speaking(1, ones.clone())).await;
        let (two, address_of_two) = started(speaking(2, twos.clone())).await;
        one.know(2, &address_of_two);
        let called = one.call(to_two(1), Bytes::new(), soon()).await;
        match expect {
            Some(protocol) => {
                called.unwrap();
                assert_eq!(tally(&one, 2).protocol, Some(protocol), "{ones:?} dials {twos:?}");
                // Both sides of the connection know it.
                two.know(1, &address_of_one);
                until("the other side does not", || tally(&two, 1).protocol == Some(protocol)).await;
            }
            None => {
                let error = called.unwrap_err();
                assert_eq!(error.code(), "net_refused");
                assert!(error.to_string().contains("upgrade the older"), "{error}");
                assert_eq!(tally(&one, 2).protocol, None);
            }
        }
        one.stop().await;
        two.stop().await;
    };
    let all = async {
        check(1..=1, 1..=2, Some(1)).await;
        check(1..=2, 1..=1, Some(1)).await;
        check(1..=2, 1..=2, Some(2)).await;
        check(3..=3, 1..=1, None).await;
        check(1..=1, 3..=3, None).await;
    };
    timeout(Duration::from_secs(60), all).await.unwrap();
}

/// Answers hellos as the first programs did, which demanded their own number. Returns what they said.
fn first_program(identity: &Identity) -> (String, Arc<Mutex<Vec<u16>>>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![identity.certificate().clone()],
            PrivatePkcs8KeyDer::from(identity.key_der().to_vec()).into(),
        )
        .unwrap();
    tls.alpn_protocols = vec![b"shopnode-cluster/1".to_vec()];
    let tls = Arc::new(QuicServerConfig::try_from(tls).unwrap());
    let server = quinn::Endpoint::server(quinn::ServerConfig::with_crypto(tls), loopback()).unwrap();
    let address = server.local_addr().unwrap().to_string();
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = said.clone();
    tokio::spawn(async move {
        while let Some(incoming) = server.accept().await {
            let connection = incoming.await.unwrap();
            let (mut tx, mut rx) = connection.accept_bi().await.unwrap();
            let mut hello = [0; 31];
            rx.read_exact(&mut hello).await.unwrap();
            let protocol = u16::from_be_bytes([hello[25], hello[26]]);
            heard.lock().unwrap().push(protocol);
            let status = if protocol == 1 { 0 } else { 3 };
            tx.write_all(&[1, status, 0, 1]).await.unwrap();
            tx.finish().unwrap();
            // Whoever was refused has read it by then.
            let _ = tx.stopped().await;
            tokio::spawn(async move { connection.closed().await });
        }
    });
    (address, said)
}

#[tokio::test]
async fn a_program_from_before_there_was_a_choice_is_dialled_again_with_its_own_protocol() {
    let authority = authority_of_two();
    let check = async |protocols: RangeInclusive<u16>, said: &[u16], expect: Option<u16>| {
        let (address, heard) = first_program(&authority.issue(2, validity()).unwrap());
        let identity = authority.issue(1, validity()).unwrap();
        let (one, _) = started(QuicConfig { protocols, ..QuicConfig::new(identity, loopback()) }).await;
        one.know(2, &address);
        match expect {
            Some(_) => until("no connection", || tally(&one, 2).connected).await,
            None => {
                let error = one.call(to_two(1), Bytes::new(), soon()).await.unwrap_err();
                assert!(error.to_string().contains("it speaks protocol 1"), "{error}");
            }
        }
        assert_eq!(tally(&one, 2).protocol, expect);
        assert!(heard.lock().unwrap().starts_with(said), "{heard:?}");
        one.stop().await;
    };
    let all = async {
        check(1..=1, &[1], Some(1)).await;
        check(1..=3, &[3, 1], Some(1)).await;
        check(2..=3, &[3], None).await;
    };
    timeout(Duration::from_secs(60), all).await.unwrap();
}

/// Dials node 2, whose own identity is good, as `stranger`; the call must fail, and not by running out of time.
async fn turned_away(stranger: Identity) -> NetError {
    let (two, address) = endpoint(authority_of_two().issue(2, validity()).unwrap()).await;
    let (one, _) = endpoint(stranger).await;
    one.know(2, &address);
    let error = one.call(to_two(1), Bytes::new(), soon()).await.unwrap_err();
    one.stop().await;
    two.stop().await;
    assert_ne!(error.code(), "net_timeout");
    error
}

/// The same authority each time, so that strangers can be signed by it too.
fn authority_of_two() -> &'static Authority {
    static AUTHORITY: std::sync::OnceLock<Authority> = std::sync::OnceLock::new();
    AUTHORITY.get_or_init(|| authority(CLUSTER))
}

#[tokio::test]
async fn another_authority_is_refused() {
    let stranger = authority(CLUSTER).issue(1, validity()).unwrap();
    turned_away(stranger).await;
}

#[tokio::test]
async fn another_cluster_is_refused_even_under_the_same_authority() {
    let signer = authority_of_two();
    let other = ClusterId([6; 16]);
    let signer = Authority::from_der(other, signer.certificate().to_vec(), &signer.key_der()).unwrap();
    turned_away(signer.issue(1, validity()).unwrap()).await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let expired = Validity { from_ms: 1_500_000_000_000, until_ms: 1_500_000_001_000 };
    turned_away(authority_of_two().issue(1, expired).unwrap()).await;
}

#[tokio::test]
async fn another_node_at_the_address_is_not_taken_for_the_peer() {
    let authority = authority(CLUSTER);
    let (one, _) = endpoint(authority.issue(1, validity()).unwrap()).await;
    let (three, address) = endpoint(authority.issue(3, validity()).unwrap()).await;
    one.know(2, &address);
    let error = one.call(to_two(1), Bytes::new(), soon()).await.unwrap_err();
    assert_eq!(error.code(), "net_unreachable");
    one.stop().await;
    three.stop().await;
}

#[tokio::test]
async fn without_a_certificate_nothing_is_answered() {
    let (two, address) = endpoint(authority_of_two().issue(2, validity()).unwrap()).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority_of_two().certificate().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"shopnode-cluster/1".to_vec()];
    let mut client = quinn::Endpoint::client(loopback()).unwrap();
    let tls = Arc::new(QuicClientConfig::try_from(tls).unwrap());
    client.set_default_client_config(quinn::ClientConfig::new(tls));
    let name = format!("n2.{CLUSTER}.shopnode.internal");
    let refused = async {
        // The client's side of the handshake may well succeed; what counts is that nothing comes back.
        let connection = client.connect(address.parse().unwrap(), &name).unwrap().await?;
        let (mut tx, mut rx) = connection.open_bi().await?;
        let hello = [[1].as_slice(), &CLUSTER.0, &1u64.to_be_bytes(), &[0, 1], &[0, 0, 0, 1]].concat();
        let _ = tx.write_all(&hello).await;
        let answer = rx.read_to_end(100).await;
        assert!(answer.is_err(), "a stranger was answered: {answer:?}");
        Err::<(), quinn::ConnectionError>(connection.closed().await)
    };
    let error = timeout(Duration::from_secs(10), refused).await.unwrap().unwrap_err();
    assert!(matches!(error, quinn::ConnectionError::ApplicationClosed(_)), "{error:?}");
    two.stop().await;
}
