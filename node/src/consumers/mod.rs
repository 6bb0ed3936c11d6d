//! Which consumers live. A member of a consumer group that sends no heartbeat for a session is taken out of its group, so
//! that the others read its partitions.
//!
//! Whoever leads hears the heartbeats, those that came to other nodes too, and writes nothing for them; the end of a membership is a
//! command like any other. What was heard is lost with the lead, and then every session counts anew: a change of
//! leaders delays an end, and causes none. An end too early does no harm either: the consumer joins again, and goes on
//! from what was committed.

mod sessions;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use net::NetError;
use raft::Role;
use shop::Actor;
use shop::broker::{LeaveGroup, queries};
use storage::Fault;
use tokio::time::{Instant, sleep};

use self::sessions::{MemberOf, Sessions};
use crate::gateway::{STORE, Unserved};
use crate::peers::Peers;
use crate::replica::Replica;
use crate::telemetry::Metrics;

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The consumers as one node hears them. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Consumers(Arc<Mutex<Sessions>>);

impl Consumers {
    /// Takes part in what other nodes pass on.
    pub fn listen(&self, replica: &Replica) {
        let (consumers, host) = (self.clone(), replica.host.clone());
        replica.peers.hear_heartbeat(move |group, member| {
            let leads = host.status().role == Role::Leader;
            if leads {
                consumers.hear(group, member);
            }
            leads
        });
    }

    /// Lets whoever leads know that a member lives.
    ///
    /// # Errors
    /// `not_ready` when it does not hear of it.
    pub async fn heartbeat(
        &self,
        replica: &Replica,
        group: &str,
        member: &str,
        deadline: Instant,
    ) -> Result<(), Unserved> {
        let status = replica.host.status();
        if status.role == Role::Leader {
            self.hear(group, member);
            return Ok(());
        }
        let leader =
            status.leader.filter(|leader| *leader != replica.peers.node()).ok_or(Unserved::NotReady)?;
        pass_on(&replica.peers, leader, group, member, deadline).await
    }

    /// Ends the memberships of those who are silent, until dropped.
    pub async fn watch(self, replica: Replica, metrics: Metrics) {
        loop {
            self.look(&replica, &metrics).await;
            sleep(LOOK_EVERY).await;
        }
    }

    async fn look(&self, replica: &Replica, metrics: &Metrics) {
        if replica.host.status().role != Role::Leader {
            self.sessions(Sessions::forget);
            return;
        }
        let members = match members(replica).await {
            Ok(members) => members,
            Err(why) => {
                tracing::warn!(why, "the members of consumer groups cannot be read");
                return;
            }
        };
        for (group, member) in self.sessions(|sessions| sessions.silent(&members, Instant::now())) {
            let command = LeaveGroup { group: group.clone(), member: member.clone() };
            match replica.proposer.run(Actor::System, command.into()).await {
                Ok(_) => {
                    tracing::info!(
                        group,
                        member,
                        "a consumer was silent for too long: its membership has ended"
                    );
                    metrics.shop.consumer_lost();
                }
                // The next look finds it again.
                Err(error) => {
                    tracing::warn!(group, member, %error, "the membership of a silent consumer did not end");
                    return;
                }
            }
        }
    }

    fn hear(&self, group: &str, member: &str) {
        let member = (group.to_owned(), member.to_owned());
        self.sessions(|sessions| sessions.heard(member, Instant::now()));
    }

    fn sessions<T>(&self, use_them: impl FnOnce(&mut Sessions) -> T) -> T {
        use_them(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn pass_on(
    peers: &Peers,
    leader: u64,
    group: &str,
    member: &str,
    deadline: Instant,
) -> Result<(), Unserved> {
    match peers.heartbeat(leader, group, member, deadline).await {
        Ok(true) => Ok(()),
        // A leader of an earlier version: it ends no memberships.
        Err(NetError::Refused { .. }) => Ok(()),
        Ok(false) | Err(_) => Err(Unserved::NotReady),
    }
}

async fn members(replica: &Replica) -> Result<Vec<MemberOf>, String> {
    let store = replica.store.clone();
    let read = tokio::task::spawn_blocking(move || queries::members(&store.view().in_scope(STORE)));
    read.await.map_err(|error| error.to_string())?.map_err(|fault: Fault| fault.to_string())
}
