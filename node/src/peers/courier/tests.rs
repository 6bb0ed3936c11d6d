use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use net::{BoxFuture, Channel, FrameReceiver, FrameSender, GroupId, Lane, NetError, NodeId, Route};
use net::{Listener, Service, Transport};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Couriers, Delivery, ENOUGH_BYTES, greeting, parcels, take_answers};

#[test]
fn the_bytes_of_frames_are_pinned() {
    assert_eq!(greeting().as_ref(), [1]);
    let two = [(7, Bytes::from_static(b"ab")), (u32::MAX, Bytes::new())];
    let expect = [1, 0, 0, 0, 7, 0, 0, 0, 2, b'a', b'b', 255, 255, 255, 255, 0, 0, 0, 0];
    let frame = take_answers(&mut VecDeque::from(two.clone()));
    assert_eq!(frame.as_ref(), expect);
    assert_eq!(parcels(frame).unwrap(), two);
    assert_eq!(parcels(greeting()).unwrap(), []);
}

#[test]
fn what_does_not_go_into_one_frame_goes_into_the_next() {
    let mut answers: VecDeque<_> =
        (0..3).map(|number| (number, Bytes::from(vec![7; ENOUGH_BYTES]))).collect();
    for number in 0..3 {
        let found = parcels(take_answers(&mut answers)).unwrap();
        assert_eq!(found.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [number]);
    }
}

#[test]
fn what_is_no_frame_is_not_read() {
    let damaged: [&[u8]; 4] = [&[], &[2], &[1, 0, 0, 0], &[1, 0, 0, 0, 7, 0, 0, 0, 2, b'a']];
    for bytes in damaged {
        assert!(parcels(Bytes::copy_from_slice(bytes)).is_none(), "{bytes:?}");
    }
}

/// A network with one way out: whoever opens a channel gets the other end of what is in `ends`.
struct OneWay {
    ends: Mutex<VecDeque<Channel>>,
}

impl Transport for OneWay {
    fn start(&self) -> BoxFuture<'_, Result<(), NetError>> {
        Box::pin(async { Ok(()) })
    }

    fn know(&self, _peer: NodeId, _address: &str) {}

    fn call(&self, route: Route, _body: Bytes, _deadline: Instant) -> BoxFuture<'_, Result<Bytes, NetError>> {
        Box::pin(async move { Err(unreachable(route.peer)) })
    }

    fn open(
        &self,
        route: Route,
        _lane: Lane,
        _deadline: Instant,
    ) -> BoxFuture<'_, Result<Channel, NetError>> {
        let end = self.ends.lock().unwrap().pop_front();
        Box::pin(async move { end.ok_or(unreachable(route.peer)) })
    }

    fn send_datagram(&self, _peer: NodeId, _datagram: Bytes) {}
    fn hear(&self, _listener: Arc<dyn Listener>) {}
    fn serve(&self, _group: GroupId, _service: Arc<dyn Service>) {}

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

fn unreachable(peer: NodeId) -> NetError {
    NetError::Unreachable { peer, why: "nobody is there".to_owned() }
}

struct Out(mpsc::Sender<Bytes>);
struct In(mpsc::Receiver<Bytes>);

impl FrameSender for Out {
    fn send(&mut self, frame: Bytes) -> BoxFuture<'_, Result<(), NetError>> {
        Box::pin(async { self.0.send(frame).await.map_err(|_| unreachable(LEADER)) })
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<(), NetError>> {
        Box::pin(async { Ok(()) })
    }
}

impl FrameReceiver for In {
    fn receive(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, NetError>> {
        Box::pin(async {
            let frame = self.0.recv().await;
            frame.map(Some).ok_or(NetError::Lost { peer: LEADER, why: "it dropped the channel".to_owned() })
        })
    }
}

const LEADER: NodeId = 1;

/// The leader's ends of channels.
type Ends = Vec<(Out, In)>;

/// The couriers, the network, and the leader's ends of as many channels.
fn network(channels: usize) -> (Arc<Couriers>, Arc<dyn Transport>, Ends) {
    let (mut ends, mut leader) = (VecDeque::new(), Vec::new());
    for _ in 0..channels {
        let ((to_leader, at_leader), (to_us, at_us)) = (mpsc::channel(8), mpsc::channel(8));
        ends.push_back(Channel { sender: Box::new(Out(to_leader)), receiver: Box::new(In(at_us)) });
        leader.push((Out(to_us), In(at_leader)));
    }
    (Arc::default(), Arc::new(OneWay { ends: Mutex::new(ends) }), leader)
}

/// Hands a command over and does not wait for it.
fn send(
    couriers: &Arc<Couriers>,
    transport: &Arc<dyn Transport>,
    envelope: &'static [u8],
) -> tokio::task::JoinHandle<Delivery> {
    let (couriers, transport) = (couriers.clone(), transport.clone());
    let deadline = Instant::now() + Duration::from_secs(5);
    tokio::spawn(
        async move { couriers.send(&transport, LEADER, Bytes::from_static(envelope), deadline).await },
    )
}

#[tokio::test]
async fn answers_find_who_waits_in_any_order() {
    let (couriers, transport, mut leader) = network(1);
    let (mut out, mut at_leader) = leader.remove(0);
    let (first, second) = (send(&couriers, &transport, b"first"), send(&couriers, &transport, b"second"));
    out.send(greeting()).await.unwrap();
    let mut commands = Vec::new();
    while commands.len() < 2 {
        commands.extend(parcels(at_leader.receive().await.unwrap().unwrap()).unwrap());
    }
    // Each comes as in a call of its own: version, what is left of the deadline, the envelope.
    let told = commands.iter().rev().map(|(number, command)| (*number, command.slice(5..)));
    out.send(take_answers(&mut told.collect())).await.unwrap();
    for (handle, expect) in [(first, "first"), (second, "second")] {
        assert!(matches!(handle.await.unwrap(), Delivery::Answered(bytes) if bytes == expect));
    }
}

#[tokio::test]
async fn what_was_sent_is_in_doubt_when_the_channel_is_lost_and_what_was_not_is_not() {
    let (couriers, transport, mut leader) = network(1);
    let (mut out, mut at_leader) = leader.remove(0);
    let sent = send(&couriers, &transport, b"sent");
    out.send(greeting()).await.unwrap();
    at_leader.receive().await.unwrap();
    drop((out, at_leader));
    assert!(matches!(sent.await.unwrap(), Delivery::Lost(_)));
    // There is no way to the leader any more.
    assert!(matches!(send(&couriers, &transport, b"unsent").await.unwrap(), Delivery::Unsent(_)));
}

#[tokio::test]
async fn a_leader_that_does_not_greet_gets_them_one_by_one() {
    let (couriers, transport, mut leader) = network(2);
    drop(leader.remove(0));
    for _ in 0..2 {
        assert!(matches!(send(&couriers, &transport, b"a").await.unwrap(), Delivery::OneByOne));
    }
    // It is not asked again at once.
    let (_, mut at_leader) = leader.remove(0);
    assert!(at_leader.0.try_recv().is_err_and(|error| error == mpsc::error::TryRecvError::Empty));
}

#[tokio::test]
async fn a_leader_that_is_silent_was_sent_nothing() {
    let (couriers, transport, leader) = network(1);
    assert!(matches!(send(&couriers, &transport, b"a").await.unwrap(), Delivery::Unsent(_)));
    drop(leader);
}
