//! One line a node: how it stands, and what is decided.

use std::collections::BTreeMap;

use raft::{NodeId, NodeInfo};
use shop::cluster::{Autopilot, Standing};

use super::decide;
use crate::autopilot::picture::{Action, Enrolled, Member, Picture};

fn info(id: NodeId, zone: &str) -> NodeInfo {
    let (name, cluster) = (format!("node-{id}"), format!("10.0.0.{id}:7000"));
    NodeInfo { name, cluster, http: String::new(), zone: zone.to_owned() }
}

/// A picture in which node 1 leads. Words for each node: `voter`, `learner`, `new` (no member yet), `draining`,
/// `removed`, `silent`, `behind`, `fresh` (not stable yet), `moved`, `zone=Z`.
fn picture(nodes: &[(NodeId, &str)]) -> Picture {
    let settings = Autopilot { replace_dead_after_ms: 60_000, ..Autopilot::default() };
    let mut picture = Picture { leader: 1, settings, ..Picture::default() };
    for (id, words) in nodes {
        let has = |word: &str| words.split(' ').any(|found| found == word);
        let zone = words.split(' ').find_map(|word| word.strip_prefix("zone=")).unwrap_or("");
        let standing = match () {
            () if has("draining") => Standing::Draining,
            () if has("removed") => Standing::Removed,
            () => Standing::Active,
        };
        picture.nodes.insert(*id, Enrolled { standing, info: info(*id, zone) });
        if has("new") {
            continue;
        }
        let mut known = info(*id, zone);
        if has("moved") {
            known.cluster = "elsewhere:7000".to_owned();
        }
        let silent = has("silent");
        let member = Member {
            voter: has("voter"),
            info: known,
            answers: !silent,
            lag: if has("behind") { 5_000 } else { 3 },
            stable_ms: if has("fresh") || silent { 0 } else { 20_000 },
            silent_ms: if silent { 90_000 } else { 0 },
        };
        picture.members.insert(*id, member);
    }
    picture
}

fn voters(ids: &[NodeId]) -> Action {
    Action::SetVoters(ids.iter().copied().collect())
}

fn check(nodes: &[(NodeId, &str)], expect: &[Action]) {
    assert_eq!(decide(&picture(nodes)), expect, "{nodes:?}");
}

fn check_with(change: impl Fn(&mut Picture), nodes: &[(NodeId, &str)], expect: &[Action]) {
    let mut picture = picture(nodes);
    change(&mut picture);
    assert_eq!(decide(&picture), expect, "{nodes:?}");
}

#[test]
fn whoever_was_enrolled_receives_the_log() {
    check(&[(1, "voter"), (2, "new")], &[Action::AddLearner(2, info(2, ""))]);
    check(&[(1, "voter"), (2, "new draining")], &[Action::AddLearner(2, info(2, ""))]);
    check(&[(1, "voter"), (2, "new removed")], &[]);
    let off = |picture: &mut Picture| picture.settings.enabled = false;
    check_with(off, &[(1, "voter"), (2, "new")], &[Action::AddLearner(2, info(2, ""))]);
}

#[test]
fn one_becomes_three_in_one_step_and_never_two() {
    check(&[(1, "voter"), (2, "learner")], &[]);
    check(&[(1, "voter"), (2, "learner"), (3, "learner fresh")], &[]);
    check(&[(1, "voter"), (2, "learner"), (3, "learner behind")], &[]);
    check(&[(1, "voter"), (2, "learner"), (3, "learner silent")], &[]);
    check(&[(1, "voter"), (2, "learner"), (3, "learner draining")], &[]);
    check(&[(1, "voter"), (2, "learner"), (3, "learner")], &[voters(&[1, 2, 3])]);
    let off = |picture: &mut Picture| picture.settings.enabled = false;
    check_with(off, &[(1, "voter"), (2, "learner"), (3, "learner")], &[]);
}

#[test]
fn three_become_five_in_one_step_and_the_rest_stay_learners() {
    let three = [(1, "voter"), (2, "voter"), (3, "voter"), (4, "learner")];
    check(&three, &[]);
    check(&[&three[..], &[(5, "learner")]].concat(), &[voters(&[1, 2, 3, 4, 5])]);
    let five = [(1, "voter"), (2, "voter"), (3, "voter"), (4, "voter"), (5, "voter")];
    check(&[&five[..], &[(6, "learner"), (7, "learner")]].concat(), &[]);
    let seven = |picture: &mut Picture| picture.settings.max_voters = 7;
    check_with(
        seven,
        &[&five[..], &[(6, "learner"), (7, "learner")]].concat(),
        &[voters(&[1, 2, 3, 4, 5, 6, 7])],
    );
}

#[test]
fn an_even_number_is_made_odd() {
    // Up if somebody can; what an operator made stays two, because two disks are better than one.
    check(&[(1, "voter"), (2, "voter"), (3, "learner")], &[voters(&[1, 2, 3])]);
    check(&[(1, "voter"), (2, "voter"), (3, "learner behind")], &[]);
    check(&[(1, "voter"), (2, "voter")], &[]);
    let four = [(1, "voter"), (2, "voter"), (3, "voter"), (4, "voter")];
    check(&[&four[..], &[(5, "learner")]].concat(), &[voters(&[1, 2, 3, 4, 5])]);
    check(&[&four[..], &[(5, "learner fresh")]].concat(), &[]);
    check(&four, &[voters(&[1, 2, 3])]);
    check(&[(1, "voter"), (2, "voter silent"), (3, "voter"), (4, "voter")], &[voters(&[1, 3, 4])]);
}

#[test]
fn fewer_when_fewer_are_allowed() {
    let three = |picture: &mut Picture| picture.settings.max_voters = 3;
    let five = [(1, "voter"), (2, "voter"), (3, "voter draining"), (4, "voter"), (5, "voter")];
    check_with(three, &five, &[voters(&[1, 2, 4, 5])]);
    check_with(three, &[(1, "voter"), (2, "voter"), (4, "voter"), (5, "voter")], &[voters(&[1, 2, 4])]);
    let one = |picture: &mut Picture| picture.settings.max_voters = 1;
    check_with(one, &[(1, "voter"), (2, "voter")], &[voters(&[1])]);
    // Even bounds count as the odd number below.
    let four = |picture: &mut Picture| picture.settings.max_voters = 4;
    check_with(four, &[(1, "voter"), (2, "voter"), (3, "voter"), (4, "learner"), (5, "learner")], &[]);
}

#[test]
fn zones_are_filled_evenly() {
    check(
        &[(1, "voter zone=a"), (2, "learner zone=a"), (3, "learner zone=b"), (4, "learner zone=c")],
        &[voters(&[1, 3, 4])],
    );
    check(
        &[(1, "voter zone=a"), (2, "learner zone=a"), (3, "learner zone=b"), (4, "learner zone=b")],
        &[voters(&[1, 2, 3])],
    );
    // A zone without voters takes one from a zone with two, and gives none back.
    let crowded = [(1, "voter zone=a"), (2, "voter zone=b"), (3, "voter zone=a"), (4, "learner zone=c")];
    check(&crowded, &[voters(&[1, 2, 4])]);
    check(&[(1, "voter zone=a"), (2, "voter zone=b"), (3, "learner zone=a"), (4, "voter zone=c")], &[]);
    // Not while anybody is silent, and the leader keeps its vote.
    let mut worried = crowded;
    worried[1].1 = "voter zone=b silent";
    check_with(|picture| picture.settings.replace_dead_after_ms = 0, &worried, &[]);
    check(
        &[(1, "voter zone=a"), (2, "voter zone=b"), (3, "voter zone=b"), (4, "learner zone=c")],
        &[voters(&[1, 2, 4])],
    );
}

#[test]
fn a_long_dead_voter_is_replaced_only_by_one_that_waits() {
    let three = [(1, "voter"), (2, "voter"), (3, "voter silent")];
    check(&three, &[]);
    check(&[&three[..], &[(4, "learner")]].concat(), &[voters(&[1, 2, 4])]);
    check(&[&three[..], &[(4, "learner behind")]].concat(), &[]);
    check(&[&three[..], &[(4, "learner silent")]].concat(), &[]);
    let never = |picture: &mut Picture| picture.settings.replace_dead_after_ms = 0;
    check_with(never, &[&three[..], &[(4, "learner")]].concat(), &[]);
    let patient = |picture: &mut Picture| picture.settings.replace_dead_after_ms = 100_000;
    check_with(patient, &[&three[..], &[(4, "learner")]].concat(), &[]);
    // Without a majority nothing can be decided anyway.
    check(&[(1, "voter"), (2, "voter silent"), (3, "voter silent"), (4, "learner")], &[]);
    // Five with one dead and one learner: one for one.
    check(
        &[(1, "voter"), (2, "voter"), (3, "voter silent"), (4, "voter"), (5, "voter"), (6, "learner")],
        &[voters(&[1, 2, 4, 5, 6])],
    );
}

#[test]
fn whoever_was_removed_leaves_if_the_rest_can_go_on() {
    check(&[(1, "voter"), (2, "voter"), (3, "voter removed")], &[Action::Remove(3)]);
    check(&[(1, "voter"), (2, "voter"), (3, "voter silent removed")], &[Action::Remove(3)]);
    check(&[(1, "voter"), (2, "voter silent"), (3, "voter removed")], &[]);
    check(
        &[(1, "voter"), (2, "learner removed"), (3, "learner removed")],
        &[Action::Remove(2), Action::Remove(3)],
    );
    // One voter at a time.
    let five = [(1, "voter"), (2, "voter"), (3, "voter"), (4, "voter removed"), (5, "voter removed")];
    check(&five, &[Action::Remove(4)]);
    // The leader may be the one: raft hands over first.
    check(&[(1, "voter removed"), (2, "voter"), (3, "voter")], &[Action::Remove(1)]);
    check(&[(1, "voter removed")], &[]);
    let off = |picture: &mut Picture| picture.settings.enabled = false;
    check_with(off, &[(1, "voter"), (2, "voter"), (3, "voter removed")], &[Action::Remove(3)]);
}

#[test]
fn a_leader_that_drains_hands_over() {
    check(&[(1, "voter draining"), (2, "voter"), (3, "voter")], &[Action::HandOverTo(2)]);
    check(&[(1, "voter draining"), (2, "voter silent"), (3, "voter")], &[Action::HandOverTo(3)]);
    check(&[(1, "voter draining"), (2, "voter draining"), (3, "voter")], &[Action::HandOverTo(3)]);
    check(&[(1, "voter draining"), (2, "learner")], &[]);
    check(&[(1, "voter"), (2, "voter draining"), (3, "voter")], &[]);
}

#[test]
fn a_member_that_moved_is_known_where_it_is() {
    check(&[(1, "voter"), (2, "voter moved"), (3, "voter")], &[Action::UpdateMember(2, info(2, ""))]);
    check(&[(1, "voter"), (2, "learner moved removed")], &[Action::Remove(2)]);
}

#[test]
fn a_change_that_was_left_half_done_is_completed_first() {
    let joint = |picture: &mut Picture| picture.joint = true;
    check_with(joint, &[(1, "voter"), (2, "new"), (3, "voter removed")], &[Action::FinishChange]);
}

#[test]
fn members_that_the_state_does_not_know_are_left_alone() {
    let unknown = |picture: &mut Picture| picture.nodes = BTreeMap::new();
    check_with(unknown, &[(1, "voter"), (2, "voter"), (3, "voter"), (4, "learner")], &[]);
}

/// From any beginning it comes to rest, and nothing that it does on the way leaves a majority of the silent.
#[test]
fn it_comes_to_rest_and_is_safe_on_the_way() {
    let words =
        ["voter", "learner", "new", "voter silent", "learner silent", "voter removed", "voter draining"];
    let zones = ["zone=a", "zone=b", "zone=c"];
    let mut random = net::sim::Random::new(7);
    for round in 0..3_000 {
        let count = random.between(1, 7);
        let mut nodes = vec![(1, format!("voter {}", zones[random.below(3) as usize]))];
        for id in 2..=count {
            let word = words[random.below(words.len() as u64) as usize];
            nodes.push((id, format!("{word} {}", zones[random.below(3) as usize])));
        }
        let described: Vec<(NodeId, &str)> = nodes.iter().map(|(id, words)| (*id, words.as_str())).collect();
        let mut picture = picture(&described);
        let mut steps = 0;
        loop {
            let actions = decide(&picture);
            if actions.is_empty() {
                break;
            }
            for action in actions {
                carry_out(&mut picture, action, round, &described);
            }
            steps += 1;
            assert!(steps < 20, "round {round} never rests: {described:?}");
        }
    }
}

fn carry_out(picture: &mut Picture, action: Action, round: u32, start: &[(NodeId, &str)]) {
    match action {
        Action::FinishChange => picture.joint = false,
        Action::AddLearner(id, info) => {
            let member =
                Member { voter: false, info, answers: true, lag: 0, stable_ms: 20_000, silent_ms: 0 };
            picture.members.insert(id, member);
        }
        Action::UpdateMember(id, info) => picture.members.get_mut(&id).unwrap().info = info,
        Action::Remove(id) => {
            picture.members.remove(&id);
            if id == picture.leader {
                picture.leader = *picture.voters().first().unwrap();
            }
        }
        Action::SetVoters(voters) => {
            assert!(picture.is_safe(&voters), "round {round}: {voters:?} of {start:?}");
            assert!(voters.contains(&picture.leader));
            for (id, member) in &mut picture.members {
                member.voter = voters.contains(id);
            }
        }
        Action::HandOverTo(id) => picture.leader = id,
    }
}
