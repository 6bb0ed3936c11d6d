//! What the autopilot does next. Pure: the same picture, the same actions.
//!
//! At most one action of a pass changes who votes: each such change is judged anew.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use raft::NodeId;
use shop::cluster::Standing;

use super::picture::{Action, Picture};

/// What shall be done now, in this order.
pub fn decide(picture: &Picture) -> Vec<Action> {
    if picture.joint {
        // Nothing else is accepted before.
        return vec![Action::FinishChange];
    }
    // An operator's orders and plain facts, whether the autopilot is enabled or not.
    let mut actions = departures(picture);
    actions.extend(arrivals(picture));
    actions.extend(moves(picture));
    let leaves =
        actions.iter().any(|action| matches!(action, Action::Remove(id) if picture.voters().contains(id)));
    if let Some(to) = successor_of_a_draining_leader(picture) {
        actions.push(Action::HandOverTo(to));
    } else if picture.settings.enabled && !leaves {
        actions.extend(next_voters(picture).map(Action::SetVoters));
    }
    actions
}

/// Nodes that were removed leave the group: learners all, voters one in a pass and only if the rest can go on.
fn departures(picture: &Picture) -> Vec<Action> {
    let removed = |id: &NodeId| picture.standing(*id) == Some(Standing::Removed);
    let leaving = picture.members.iter().filter(|(id, _)| removed(id));
    let (voters, learners): (Vec<_>, Vec<_>) = leaving.partition(|(_, member)| member.voter);
    let voter = voters.into_iter().map(|(id, _)| *id).find(|id| {
        let rest: BTreeSet<NodeId> = picture.voters().into_iter().filter(|voter| voter != id).collect();
        !rest.is_empty() && picture.is_safe(&rest)
    });
    learners.into_iter().map(|(id, _)| *id).chain(voter).map(Action::Remove).collect()
}

/// Nodes that belong and are no members receive the log.
fn arrivals(picture: &Picture) -> Vec<Action> {
    let missing = picture
        .nodes
        .iter()
        .filter(|(id, node)| node.standing != Standing::Removed && !picture.members.contains_key(id));
    missing.map(|(id, node)| Action::AddLearner(*id, node.info.clone())).collect()
}

/// Members that are elsewhere, or called otherwise, than the group knows.
fn moves(picture: &Picture) -> Vec<Action> {
    let moved = picture.nodes.iter().filter(|(id, node)| {
        node.standing != Standing::Removed
            && picture.members.get(id).is_some_and(|member| member.info != node.info)
    });
    moved.map(|(id, node)| Action::UpdateMember(*id, node.info.clone())).collect()
}

/// Whom a leader that drains hands over to.
fn successor_of_a_draining_leader(picture: &Picture) -> Option<NodeId> {
    if picture.standing(picture.leader) != Some(Standing::Draining) {
        return None;
    }
    let able = picture.members.iter().filter(|(id, member)| {
        member.voter
            && member.answers
            && **id != picture.leader
            && matches!(picture.standing(**id), Some(Standing::Active) | None)
    });
    able.min_by_key(|(id, member)| (member.lag, **id)).map(|(id, _)| *id)
}

/// Who votes from now on, if that shall change.
fn next_voters(picture: &Picture) -> Option<BTreeSet<NodeId>> {
    let voters = picture.voters();
    let wanted = wanted_voters(picture);
    let proposal = if voters.len() < wanted {
        grow(picture, &voters, wanted)
    } else if voters.len() > cap(picture) || (voters.len() > wanted && voters.len() >= 4) {
        // Two voters stay two: what they acknowledge is on two disks.
        shrink(picture, &voters)
    } else {
        None
    };
    let proposal =
        proposal.or_else(|| replace_the_dead(picture, &voters)).or_else(|| spread(picture, &voters))?;
    // Both majorities decide while it changes.
    (picture.is_safe(&voters) && picture.is_safe(&proposal)).then_some(proposal)
}

/// The most voters there may be: odd, because an even number needs one more to agree and survives no more failures.
fn cap(picture: &Picture) -> usize {
    odd(picture.settings.max_voters as usize)
}

/// How many voters there shall be, for as many nodes as belong.
fn wanted_voters(picture: &Picture) -> usize {
    let belong = |id: &NodeId| picture.standing(*id) != Some(Standing::Removed);
    odd(picture.members.keys().filter(|id| belong(id)).count()).min(cap(picture))
}

/// The largest odd number up to `count`, at least 1.
fn odd(count: usize) -> usize {
    count.saturating_sub(1) / 2 * 2 + 1
}

/// Learners that may vote, the best first: in zones with few voters, then by id.
fn candidates(picture: &Picture, voters: &BTreeSet<NodeId>) -> Vec<NodeId> {
    let settings = &picture.settings;
    let mut ready: BTreeSet<NodeId> = picture
        .members
        .iter()
        .filter(|(id, member)| {
            !member.voter
                && member.answers
                && member.lag <= settings.max_lag
                && member.stable_ms >= settings.stable_ms
                && picture.standing(**id) == Some(Standing::Active)
        })
        .map(|(id, _)| *id)
        .collect();
    let mut zones = count_zones(picture, voters);
    let mut ordered = Vec::new();
    while let Some(best) =
        ready.iter().min_by_key(|id| (zones.get(picture.zone(**id)).copied().unwrap_or(0), **id)).copied()
    {
        ready.remove(&best);
        *zones.entry(picture.zone(best)).or_default() += 1;
        ordered.push(best);
    }
    ordered
}

fn count_zones<'a>(picture: &'a Picture, voters: &BTreeSet<NodeId>) -> BTreeMap<&'a str, usize> {
    let mut zones = BTreeMap::new();
    for id in voters {
        *zones.entry(picture.zone(*id)).or_default() += 1;
    }
    zones
}

/// From odd to odd in one step, and from even to the next odd: a pair is weaker than one, and four no stronger than
/// three.
fn grow(picture: &Picture, voters: &BTreeSet<NodeId>, wanted: usize) -> Option<BTreeSet<NodeId>> {
    let ready = candidates(picture, voters);
    let reachable = (voters.len() + ready.len()).min(wanted);
    let next = if reachable % 2 == 1 { reachable } else { reachable.checked_sub(1)? };
    let more = next.checked_sub(voters.len()).filter(|more| *more > 0)?;
    Some(voters.iter().copied().chain(ready.into_iter().take(more)).collect())
}

/// One voter less: a silent one before a draining one before one in a crowded zone, and never the leader.
fn shrink(picture: &Picture, voters: &BTreeSet<NodeId>) -> Option<BTreeSet<NodeId>> {
    let zones = count_zones(picture, voters);
    let leaving = voters.iter().copied().filter(|id| *id != picture.leader).max_by_key(|id| {
        let draining = picture.standing(*id) == Some(Standing::Draining);
        (!picture.answers(*id), draining, zones.get(picture.zone(*id)).copied(), *id)
    })?;
    Some(voters.iter().copied().filter(|id| *id != leaving).collect())
}

/// A voter that has been silent for as long as the operator allowed gives its vote to a learner that waits for one.
fn replace_the_dead(picture: &Picture, voters: &BTreeSet<NodeId>) -> Option<BTreeSet<NodeId>> {
    let limit = picture.settings.replace_dead_after_ms;
    if limit == 0 {
        return None;
    }
    let silent = |id: &NodeId| picture.members.get(id).map_or(0, |member| member.silent_ms);
    let dead = voters
        .iter()
        .copied()
        .filter(|id| silent(id) >= limit)
        .max_by_key(|id| (silent(id), Reverse(*id)))?;
    let rest: BTreeSet<NodeId> = voters.iter().copied().filter(|id| *id != dead).collect();
    let heir = candidates(picture, &rest).into_iter().next()?;
    Some(rest.into_iter().chain([heir]).collect())
}

/// When all voters are well: one of a crowded zone gives its vote to a learner in a zone with two voters less or more,
/// so that it is never given back.
fn spread(picture: &Picture, voters: &BTreeSet<NodeId>) -> Option<BTreeSet<NodeId>> {
    if !voters.iter().all(|id| picture.answers(*id)) {
        return None;
    }
    let zones = count_zones(picture, voters);
    let count = |id: NodeId| zones.get(picture.zone(id)).copied().unwrap_or(0);
    let heir = candidates(picture, voters).into_iter().next()?;
    let giver =
        voters.iter().copied().filter(|id| *id != picture.leader).max_by_key(|id| (count(*id), *id))?;
    if count(giver) < count(heir) + 2 {
        return None;
    }
    Some(voters.iter().copied().filter(|id| *id != giver).chain([heir]).collect())
}
