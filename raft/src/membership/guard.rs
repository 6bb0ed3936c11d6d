//! What may be proposed, judged by what the leader has heard from whom. Pure: the same standing, the same verdict.

use std::collections::{BTreeMap, BTreeSet};

use net::NodeId;

use super::MembershipError;

/// The group as its leader sees it at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    pub voters: BTreeSet<NodeId>,
    pub members: BTreeMap<NodeId, Contact>,
    pub last_log_index: u64,
}

/// What a leader knows of one member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contact {
    /// Whether it has answered lately.
    pub reachable: bool,
    /// Whether it has ever answered this leader. One that has not may be about to.
    pub heard: bool,
    /// How far its log is known to match.
    pub matched_index: u64,
}

impl Standing {
    /// Whether a majority of `voters` answers.
    pub(crate) fn keeps_quorum(&self, voters: &BTreeSet<NodeId>) -> Result<(), MembershipError> {
        let answers = |id: &NodeId| self.members.get(id).is_some_and(|contact| contact.reachable);
        let (reachable, silent): (BTreeSet<NodeId>, _) = voters.iter().partition(|id| answers(id));
        let needed = voters.len() / 2 + 1;
        if reachable.len() >= needed {
            return Ok(());
        }
        Err(MembershipError::LosesQuorum { voters: voters.len(), reachable: reachable.len(), needed, silent })
    }

    /// The voters once `voters` is what they shall be.
    pub(crate) fn may_vote(&self, voters: &BTreeSet<NodeId>) -> Result<(), MembershipError> {
        if let Some(node) = voters.iter().find(|id| !self.members.contains_key(id)) {
            return Err(MembershipError::UnknownMember { node: *node });
        }
        self.keeps_quorum(voters)
    }

    /// The voters once `node` is one, which lacks at most `max_lag` entries.
    pub(crate) fn promotion(&self, node: NodeId, max_lag: u64) -> Result<BTreeSet<NodeId>, MembershipError> {
        self.caught_up(node, max_lag)?;
        let voters: BTreeSet<NodeId> = self.voters.iter().copied().chain([node]).collect();
        self.keeps_quorum(&voters)?;
        Ok(voters)
    }

    /// The voters once `node` is none.
    pub(crate) fn demotion(&self, node: NodeId) -> Result<BTreeSet<NodeId>, MembershipError> {
        if !self.members.contains_key(&node) {
            return Err(MembershipError::UnknownMember { node });
        }
        let voters: BTreeSet<NodeId> = self.voters.iter().copied().filter(|id| *id != node).collect();
        if voters.is_empty() {
            return Err(MembershipError::LastVoter { node });
        }
        self.keeps_quorum(&voters)?;
        Ok(voters)
    }

    /// Whether `node` answers and lacks at most `allowed` entries.
    pub(crate) fn caught_up(&self, node: NodeId, allowed: u64) -> Result<(), MembershipError> {
        let contact = self.members.get(&node).ok_or(MembershipError::UnknownMember { node })?;
        if !contact.reachable {
            return Err(MembershipError::Silent { node });
        }
        let lag = self.last_log_index.saturating_sub(contact.matched_index);
        if lag > allowed {
            return Err(MembershipError::Behind { node, lag, allowed });
        }
        Ok(())
    }

    /// The voter that is best able to lead next: it answers, and lacks the least.
    pub(crate) fn successor(&self, but: NodeId, allowed: u64) -> Option<NodeId> {
        let able = self.voters.iter().filter(|id| **id != but && self.caught_up(**id, allowed).is_ok());
        // The smallest id among equals, so that two who ask at once name the same one.
        able.max_by_key(|id| {
            (self.members.get(id).map(|contact| contact.matched_index), std::cmp::Reverse(**id))
        })
        .copied()
    }

    /// Whether a member has not answered this leader *yet*, which a young leader must not take for silence.
    pub(crate) fn is_young(&self) -> bool {
        self.members.values().any(|contact| !contact.heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Node 1 leads at index 100. `members` are (id, votes, answers, matched).
    fn standing(members: &[(NodeId, bool, bool, u64)]) -> Standing {
        Standing {
            voters: members.iter().filter(|member| member.1).map(|member| member.0).collect(),
            members: members
                .iter()
                .map(|(id, _, reachable, matched_index)| {
                    (*id, Contact { reachable: *reachable, heard: true, matched_index: *matched_index })
                })
                .collect(),
            last_log_index: 100,
        }
    }

    fn check(result: Result<BTreeSet<NodeId>, MembershipError>, expect: Result<&[NodeId], &str>) {
        let got = result.as_ref().map_err(|error| error.code());
        let expect = expect.map(|ids| ids.iter().copied().collect::<BTreeSet<_>>());
        assert_eq!(got.cloned(), expect, "{result:?}");
    }

    #[test]
    fn a_learner_is_promoted_when_it_answers_and_has_caught_up() {
        let group = standing(&[
            (1, true, true, 100),
            (2, false, true, 95),
            (3, false, true, 10),
            (4, false, false, 100),
        ]);
        check(group.promotion(2, 10), Ok(&[1, 2]));
        check(group.promotion(2, 4), Err("member_behind"));
        check(group.promotion(3, 10), Err("member_behind"));
        check(group.promotion(4, 10), Err("member_silent"));
        check(group.promotion(9, 10), Err("member_unknown"));
    }

    #[test]
    fn no_promotion_makes_a_majority_of_the_dead() {
        // Three voters, one of them dead, go on; with a fourth voter they still do, by three of four.
        let group = standing(&[
            (1, true, true, 100),
            (2, true, true, 99),
            (3, true, false, 50),
            (4, false, true, 100),
        ]);
        check(group.promotion(4, 10), Ok(&[1, 2, 3, 4]));
        let worse = standing(&[
            (1, true, true, 100),
            (2, true, false, 99),
            (3, true, false, 50),
            (4, false, true, 100),
        ]);
        check(worse.promotion(4, 10), Err("quorum_would_be_lost"));
    }

    #[test]
    fn a_voter_leaves_only_if_the_rest_has_a_majority_that_answers() {
        let group = standing(&[(1, true, true, 100), (2, true, true, 99), (3, true, false, 50)]);
        check(group.demotion(3), Ok(&[1, 2]));
        check(group.demotion(2), Err("quorum_would_be_lost"));
        check(group.demotion(9), Err("member_unknown"));
        check(standing(&[(1, true, true, 100)]).demotion(1), Err("last_voter"));
    }

    #[test]
    fn who_succeeds_answers_and_lacks_the_least() {
        let group = standing(&[
            (1, true, true, 100),
            (2, true, true, 98),
            (3, true, true, 99),
            (4, true, false, 100),
            (5, false, true, 100),
        ]);
        assert_eq!(group.successor(1, 10), Some(3));
        assert_eq!(group.successor(1, 0), None);
        assert_eq!(
            standing(&[(1, true, true, 100), (2, true, true, 99), (3, true, true, 99)]).successor(1, 10),
            Some(2)
        );
    }
}
