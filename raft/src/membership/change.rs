//! Members come, vote, stop voting, move and go.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use net::NodeId;
use openraft::{
    ChangeMembers, Instant as _,
    async_runtime::WatchReceiver,
    errors::{ClientWriteError, RaftError},
};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    MembershipError,
    guard::{Contact, Standing},
};
use crate::{
    error::SubmitError,
    host::{Host, check_node},
    launch::Inner,
    types::{NodeInfo, TypeConfig},
};

/// How long a leader that has just been elected is given to hear from its members before they count as silent.
const HEAR_LIMIT: Duration = Duration::from_millis(500);

/// How often it looks meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A member is reachable if it answered within twice the longest election timeout, or this, whichever is longer.
const REACHABLE: Duration = Duration::from_secs(1);

type Change = ChangeMembers<NodeId, NodeInfo>;

impl Host {
    /// Adds `id` as a learner: it receives the log and does not vote. Only the leader can.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn add_learner(
        &self,
        id: NodeId,
        info: NodeInfo,
        deadline: Instant,
    ) -> Result<(), MembershipError> {
        check_node(&info).map_err(|fault| MembershipError::Refused(fault.to_string()))?;
        self.inner.check_address(id, &info)?;
        self.inner.change(ChangeMembers::AddNodes(BTreeMap::from([(id, info)])), true, deadline).await
    }

    /// Lets the learner `id` vote. It must answer and lack at most `max_lag` entries. A voter stays one. Only the
    /// leader can.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn promote(&self, id: NodeId, max_lag: u64, deadline: Instant) -> Result<(), MembershipError> {
        if self.inner.votes(id) {
            return Ok(());
        }
        self.inner.judged(deadline, |group| group.promotion(id, max_lag)).await?;
        self.inner.change(ChangeMembers::AddVoterIds(BTreeSet::from([id])), true, deadline).await
    }

    /// Takes the vote from `id`, which stays as a learner. The rest must have a majority that answers. Only the
    /// leader can; if it is the one to be demoted it hands over the lead first, and says to whom by
    /// [`SubmitError::NotLeader`].
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn demote(&self, id: NodeId, deadline: Instant) -> Result<(), MembershipError> {
        self.without(id, true, deadline).await
    }

    /// Takes `id` out of the group altogether: it receives nothing any more. Otherwise as [`Host::demote`]; a node
    /// that is no member stays none.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn remove(&self, id: NodeId, deadline: Instant) -> Result<(), MembershipError> {
        let members = self.inner.standing()?.members;
        if !members.contains_key(&id) {
            return Ok(());
        }
        if self.inner.votes(id) {
            return self.without(id, false, deadline).await;
        }
        self.inner.change(ChangeMembers::RemoveNodes(BTreeSet::from([id])), true, deadline).await
    }

    /// Whether [`Host::remove`] would be refused now. Nothing changes.
    ///
    /// # Errors
    /// As [`Host::remove`].
    pub async fn may_remove(&self, id: NodeId, deadline: Instant) -> Result<(), MembershipError> {
        if !self.inner.votes(id) {
            return self.inner.standing().map(drop);
        }
        self.inner.judged(deadline, |group| group.demotion(id)).await.map(drop)
    }

    async fn without(&self, id: NodeId, stays: bool, deadline: Instant) -> Result<(), MembershipError> {
        self.inner.judged(deadline, |group| group.demotion(id)).await?;
        if !self.inner.votes(id) {
            return Ok(());
        }
        if id == self.inner.config.node {
            let to = self.inner.hand_over(deadline).await?;
            return Err(SubmitError::NotLeader { leader: Some(to) }.into());
        }
        self.inner.change(ChangeMembers::RemoveVoters(BTreeSet::from([id])), stays, deadline).await
    }

    /// Makes exactly `voters` vote, by way of a joint majority, if a majority of them answers. Members that stop
    /// voting stay as learners. Only the leader can.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn set_voters(
        &self,
        voters: BTreeSet<NodeId>,
        deadline: Instant,
    ) -> Result<(), MembershipError> {
        self.inner.judged(deadline, |group| group.may_vote(&voters)).await?;
        self.inner.change(ChangeMembers::ReplaceAllVoters(voters), true, deadline).await
    }

    /// Replaces what the group knows of the member `id`: where it is, what it is called. Only the leader can.
    ///
    /// An address cannot turn one node into another: whoever dials it asks for the certificate of `id`.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn update_member(
        &self,
        id: NodeId,
        info: NodeInfo,
        deadline: Instant,
    ) -> Result<(), MembershipError> {
        check_node(&info).map_err(|fault| MembershipError::Refused(fault.to_string()))?;
        self.inner.check_address(id, &info)?;
        if !self.inner.standing()?.members.contains_key(&id) {
            return Err(MembershipError::UnknownMember { node: id });
        }
        self.inner.change(ChangeMembers::SetNodes(BTreeMap::from([(id, info)])), true, deadline).await
    }

    /// Completes a change that an earlier leader began and did not live to finish: see
    /// [`crate::Status::joint`]. Only the leader can.
    ///
    /// # Errors
    /// See [`MembershipError`].
    pub async fn finish_change(&self, deadline: Instant) -> Result<(), MembershipError> {
        self.inner.change(ChangeMembers::AddVoterIds(BTreeSet::new()), true, deadline).await
    }
}

impl Inner {
    fn votes(&self, id: NodeId) -> bool {
        self.raft.voter_ids().any(|voter| voter == id)
    }

    /// Two members at one address would each answer the other's calls with a certificate that is not asked for.
    fn check_address(&self, id: NodeId, info: &NodeInfo) -> Result<(), MembershipError> {
        let membership = self.raft.metrics().borrow_watched().membership_config.clone();
        let taken = membership.nodes().find(|(other, known)| **other != id && known.cluster == info.cluster);
        match taken {
            Some((other, _)) => {
                Err(MembershipError::AddressTaken { address: info.cluster.clone(), other: *other })
            }
            None => Ok(()),
        }
    }

    /// The group as this node sees it, if it leads.
    pub(crate) fn standing(&self) -> Result<Standing, MembershipError> {
        let metrics = self.raft.metrics().borrow_watched().clone();
        let (Some(replication), Some(heartbeat)) = (&metrics.replication, &metrics.heartbeat) else {
            return Err(SubmitError::NotLeader { leader: metrics.current_leader }.into());
        };
        let last_log_index = metrics.last_log_index.unwrap_or(0);
        let recent = self.answers_within();
        let contact = |id: &NodeId| {
            if *id == self.config.node {
                return Contact { reachable: true, heard: true, matched_index: last_log_index };
            }
            let heard = heartbeat.get(id).copied().flatten();
            Contact {
                reachable: heard.is_some_and(|at| at.into_inner().elapsed() <= recent),
                heard: heard.is_some(),
                matched_index: replication.get(id).and_then(|id| id.as_ref()).map_or(0, |id| id.index),
            }
        };
        let membership = metrics.membership_config.membership();
        Ok(Standing {
            // Between two sets of voters it is the later one that is judged: the earlier one is on its way out.
            voters: membership.get_joint_config().last().cloned().unwrap_or_default(),
            members: membership.nodes().map(|(id, _)| (*id, contact(id))).collect(),
            last_log_index,
        })
    }

    /// A member that answered the leader within this time counts as reachable.
    pub(crate) fn answers_within(&self) -> Duration {
        REACHABLE.max(self.config.timings.election_max * 2)
    }

    /// What the guard says, once this leader has had time to hear from its members.
    async fn judged<T>(
        &self,
        deadline: Instant,
        guard: impl Fn(&Standing) -> Result<T, MembershipError>,
    ) -> Result<T, MembershipError> {
        let patience = deadline.min(Instant::now() + HEAR_LIMIT);
        loop {
            let standing = self.standing()?;
            match guard(&standing) {
                Err(_) if standing.is_young() && Instant::now() < patience => sleep(LOOK_EVERY).await,
                verdict => return verdict,
            }
        }
    }

    async fn change(&self, change: Change, stays: bool, deadline: Instant) -> Result<(), MembershipError> {
        self.wait_until_leading(deadline).await?;
        finish(timeout_at(deadline, self.raft.change_membership(change, stays)).await)
    }
}

type Changed<T> =
    Result<Result<T, RaftError<TypeConfig, ClientWriteError<TypeConfig>>>, tokio::time::error::Elapsed>;

fn finish<T>(change: Changed<T>) -> Result<(), MembershipError> {
    let error = match change {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward)))) => {
            SubmitError::NotLeader { leader: forward.leader_id }
        }
        Ok(Err(RaftError::APIError(ClientWriteError::LogEntryDiscarded(_)))) => {
            SubmitError::OutcomeUnknown { why: "another node took over the lead" }
        }
        Ok(Err(RaftError::APIError(refused))) => return Err(MembershipError::Refused(refused.to_string())),
        Ok(Err(RaftError::Fatal(_))) => SubmitError::OutcomeUnknown { why: "this node stopped" },
        Err(_) => SubmitError::OutcomeUnknown { why: "no majority confirmed it in time" },
    };
    Err(error.into())
}
