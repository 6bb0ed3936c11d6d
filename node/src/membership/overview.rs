//! The whole cluster as one node can tell it: the state's records, the log's members, gossip, and what each node says of
//! itself when it is asked.

use std::collections::{BTreeMap, BTreeSet};

use net::{Liveness, NodeId};
use raft::{Member, Status};
use shop::Timestamp;
use shop::cluster::{self, NodeRecord, Standing};

use super::Membership;
use crate::api::cluster::{ClusterView, DigestView, NodeRole, NodeState, NodeView};
use crate::fence;
use crate::gateway::STORE;
use crate::peers::{Report, Unanswered};

type Reports = BTreeMap<NodeId, Result<Report, Unanswered>>;

impl Membership {
    /// Everybody who belongs. Each other node is asked, for half a second at most; answers are kept a second.
    pub async fn overview(&self, name: &str) -> ClusterView {
        let status = self.replica.host.status();
        let store = self.replica.store.clone();
        let read = tokio::task::spawn_blocking(move || cluster::nodes(&store.view().in_scope(STORE)));
        let nodes: BTreeMap<NodeId, NodeRecord> = match read.await {
            Ok(Ok(nodes)) => nodes.into_iter().collect(),
            // The members are known all the same.
            _ => BTreeMap::new(),
        };
        let members: BTreeMap<NodeId, &Member> =
            status.members.iter().map(|member| (member.id, member)).collect();
        let belong = nodes.iter().filter(|(_, node)| node.is_member()).map(|(id, _)| *id);
        let ids: BTreeSet<NodeId> = belong.chain(members.keys().copied()).collect();
        let reports = self.replica.peers.statuses(ids.iter().copied()).await;
        let common = common_index(&reports);
        let view = |id: NodeId| {
            let report = reports.get(&id).and_then(|report| report.as_ref().ok());
            NodeView {
                digest: report.and_then(|report| digest(report, common)),
                ..self.node_view(id, nodes.get(&id), members.get(&id).copied(), report, &status)
            }
        };
        ClusterView {
            name: name.to_owned(),
            leader: status.leader,
            term: status.term,
            commit_index: status.commit_index,
            active_version: status.active_version,
            nodes: ids.into_iter().map(view).collect(),
        }
    }

    fn node_view(
        &self,
        id: NodeId,
        record: Option<&NodeRecord>,
        member: Option<&Member>,
        report: Option<&Report>,
        status: &Status,
    ) -> NodeView {
        let standing = record.map_or(Standing::Active, |record| record.standing);
        let role = match member {
            None => NodeRole::Joining,
            Some(member) if member.voter => NodeRole::Voter,
            Some(_) => NodeRole::Learner,
        };
        let info = member.map(|member| member.info.clone()).unwrap_or_default();
        let known =
            |of: fn(&NodeRecord) -> &String, else_: String| record.map_or(else_, |node| of(node).clone());
        // The log knows where it was when it joined, the node knows where it is.
        let told_http = report.map(|report| report.condition.http.clone()).filter(|http| !http.is_empty());
        let told_version = report.map(|report| report.condition.version.clone());
        let applied = report.map(|report| report.applied_index);
        let applied = applied.or_else(|| member.and_then(|member| member.matched_index)).unwrap_or(0);
        NodeView {
            id,
            name: known(|node| &node.name, info.name),
            role,
            standing,
            state: state(standing, report, self.neighbours.liveness(id)),
            zone: known(|node| &node.zone, info.zone),
            http: told_http.unwrap_or_else(|| known(|node| &node.http, info.http)),
            cluster: known(|node| &node.cluster, info.cluster),
            version: told_version.unwrap_or_else(|| known(|node| &node.version, String::new())),
            levels: report.map(|report| report.program.levels),
            started_at: report
                .map(|report| Timestamp::from_millis(report.program.started_ms))
                .filter(|started| started.millis() > 0),
            applied_index: applied,
            lag: status.commit_index.saturating_sub(applied),
            load_per_mille: report.map(|report| report.condition.load_per_mille),
            unready: report.map(|report| report.condition.unready.clone()).unwrap_or_default(),
            digest: None,
        }
    }
}

/// What a node says itself counts most; then what others think of it.
fn state(standing: Standing, report: Option<&Report>, liveness: Option<Liveness>) -> NodeState {
    match (report, liveness) {
        (Some(report), _) if report.condition.unready.iter().any(|why| why.starts_with(fence::MARK)) => {
            NodeState::Fenced
        }
        (Some(report), _) if report.condition.draining || standing == Standing::Draining => {
            NodeState::Draining
        }
        (Some(_), _) => NodeState::Alive,
        (None, Some(Liveness::Alive | Liveness::Suspect)) => NodeState::Suspect,
        (None, Some(Liveness::Down) | None) => NodeState::Down,
    }
}

/// The last index at which everybody who answered knows a digest, so that digests can be compared.
fn common_index(reports: &Reports) -> Option<u64> {
    let known = |report: &Report| report.digests.iter().map(|at| at.index).collect::<BTreeSet<u64>>();
    let all = reports.values().flatten().map(known).reduce(|common, indices| &common & &indices);
    all?.last().copied()
}

/// At the common index; else the newest, which compares with nothing.
fn digest(report: &Report, common: Option<u64>) -> Option<DigestView> {
    let at = report.digests.iter().find(|at| Some(at.index) == common).or(report.digests.last())?;
    let hex = |sum: u128| format!("{sum:032x}");
    let tables = at.tables.iter().map(|(prefix, sum)| (format!("{prefix:02x}"), hex(*sum)));
    Some(DigestView { index: at.index, value: hex(at.overall), tables: tables.collect() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use net::Liveness;
    use shop::cluster::Standing;

    use super::{Reports, common_index, digest, state};
    use crate::api::cluster::NodeState;
    use crate::peers::{Condition, DigestAt, Program, Report, Unanswered};

    fn report(draining: bool, indices: &[u64]) -> Report {
        let digests = indices.iter().map(|index| {
            let overall = u128::from(*index);
            DigestAt { index: *index, overall, tables: vec![(0x20, 1)] }
        });
        let condition = Condition {
            version: "9.9".into(),
            http: "http://here".into(),
            draining,
            works: true,
            unready: Vec::new(),
            load_per_mille: 0,
        };
        Report {
            condition,
            term: 1,
            leader: Some(1),
            commit_index: 9,
            applied_index: 9,
            silence_ms: Some(1),
            digests: digests.collect(),
            program: Program::default(),
        }
    }

    #[test]
    fn digests_are_shown_where_all_who_answer_have_one() {
        let mut reports: Reports = BTreeMap::from([
            (1, Ok(report(false, &[5, 7, 9]))),
            (2, Ok(report(false, &[5, 7, 8]))),
            (3, Err(Unanswered("gone".into()))),
        ]);
        assert_eq!(common_index(&reports), Some(7));
        assert_eq!(digest(&report(false, &[5, 7, 9]), Some(7)).unwrap().index, 7);
        reports.insert(3, Ok(report(false, &[1])));
        assert_eq!(common_index(&reports), None);
        assert_eq!(digest(&report(false, &[5, 9]), None).unwrap().index, 9);
        assert_eq!(digest(&report(false, &[]), Some(7)), None);
    }

    #[test]
    fn a_node_that_does_not_answer_is_down_unless_others_heard_it() {
        let check = |standing, report: Option<Report>, liveness, expect| {
            assert_eq!(state(standing, report.as_ref(), liveness), expect);
        };
        check(Standing::Active, None, None, NodeState::Down);
        check(Standing::Active, None, Some(Liveness::Down), NodeState::Down);
        check(Standing::Active, None, Some(Liveness::Alive), NodeState::Suspect);
        check(Standing::Draining, None, Some(Liveness::Suspect), NodeState::Suspect);
        check(Standing::Active, Some(report(false, &[])), Some(Liveness::Down), NodeState::Alive);
        check(Standing::Active, Some(report(true, &[])), None, NodeState::Draining);
        check(Standing::Draining, Some(report(false, &[])), None, NodeState::Draining);
        let mut outvoted = report(true, &[]);
        outvoted.condition.unready.push(format!("{}a majority has another state", crate::fence::MARK));
        check(Standing::Active, Some(outvoted), None, NodeState::Fenced);
    }
}
