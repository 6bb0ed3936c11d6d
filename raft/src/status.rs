//! Where a node stands.

use std::{sync::atomic::Ordering, time::Duration};

use net::NodeId;
use openraft::{Instant as _, ServerState, async_runtime::WatchReceiver};
use storage::Digests;

use crate::{launch::Inner, types::NodeInfo};

/// What a node is to its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Leader,
    Follower,
    /// Campaigning.
    Candidate,
    /// Receives the log and does not vote; also a node that no cluster has yet.
    Learner,
    Stopped,
}

/// A member, as the last membership in the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: NodeId,
    pub info: NodeInfo,
    pub voter: bool,
    /// How far its log matches the leader's. Known on the leader only.
    pub matched_index: Option<u64>,
    /// How long ago it last answered the leader, in milliseconds; 0 for the leader itself. Known on the leader
    /// only, and not before the first answer.
    pub heard_ms_ago: Option<u64>,
    /// Whether that was lately. Known on the leader only, false elsewhere.
    pub answers: bool,
}

/// A node's account of itself. Indices are 0 while there is nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub node: NodeId,
    pub role: Role,
    pub term: u64,
    pub leader: Option<NodeId>,
    /// How long ago a majority last answered, in milliseconds. Known on a leader with peers only, and not before
    /// the first answers.
    pub quorum_heard_ms_ago: Option<u64>,
    /// Whether a change of voters has begun and not ended: both the old and the new majority decide.
    pub joint: bool,
    /// Whether the log has a cluster in it.
    pub initialized: bool,
    pub last_log_index: u64,
    pub commit_index: u64,
    pub applied_index: u64,
    /// What survives in the engine without replaying the log.
    pub durable_index: u64,
    /// Entries up to here are gone from the log.
    pub purged_index: u64,
    pub active_version: u32,
    /// What the last command saw as now, in milliseconds since the Unix epoch.
    pub last_stamp_ms: u64,
    /// The newest digest and its index.
    pub digest: Option<(u64, Digests)>,
    /// Bytes of the log's files; 0 for a log in memory.
    pub wal_bytes: u64,
    /// Commands that could wait right now, in bytes.
    pub pending_room_bytes: usize,
    pub members: Vec<Member>,
}

impl Inner {
    pub(crate) fn status(&self) -> Status {
        let metrics = self.raft.metrics().borrow_watched().clone();
        let membership = metrics.membership_config.membership();
        let voters: Vec<NodeId> = membership.voter_ids().collect();
        let matched =
            |id: &NodeId| metrics.replication.as_ref()?.get(id)?.as_ref().map(|log_id| log_id.index);
        let recent_ms = ms(self.answers_within());
        let is_leader = metrics.replication.is_some();
        let heard = |id: &NodeId| match &metrics.heartbeat {
            _ if is_leader && *id == self.config.node => Some(0),
            Some(heartbeat) => heartbeat.get(id).copied().flatten().map(|at| ms(at.into_inner().elapsed())),
            None => None,
        };
        let members = membership
            .nodes()
            .map(|(id, info)| Member {
                id: *id,
                info: info.clone(),
                voter: voters.contains(id),
                matched_index: matched(id),
                heard_ms_ago: heard(id),
                answers: heard(id).is_some_and(|ms_ago| ms_ago <= recent_ms),
            })
            .collect();
        let wal = self.wal.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        Status {
            node: self.config.node,
            role: role(&metrics),
            term: metrics.current_term,
            leader: metrics.current_leader,
            quorum_heard_ms_ago: metrics.last_quorum_acked.map(|at| ms(at.into_inner().elapsed())),
            joint: membership.get_joint_config().len() > 1,
            initialized: !voters.is_empty(),
            last_log_index: metrics.last_log_index.unwrap_or(0),
            commit_index: metrics.local_committed.map_or(0, |id| id.index),
            applied_index: *self.progress.watch_index().borrow(),
            durable_index: self.progress.durable_index(),
            purged_index: metrics.purged.map_or(0, |id| id.index),
            active_version: self.progress.active_version.load(Ordering::Relaxed),
            last_stamp_ms: self.progress.last_stamp_ms.load(Ordering::Relaxed),
            digest: self.progress.last_digest(),
            wal_bytes: wal.as_ref().map_or(0, |wal| wal.size_bytes()),
            pending_room_bytes: self.pending.available_permits() * crate::submit::PERMIT_BYTES,
            members,
        }
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

fn role(metrics: &openraft::RaftMetrics<crate::types::TypeConfig>) -> Role {
    if metrics.running_state.is_err() {
        return Role::Stopped;
    }
    match metrics.state {
        ServerState::Leader => Role::Leader,
        ServerState::Follower => Role::Follower,
        ServerState::Candidate => Role::Candidate,
        ServerState::Learner => Role::Learner,
        ServerState::Shutdown => Role::Stopped,
    }
}
