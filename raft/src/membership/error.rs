//! Why a membership, or the lead, did not change.

use std::collections::BTreeSet;

use net::NodeId;

use crate::error::SubmitError;

/// Why a membership did not change. Only a [`SubmitError::OutcomeUnknown`] leaves open whether it did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// Not proposed, or not known whether it took effect.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// No member has this id.
    #[error("node {node} is no member of the group")]
    UnknownMember { node: NodeId },
    /// What was asked for is for voters only.
    #[error("node {node} does not vote; promote it first")]
    NotVoter { node: NodeId },
    /// The voters that would be left, or made, have no majority that answers.
    #[error(
        "of the {voters} voters that there would be, {reachable} answer, and {needed} are needed; silent: {}. \
         Bring them back, or remove those first that are gone for good",
        list(.silent)
    )]
    LosesQuorum { voters: usize, reachable: usize, needed: usize, silent: BTreeSet<NodeId> },
    /// A group without voters decides nothing.
    #[error("node {node} is the only voter; promote another one first")]
    LastVoter { node: NodeId },
    /// A learner that would hold the others up.
    #[error(
        "node {node} lacks {lag} entries of the log, and may lack {allowed}; wait until it has caught up"
    )]
    Behind { node: NodeId, lag: u64, allowed: u64 },
    /// It has not answered for a while.
    #[error("node {node} does not answer")]
    Silent { node: NodeId },
    /// Another member serves at this address already.
    #[error("node {other} is at {address} already")]
    AddressTaken { address: String, other: NodeId },
    /// Leadership did not move to the node that was named.
    #[error("node {to} did not take over the lead: {why}")]
    NotTransferred { to: NodeId, why: String },
    /// What was asked for is not possible now, such as while another change is under way.
    #[error("the membership cannot change like that: {0}")]
    Refused(String),
}

impl MembershipError {
    /// A stable code, as shown to operators.
    pub fn code(&self) -> &'static str {
        match self {
            MembershipError::Submit(error) => error.code(),
            MembershipError::UnknownMember { .. } => "member_unknown",
            MembershipError::NotVoter { .. } => "member_not_voter",
            MembershipError::LosesQuorum { .. } => "quorum_would_be_lost",
            MembershipError::LastVoter { .. } => "last_voter",
            MembershipError::Behind { .. } => "member_behind",
            MembershipError::Silent { .. } => "member_silent",
            MembershipError::AddressTaken { .. } => "address_taken",
            MembershipError::NotTransferred { .. } => "leader_not_transferred",
            MembershipError::Refused(_) => "membership_refused",
        }
    }
}

fn list(nodes: &BTreeSet<NodeId>) -> String {
    let names: Vec<String> = nodes.iter().map(|id| format!("node {id}")).collect();
    names.join(", ")
}
