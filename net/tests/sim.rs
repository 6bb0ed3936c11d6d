//! The simulated network does what it says: delays, loses, cuts, and repeats itself by its seed.
#![allow(clippy::unwrap_used, reason = "the helpers of a test fail it")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use net::{
    BoxFuture, Channel, GroupId, Kind, Lane, NetError, NodeId, Route, Service, Transport,
    sim::{SimNetwork, SimTransport},
};
use tokio::time::Instant;

/// Answers calls with what was sent, and channels frame by frame.
struct Echo;

impl Service for Echo {
    fn call(&self, _from: NodeId, kind: Kind, body: Bytes) -> BoxFuture<'_, Result<Bytes, String>> {
        Box::pin(async move { if kind == Kind(9) { Err("no".into()) } else { Ok(body) } })
    }

    fn channel(&self, _from: NodeId, _kind: Kind, mut channel: Channel) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            while let Ok(Some(frame)) = channel.receiver.receive().await {
                if channel.sender.send(frame).await.is_err() {
                    return;
                }
            }
            let _ = channel.sender.finish().await;
        })
    }
}

fn two_nodes(network: &SimNetwork) -> (Arc<SimTransport>, Arc<SimTransport>) {
    let (one, two) = (network.transport(1), network.transport(2));
    two.serve(GroupId::FIRST, Arc::new(Echo));
    (one, two)
}

fn to_two(kind: u8) -> Route {
    Route { peer: 2, group: GroupId::FIRST, kind: Kind(kind) }
}

fn in_ms(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms)
}

#[tokio::test(start_paused = true)]
async fn calls_arrive_and_refusals_too() {
    let network = SimNetwork::new(1);
    let (one, two) = two_nodes(&network);
    assert_eq!(one.call(to_two(1), Bytes::from_static(b"x"), in_ms(50)).await.unwrap(), "x");
    let refused = one.call(to_two(9), Bytes::new(), in_ms(50)).await;
    assert_eq!(refused, Err(NetError::Refused { peer: 2, why: "no".into() }));
    two.stop().await;
    let down = one.call(to_two(1), Bytes::new(), in_ms(50)).await;
    assert_eq!(down.unwrap_err().code(), "net_unreachable");
}

#[tokio::test(start_paused = true)]
async fn a_cut_path_is_silence_until_the_deadline() {
    let network = SimNetwork::new(2);
    let (one, two) = two_nodes(&network);
    one.serve(GroupId::FIRST, Arc::new(Echo));
    for (from, to) in [(1, 2), (2, 1)] {
        network.cut_one_way(from, to);
        let deadline = in_ms(50);
        let cut = one.call(to_two(1), Bytes::new(), deadline).await;
        assert_eq!(cut.unwrap_err().code(), "net_timeout", "{from} to {to}");
        assert_eq!(Instant::now(), deadline);
        network.heal();
        one.call(to_two(1), Bytes::new(), in_ms(50)).await.unwrap();
    }
    drop(two);
}

#[tokio::test(start_paused = true)]
async fn frames_stay_in_order_and_wait_for_a_cut_to_heal() {
    let network = SimNetwork::new(3);
    network.set_loss(300);
    let (one, _two) = two_nodes(&network);
    let mut channel = loop {
        if let Ok(channel) = one.open(to_two(1), Lane::Steady, in_ms(50)).await {
            break channel;
        }
    };
    for n in 0..100u8 {
        channel.sender.send(Bytes::copy_from_slice(&[n])).await.unwrap();
        assert_eq!(channel.receiver.receive().await.unwrap().unwrap(), [n].as_slice());
    }
    assert!(network.stats().lost > 0);
    network.cut(&[1], &[2]);
    channel.sender.send(Bytes::from_static(b"held")).await.unwrap();
    let waited = tokio::time::timeout(Duration::from_secs(5), channel.receiver.receive()).await;
    assert!(waited.is_err());
    network.heal();
    assert_eq!(channel.receiver.receive().await.unwrap().unwrap(), "held");
    channel.sender.finish().await.unwrap();
    assert_eq!(channel.receiver.receive().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_restart_breaks_what_was_open() {
    let network = SimNetwork::new(4);
    let (one, _two) = two_nodes(&network);
    let mut channel = one.open(to_two(1), Lane::Bulk, in_ms(50)).await.unwrap();
    let waiting = tokio::spawn(async move { channel.receiver.receive().await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let again = network.transport(2);
    again.serve(GroupId::FIRST, Arc::new(Echo));
    assert_eq!(waiting.await.unwrap().unwrap_err().code(), "net_lost");
    one.call(to_two(1), Bytes::new(), in_ms(50)).await.unwrap();
}

#[test]
fn a_seed_repeats_itself() {
    let run = |seed| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let network = SimNetwork::new(seed);
            network.set_loss(200);
            let (one, _two) = two_nodes(&network);
            let start = Instant::now();
            let mut trace = Vec::new();
            for _ in 0..100 {
                let arrived = one.call(to_two(1), Bytes::new(), in_ms(20)).await.is_ok();
                trace.push((start.elapsed(), arrived));
            }
            trace
        })
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
