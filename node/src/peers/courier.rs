//! Commands on their way to the leader, many to a frame: what gathers while a frame is being sent goes with the next one,
//! and answers come back in the same way. A stream for each command would cost both nodes more than the command.
//!
//! One channel to each leader, opened when there is something to send. The leader greets first: a node of a version that
//! knows no such channel drops it, nothing was sent, and commands are sent one by one as before.
//!
//! ```text
//! greeting  version u8 = 1
//! frame     version u8 = 1 | parcel*        parcel = number u32 BE | length u32 BE | what `submit.rs` puts into one call
//! ```

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use net::{FrameReceiver, FrameSender, GroupId, Lane, NetError, NodeId, Route, Transport};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

use super::kind;
use super::submit::Request;

const VERSION: u8 = 1;

/// Commands that may wait for the next frame: as many as a node proposes at once. One more is refused.
const MAX_WAITING: usize = 1024;
/// Commands in one frame, and the bytes after which no more are added.
const MAX_PARCELS: usize = 256;
pub(super) const ENOUGH_BYTES: usize = 512 * 1024;
/// How long opening the channel may take, the greeting included.
const OPEN_LIMIT: Duration = Duration::from_secs(1);
/// A channel on which nothing was sent for so long is closed.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// How long a node that does not greet is sent commands one by one. It may be upgraded meanwhile.
const ONE_BY_ONE: Duration = Duration::from_secs(10);

/// What became of a command that was handed over.
#[derive(Debug)]
pub(super) enum Delivery {
    Answered(Bytes),
    /// It never left this node.
    Unsent(String),
    /// It was sent, and nothing more will be heard of it.
    Lost(String),
    /// The leader takes commands one by one only. It never left this node.
    OneByOne,
}

/// A command and who waits for it.
struct Parcel {
    envelope: Bytes,
    deadline: Instant,
    reply: oneshot::Sender<Delivery>,
}

/// The ways to the nodes that were leaders lately.
#[derive(Default)]
pub(super) struct Couriers(Arc<Mutex<BTreeMap<NodeId, Way>>>);

enum Way {
    Courier(mpsc::Sender<Parcel>),
    OneByOne { until: Instant },
}

impl Couriers {
    /// Sends an envelope to `leader` and waits for what becomes of it, at most until `deadline`.
    pub(super) async fn send(
        &self,
        transport: &Arc<dyn Transport>,
        leader: NodeId,
        envelope: Bytes,
        deadline: Instant,
    ) -> Delivery {
        let (reply, delivered) = oneshot::channel();
        if let Err(instead) = self.hand_over(transport, leader, Parcel { envelope, deadline, reply }) {
            return instead;
        }
        match timeout_at(deadline, delivered).await {
            Ok(Ok(delivery)) => delivery,
            // Whether it was sent is not known: it may lie in a frame that is being written.
            Ok(Err(_)) => Delivery::Lost("this node is stopping".to_owned()),
            Err(_) => Delivery::Lost(format!("node {leader} did not answer in time")),
        }
    }

    fn hand_over(
        &self,
        transport: &Arc<dyn Transport>,
        leader: NodeId,
        parcel: Parcel,
    ) -> Result<(), Delivery> {
        let mut ways = lock(&self.0);
        let parcel = match ways.get(&leader) {
            Some(Way::OneByOne { until }) if *until > Instant::now() => return Err(Delivery::OneByOne),
            Some(Way::Courier(queue)) => match queue.try_send(parcel) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(_)) => {
                    return Err(Delivery::Unsent(format!("too much waits for node {leader}")));
                }
                Err(mpsc::error::TrySendError::Closed(parcel)) => parcel,
            },
            Some(Way::OneByOne { .. }) | None => parcel,
        };
        let (queue, waiting) = mpsc::channel(MAX_WAITING);
        // An empty queue takes one.
        let _ = queue.try_send(parcel);
        ways.insert(leader, Way::Courier(queue));
        let courier = Courier { leader, waiting, taken: VecDeque::new(), ways: Arc::clone(&self.0) };
        tokio::spawn(courier.run(transport.clone()));
        Ok(())
    }
}

/// Carries commands to one leader until the channel is lost or idle.
struct Courier {
    leader: NodeId,
    waiting: mpsc::Receiver<Parcel>,
    /// Taken from the queue, and in no frame yet.
    taken: VecDeque<Parcel>,
    ways: Arc<Mutex<BTreeMap<NodeId, Way>>>,
}

/// Who waits for an answer, by the number of the parcel.
#[derive(Default)]
struct Sent(Mutex<HashMap<u32, oneshot::Sender<Delivery>>>);

impl Courier {
    async fn run(mut self, transport: Arc<dyn Transport>) {
        let ended = match timeout(OPEN_LIMIT, self.open(&transport)).await {
            Ok(Ok(Some((sender, receiver)))) => self.carry(sender, receiver).await,
            Ok(Ok(None)) => return self.one_by_one(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("node {} does not answer", self.leader),
        };
        tracing::debug!(leader = self.leader, why = ended, "no more commands are sent on this channel");
        self.turn_away(|| Delivery::Unsent(ended.clone()));
    }

    /// The channel, once the leader has greeted; `None` when it knows no such channel.
    async fn open(
        &self,
        transport: &Arc<dyn Transport>,
    ) -> Result<Option<(Box<dyn FrameSender>, Box<dyn FrameReceiver>)>, NetError> {
        let route = Route { peer: self.leader, group: GroupId::NODE, kind: kind::SUBMIT_MANY };
        let mut channel = transport.open(route, Lane::Steady, Instant::now() + OPEN_LIMIT).await?;
        match channel.receiver.receive().await {
            Ok(Some(greeting)) if greeting.first() == Some(&VERSION) => {
                Ok(Some((channel.sender, channel.receiver)))
            }
            Ok(_) | Err(NetError::Lost { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns why it ended.
    async fn carry(&mut self, sender: Box<dyn FrameSender>, receiver: Box<dyn FrameReceiver>) -> String {
        let sent = Sent::default();
        // Both ways at once: a leader that waits until its answers are read must not wait for this node to stop sending.
        let why = tokio::select! {
            why = self.send_frames(sender, &sent) => why,
            why = read_answers(receiver, &sent) => why,
        };
        for (_, reply) in lock(&sent.0).drain() {
            let _ = reply.send(Delivery::Lost(why.clone()));
        }
        why
    }

    async fn send_frames(&mut self, mut sender: Box<dyn FrameSender>, sent: &Sent) -> String {
        let (mut parcels, mut next) = (Vec::with_capacity(MAX_PARCELS), 0u32);
        loop {
            match timeout(IDLE_LIMIT, self.waiting.recv_many(&mut parcels, MAX_PARCELS)).await {
                Ok(0) => return "this node is stopping".to_owned(),
                Ok(_) => self.taken.extend(parcels.drain(..)),
                Err(_) if lock(&sent.0).is_empty() => return "there was nothing to send".to_owned(),
                Err(_) => continue,
            }
            while !self.taken.is_empty() {
                let frame = self.next_frame(sent, &mut next);
                if let Err(error) = sender.send(frame).await {
                    return error.to_string();
                }
            }
        }
    }

    /// As many of what was taken as go into one frame, less what nobody waits for any more.
    fn next_frame(&mut self, sent: &Sent, next: &mut u32) -> Bytes {
        let mut frame = BytesMut::with_capacity(16 * 1024);
        frame.put_u8(VERSION);
        let mut sent = lock(&sent.0);
        while frame.len() < ENOUGH_BYTES
            && let Some(Parcel { envelope, deadline, reply }) = self.taken.pop_front()
        {
            if !reply.is_closed() {
                put_parcel(&mut frame, *next, &Request::within(deadline, envelope).encode());
                sent.insert(*next, reply);
                *next = next.wrapping_add(1);
            }
        }
        frame.freeze()
    }

    fn one_by_one(mut self) {
        let way = Way::OneByOne { until: Instant::now() + ONE_BY_ONE };
        lock(&self.ways).insert(self.leader, way);
        self.turn_away(|| Delivery::OneByOne);
    }

    /// Tells those who still wait that nothing was sent. Nobody waits here any more after that.
    fn turn_away(&mut self, delivery: impl Fn() -> Delivery) {
        {
            // Whoever hands a parcel over has this lock: none comes after the queue was emptied.
            let _ways = lock(&self.ways);
            self.waiting.close();
        }
        while let Ok(parcel) = self.waiting.try_recv() {
            self.taken.push_back(parcel);
        }
        for parcel in self.taken.drain(..) {
            // Who gave up waiting needs no answer.
            let _ = parcel.reply.send(delivery());
        }
    }
}

async fn read_answers(mut receiver: Box<dyn FrameReceiver>, sent: &Sent) -> String {
    loop {
        let frame = match receiver.receive().await {
            Ok(Some(frame)) => frame,
            Ok(None) => return "the leader ended the channel".to_owned(),
            Err(error) => return error.to_string(),
        };
        let Some(answers) = parcels(frame) else {
            return "the leader answered in a form that is not known here".to_owned();
        };
        let mut waiting = lock(&sent.0);
        for (number, answer) in answers {
            if let Some(reply) = waiting.remove(&number) {
                let _ = reply.send(Delivery::Answered(answer));
            }
        }
    }
}

/// What the leader says first.
pub(super) fn greeting() -> Bytes {
    Bytes::from_static(&[VERSION])
}

/// A frame of the first of these answers, as many as go into one; they are taken out.
pub(super) fn take_answers(answers: &mut VecDeque<(u32, Bytes)>) -> Bytes {
    let mut frame = BytesMut::with_capacity(16 * 1024);
    frame.put_u8(VERSION);
    while frame.len() < ENOUGH_BYTES
        && let Some((number, answer)) = answers.pop_front()
    {
        put_parcel(&mut frame, number, &answer);
    }
    frame.freeze()
}

/// The parcels of a frame, or `None` if it is of another form.
pub(super) fn parcels(mut frame: Bytes) -> Option<Vec<(u32, Bytes)>> {
    if frame.try_get_u8().ok()? != VERSION {
        return None;
    }
    let mut parcels = Vec::new();
    while !frame.is_empty() {
        let (number, length) = (frame.try_get_u32().ok()?, frame.try_get_u32().ok()? as usize);
        if length > frame.len() {
            return None;
        }
        parcels.push((number, frame.split_to(length)));
    }
    Some(parcels)
}

fn put_parcel(frame: &mut BytesMut, number: u32, bytes: &Bytes) {
    frame.put_u32(number);
    // A command is at most 256 KiB, and an outcome is of its order.
    frame.put_u32(bytes.len() as u32);
    frame.put_slice(bytes);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Maps, changed without a panic in between.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
