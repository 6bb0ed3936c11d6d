//! Feeds foca with datagrams, time and wishes, and carries out what it wants.

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use foca::{AccumulatingRuntime, Codec, Foca, Member, OwnedNotification, PostcardCodec, State};
use rand_core::TryRng;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{
    GossipConfig, Wish,
    announcement::{Announcement, Announcements},
    identity::Identity,
    timers::Timers,
};
use crate::{
    members::{Liveness, Members, Peer, Profile},
    sim::Random,
    transport::{NodeId, Transport},
};

/// The first byte of each datagram; others are dropped.
const VERSION: u8 = 1;

/// How often those are greeted who belong here and are not alive.
const GREET_EVERY: Duration = Duration::from_secs(1);

/// How often this node tells of itself although nothing has changed: whoever came later has not heard it.
const REPEAT_EVERY: Duration = Duration::from_secs(5);

/// Choices of whom to probe need no secrecy, only spread.
struct Dice(Random);

impl TryRng for Dice {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.0.number() >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.number())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(8) {
            let number = self.0.number().to_le_bytes();
            chunk.copy_from_slice(number.get(..chunk.len()).unwrap_or_default());
        }
        Ok(())
    }
}

pub(super) struct Driver {
    foca: Foca<Identity, PostcardCodec, Dice, Announcements>,
    effects: AccumulatingRuntime<Identity>,
    timers: Timers,
    transport: Arc<dyn Transport>,
    publish: watch::Sender<Members>,
    announcements: Announcements,
    /// Who belongs to the cluster by the log, and where they are.
    introduced: BTreeMap<NodeId, String>,
    removed: BTreeSet<NodeId>,
    /// Where the transport was last told that a peer is, by gossip.
    told: BTreeMap<NodeId, String>,
    profile: Option<Profile>,
    /// Counts announcements in this life.
    announced: u64,
    life: u64,
}

impl Driver {
    pub(super) fn new(
        config: GossipConfig,
        transport: Arc<dyn Transport>,
        publish: watch::Sender<Members>,
    ) -> Driver {
        let identity = Identity::new(config.node, config.started_ms, &config.address);
        let announcements = Announcements::default();
        let dice = Dice(Random::new(config.seed));
        let foca = Foca::with_custom_broadcast(
            identity,
            config.pace.for_foca(),
            dice,
            PostcardCodec,
            announcements.clone(),
        );
        Driver {
            foca,
            effects: AccumulatingRuntime::new(),
            timers: Timers::default(),
            transport,
            publish,
            announcements,
            introduced: BTreeMap::new(),
            removed: BTreeSet::new(),
            told: BTreeMap::new(),
            profile: None,
            announced: 0,
            life: config.started_ms,
        }
    }

    /// Until nobody holds the gossip any more, or it has left.
    pub(super) async fn run(
        mut self,
        mut wishes: mpsc::Receiver<Wish>,
        mut heard: mpsc::Receiver<(NodeId, Bytes)>,
    ) {
        let mut greet = tokio::time::interval(GREET_EVERY);
        let mut repeat = tokio::time::interval(REPEAT_EVERY);
        self.publish();
        loop {
            let due = self.timers.next();
            let next_timer = async {
                match due {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                wish = wishes.recv() => match wish {
                    None => return,
                    Some(Wish::Leave(done)) => {
                        self.leave();
                        // A receiver that is gone does not wait for it.
                        let _ = done.send(());
                        return;
                    }
                    Some(wish) => self.grant(wish),
                },
                datagram = heard.recv() => match datagram {
                    None => return,
                    Some((from, datagram)) => self.hear(from, &datagram),
                },
                () = next_timer => self.remind(),
                _ = greet.tick() => self.greet(),
                _ = repeat.tick() => self.announce(),
            }
            self.carry_out();
        }
    }

    fn grant(&mut self, wish: Wish) {
        match wish {
            Wish::Introduce(node, address) => {
                if node != self.foca.identity().node && !self.removed.contains(&node) {
                    let is_new = self.introduced.insert(node, address.clone()).is_none();
                    if is_new {
                        // Where it is by the log; gossip may know better later.
                        self.transport.know(node, &address);
                        self.greet_one(node, &address);
                    }
                }
            }
            Wish::Forget(node) => {
                self.removed.insert(node);
                self.introduced.remove(&node);
                self.announcements.forget(node);
                let known =
                    self.foca.iter_membership_state().find(|member| member.id().node == node).cloned();
                if let Some(known) = known {
                    let down = std::iter::once(Member::down(known.id().clone()));
                    let applied = self.foca.apply_many(down, true, &mut self.effects);
                    log("forget", applied);
                }
            }
            Wish::Tell(profile) => {
                if self.profile.replace(profile) != Some(profile) {
                    self.announce();
                }
            }
            // The loop has taken it.
            Wish::Leave(_) => {}
        }
    }

    /// A datagram counts only if it says that it is from the one whose certificate it came with.
    fn hear(&mut self, from: NodeId, datagram: &[u8]) {
        if self.removed.contains(&from) {
            return;
        }
        let Some((&VERSION, packet)) = datagram.split_first() else {
            return tracing::debug!(from, "a datagram of another version");
        };
        match Codec::<Identity>::decode_header(&mut PostcardCodec, packet) {
            Ok(header) if header.src.node == from => {
                let handled = self.foca.handle_data(packet, &mut self.effects);
                log("hear", handled);
            }
            Ok(header) => tracing::warn!(from, claims = header.src.node, "a datagram in another node's name"),
            Err(error) => tracing::debug!(from, error = %error, "a datagram that is no gossip"),
        }
    }

    fn remind(&mut self) {
        let now = Instant::now();
        while let Some(timer) = self.timers.take(now) {
            let handled = self.foca.handle_timer(timer, &mut self.effects);
            log("remind", handled);
        }
    }

    /// Those who belong here and are not alive: never heard of, or thought to be down. foca greets the latter too,
    /// but not while it thinks so of everybody, and two sides of a healed partition may both do.
    fn greet(&mut self) {
        let active: BTreeSet<NodeId> = self.foca.iter_members().map(|member| member.id().node).collect();
        let lost = self.introduced.iter().filter(|(node, _)| !active.contains(node));
        let lost: Vec<(NodeId, String)> = lost.map(|(node, address)| (*node, address.clone())).collect();
        for (node, address) in lost {
            self.greet_one(node, &address);
        }
    }

    fn greet_one(&mut self, node: NodeId, address: &str) {
        let announced = self.foca.announce(Identity::introduced(node, address), &mut self.effects);
        log("greet", announced);
    }

    fn announce(&mut self) {
        let Some(profile) = self.profile else { return };
        self.announced += 1;
        let age = (self.life, self.announced);
        let node = self.foca.identity().node;
        let added = self.foca.add_broadcast(&Announcement { node, age, profile }.encode());
        log("announce", added.map(drop));
    }

    fn leave(&mut self) {
        let left = self.foca.leave_cluster(&mut self.effects);
        log("leave", left);
        self.carry_out();
    }

    /// What foca wants sent, reminded of, and told.
    fn carry_out(&mut self) {
        while let Some((to, packet)) = self.effects.to_send() {
            let mut datagram = BytesMut::with_capacity(packet.len() + 1);
            datagram.put_u8(VERSION);
            datagram.put_slice(&packet);
            self.transport.send_datagram(to.node, datagram.freeze());
        }
        while let Some((after, timer)) = self.effects.to_schedule() {
            self.timers.set(after, timer);
        }
        while let Some(news) = self.effects.to_notify() {
            self.notice(&news);
        }
        self.publish();
    }

    fn notice(&mut self, news: &OwnedNotification<Identity>) {
        match news {
            OwnedNotification::MemberUp(who) | OwnedNotification::Rename(_, who) => {
                tracing::debug!(node = who.node, address = who.address, "alive");
                self.find(who);
            }
            OwnedNotification::MemberDown(who) => tracing::info!(node = who.node, "down"),
            OwnedNotification::Rejoin(_) => {
                tracing::info!("this node was taken for down, and says that it lives")
            }
            _ => {}
        }
    }

    /// A peer says where it is, which may differ from what the log knows.
    fn find(&mut self, who: &Identity) {
        let known = self.told.get(&who.node).or_else(|| self.introduced.get(&who.node));
        if !who.address.is_empty() && known != Some(&who.address) && !self.removed.contains(&who.node) {
            self.transport.know(who.node, &who.address);
            self.told.insert(who.node, who.address.clone());
        }
    }

    /// Tells whoever watches, if anything has changed.
    fn publish(&self) {
        let this = self.foca.identity();
        let mut peers = BTreeMap::new();
        let mut add = |identity: &Identity, liveness, profile| {
            let (node, address) = (identity.node, identity.address.clone());
            peers.insert(node, Peer { node, liveness, address, profile });
        };
        for member in self.foca.iter_membership_state() {
            let who = member.id();
            if who.node == this.node || self.removed.contains(&who.node) {
                continue;
            }
            let liveness = match member.state() {
                State::Alive => Liveness::Alive,
                State::Suspect => Liveness::Suspect,
                State::Down => Liveness::Down,
            };
            add(who, liveness, self.announcements.of(who.node));
        }
        add(this, Liveness::Alive, self.profile);
        let members = Members::new(peers);
        self.publish.send_if_modified(|known| {
            let is_news = *known != members;
            *known = members;
            is_news
        });
    }
}

/// foca refuses packets that are stale, foreign or malformed; all of that is ordinary on a network.
fn log(doing: &'static str, result: Result<(), foca::Error>) {
    if let Err(error) = result {
        tracing::debug!(doing, error = %error, "gossip refused");
    }
}
