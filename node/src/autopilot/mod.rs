//! Keeps the log's membership as the state and the operator want it: nodes that were enrolled receive the log, learners
//! that are well vote, nodes that were removed leave.
//!
//! It runs on every node and acts on the leader only. A pass looks, decides and acts; it takes no input and can be
//! repeated at any time. It never brings a node back that was removed, and never does what would leave the group without
//! a majority that answers: raft judges each change once more.

mod decide;
mod patience;
mod picture;

use std::collections::BTreeMap;
use std::time::Duration;

use raft::{Host, Member as GroupMember, MembershipError, NodeInfo, Role, Status};
use shop::cluster::{self, Autopilot as Settings, NodeRecord};
use storage::{Fault, View};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use self::decide::decide;
use self::patience::Patience;
use self::picture::{Action, Enrolled, Member, Picture};
use crate::gateway::STORE;
use crate::replica::Replica;

/// From one look to the next.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long one change may take. A change of voters waits for two commits.
const CHANGE_LIMIT: Duration = Duration::from_secs(5);

/// The reconciler of the membership.
pub struct Autopilot {
    replica: Replica,
    patience: Patience,
    /// The last refusal, so that one that lasts is told once.
    told: Option<String>,
}

impl Autopilot {
    pub fn new(replica: Replica) -> Autopilot {
        Autopilot { replica, patience: Patience::default(), told: None }
    }

    /// Looks again and again until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.pass() => {}
            }
        }
    }

    async fn pass(&mut self) {
        let status = self.replica.host.status();
        if status.role != Role::Leader {
            self.patience.forget();
            return;
        }
        let picture = match self.look(&status).await {
            Ok(picture) => picture,
            Err(why) => {
                tracing::warn!(why, "the autopilot cannot look");
                return;
            }
        };
        for action in decide(&picture) {
            match carry_out(&self.replica.host, &action).await {
                Ok(()) => {
                    tracing::info!(?action, "membership changed");
                    self.told = None;
                }
                Err(error) => {
                    self.tell(&action, &error);
                    // A node that cannot come in, or be where it says, is its own trouble: the others must not wait for
                    // it. On any other change what follows may rest; the next pass looks anew.
                    if !matches!(action, Action::AddLearner(..) | Action::UpdateMember(..)) {
                        return;
                    }
                }
            }
        }
    }

    async fn look(&mut self, status: &Status) -> Result<Picture, String> {
        let store = self.replica.store.clone();
        let read = tokio::task::spawn_blocking(move || records(&store.view().in_scope(STORE)));
        let (settings, nodes) =
            read.await.map_err(|error| error.to_string())?.map_err(|fault| fault.to_string())?;
        let now = Instant::now();
        self.patience.keep(|id| status.members.iter().any(|member| member.id == id));
        let members = status.members.iter().map(|member| {
            (member.id, self.member(member, status.node, status.last_log_index, &settings, now))
        });
        Ok(Picture {
            leader: status.node,
            settings,
            members: members.collect(),
            nodes: nodes.into_iter().map(|(id, node)| (id, enrolled(node))).collect(),
            joint: status.joint,
        })
    }

    fn member(
        &mut self,
        member: &GroupMember,
        leader: u64,
        last_log_index: u64,
        settings: &Settings,
        now: Instant,
    ) -> Member {
        let matched = if member.id == leader { last_log_index } else { member.matched_index.unwrap_or(0) };
        let lag = last_log_index.saturating_sub(matched);
        let (well, silent) = self.patience.note(member.id, member.answers, lag <= settings.max_lag, now);
        Member {
            voter: member.voter,
            info: member.info.clone(),
            answers: member.answers,
            lag,
            stable_ms: well.as_millis() as u64,
            silent_ms: silent.as_millis() as u64,
        }
    }

    fn tell(&mut self, action: &Action, error: &MembershipError) {
        let text = format!("{action:?}: {}", error.code());
        if self.told.as_ref() != Some(&text) {
            tracing::warn!(?action, %error, code = error.code(), "the membership did not change");
            self.told = Some(text);
        }
    }
}

async fn carry_out(host: &Host, action: &Action) -> Result<(), MembershipError> {
    let deadline = Instant::now() + CHANGE_LIMIT;
    match action {
        Action::FinishChange => host.finish_change(deadline).await,
        Action::AddLearner(id, info) => host.add_learner(*id, info.clone(), deadline).await,
        Action::UpdateMember(id, info) => host.update_member(*id, info.clone(), deadline).await,
        Action::Remove(id) => host.remove(*id, deadline).await,
        Action::SetVoters(voters) => host.set_voters(voters.clone(), deadline).await,
        Action::HandOverTo(id) => host.transfer_leader(*id, deadline).await,
    }
}

fn records(view: &View<'_>) -> Result<(Settings, BTreeMap<u64, NodeRecord>), Fault> {
    Ok((cluster::autopilot(view)?, cluster::nodes(view)?.into_iter().collect()))
}

fn enrolled(node: NodeRecord) -> Enrolled {
    let NodeRecord { name, zone, cluster, http, standing, .. } = node;
    Enrolled { standing, info: NodeInfo { name, cluster, http, zone } }
}
