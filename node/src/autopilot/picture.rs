//! What the autopilot looks at: one moment, put together by the leader. Plain values, so that decisions can be tested.

use std::collections::{BTreeMap, BTreeSet};

use raft::{NodeId, NodeInfo};
use shop::cluster::{Autopilot, Standing};

/// The cluster at one moment, as its leader sees it.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// The node that looks: it leads.
    pub leader: NodeId,
    pub settings: Autopilot,
    /// Every node that the state knows, removed ones included.
    pub nodes: BTreeMap<NodeId, Enrolled>,
    /// The members of the log's group.
    pub members: BTreeMap<NodeId, Member>,
    /// Whether a change of voters has begun and not ended.
    pub joint: bool,
}

/// A node as the state knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    pub standing: Standing,
    pub info: NodeInfo,
}

/// A member of the log's group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub voter: bool,
    /// What the group knows of it.
    pub info: NodeInfo,
    /// Whether it answered the leader lately.
    pub answers: bool,
    /// Entries that it lacks.
    pub lag: u64,
    /// For how long it has answered and lagged no more than is allowed, in milliseconds.
    pub stable_ms: u64,
    /// For how long it has not answered, in milliseconds; 0 when it answers.
    pub silent_ms: u64,
}

/// What shall be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Completes a change whose leader did not live to complete it.
    FinishChange,
    AddLearner(NodeId, NodeInfo),
    /// Replaces what the group knows of a member.
    UpdateMember(NodeId, NodeInfo),
    /// Takes a node out of the group.
    Remove(NodeId),
    /// Exactly these vote from now on.
    SetVoters(BTreeSet<NodeId>),
    /// Another one shall lead.
    HandOverTo(NodeId),
}

impl Picture {
    pub(super) fn voters(&self) -> BTreeSet<NodeId> {
        self.members.iter().filter(|(_, member)| member.voter).map(|(id, _)| *id).collect()
    }

    pub(super) fn standing(&self, id: NodeId) -> Option<Standing> {
        self.nodes.get(&id).map(|node| node.standing)
    }

    /// Its zone by the state, which hears of changes first.
    pub(super) fn zone(&self, id: NodeId) -> &str {
        let enrolled = self.nodes.get(&id).map(|node| &node.info);
        let info = enrolled.or_else(|| self.members.get(&id).map(|member| &member.info));
        info.map_or("", |info| &info.zone)
    }

    pub(super) fn answers(&self, id: NodeId) -> bool {
        self.members.get(&id).is_some_and(|member| member.answers)
    }

    /// Whether a majority of these answers.
    pub(super) fn is_safe(&self, voters: &BTreeSet<NodeId>) -> bool {
        voters.iter().filter(|id| self.answers(**id)).count() > voters.len() / 2
    }
}
