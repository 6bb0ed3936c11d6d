//! What a host is told when it starts.

use std::{fmt, ops::RangeInclusive, path::PathBuf, sync::Arc, time::Duration};

use net::{GroupId, NodeId};
use openraft::SnapshotPolicy;

use crate::{
    error::Fault,
    observer::{NoObserver, Observer},
    refetch::Refetch,
    stamp::Skew,
    tables::FIRST_ACTIVE_VERSION,
};

/// How long silence lasts before somebody else leads. A follower campaigns at last contact, plus `election_max`,
/// plus a random time between the two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    pub heartbeat: Duration,
    pub election_min: Duration,
    pub election_max: Duration,
}

impl Timings {
    /// One site, disks that stall now and then. Measured gap after a leader's death: 0.66 s.
    pub const LAN: Timings = Timings::from_ms(60, 200, 400);
    /// One site with good disks. Measured gap: 0.37 s.
    pub const FAST: Timings = Timings::from_ms(30, 100, 200);
    /// Several sites, up to 150 ms apart.
    pub const WAN: Timings = Timings::from_ms(300, 1500, 3000);

    const fn from_ms(heartbeat: u64, election_min: u64, election_max: u64) -> Timings {
        Timings {
            heartbeat: Duration::from_millis(heartbeat),
            election_min: Duration::from_millis(election_min),
            election_max: Duration::from_millis(election_max),
        }
    }
}

/// Settings of one host. [`Config::new`] has the defaults.
#[derive(Clone)]
pub struct Config {
    /// This node.
    pub node: NodeId,
    /// The cluster's name, for logs.
    pub cluster: String,
    /// The replicated group.
    pub group: GroupId,
    pub timings: Timings,
    /// When to disbelieve the clock.
    pub skew: Skew,
    /// The state is made durable this often, if it changed. Only replay after a crash depends on it.
    pub flush_every: Duration,
    /// ... or after this many entries.
    pub flush_entries: u64,
    /// The log is shortened each time that it has grown by this many entries.
    pub snapshot_entries: u64,
    /// Entries kept in the log behind the durable state, for followers that lag a little.
    pub keep_entries: u64,
    /// After this long without commands the leader proposes a checkpoint, so that digests can be compared. `None`
    /// for never.
    pub checkpoint_when_idle: Option<Duration>,
    /// A leader whose log has made nothing durable for this long, although something waits, hands over. `None` for
    /// never.
    pub step_aside_after_stall: Option<Duration>,
    /// Commands that wait for their outcome may hold this many bytes together; more wait in turn.
    pub max_pending_bytes: usize,
    /// The rules by which the machine can compute. A state with others is refused, and so is an entry that activates
    /// others.
    pub supports: RangeInclusive<u32>,
    /// Ask for a copy of the state before taking part: the one that is there was outvoted, damaged or lost.
    pub refetch: Option<Refetch>,
    /// A file outside the log's directory that says that a log was begun there. Once it is there, a start that finds no
    /// log is refused. `None` for a log whose loss nobody minds.
    pub log_mark: Option<PathBuf>,
    /// No earlier program will read this node's log any more: one in an earlier format is brought into the newest one at start.
    pub newest_log: bool,
    /// Told of durations and sizes.
    pub observer: Arc<dyn Observer>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("node", &self.node)
            .field("cluster", &self.cluster)
            .field("timings", &self.timings)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// The defaults for a node on a LAN.
    pub fn new(node: NodeId, cluster: impl Into<String>) -> Config {
        Config {
            node,
            cluster: cluster.into(),
            group: GroupId::FIRST,
            timings: Timings::LAN,
            skew: Skew::default(),
            flush_every: Duration::from_secs(5),
            flush_entries: 10_000,
            snapshot_entries: 10_000,
            keep_entries: 10_000,
            checkpoint_when_idle: Some(Duration::from_secs(10)),
            step_aside_after_stall: Some(Duration::from_secs(1)),
            max_pending_bytes: 64 * 1024 * 1024,
            supports: FIRST_ACTIVE_VERSION..=FIRST_ACTIVE_VERSION,
            refetch: None,
            log_mark: None,
            newest_log: false,
            observer: Arc::new(NoObserver),
        }
    }

    /// The same, as openraft wants it.
    pub(crate) fn for_openraft(&self) -> Result<openraft::Config, Fault> {
        let config = openraft::Config {
            cluster_name: self.cluster.clone(),
            heartbeat_interval: millis(self.timings.heartbeat),
            election_timeout_min: millis(self.timings.election_min),
            election_timeout_max: millis(self.timings.election_max),
            enable_pre_vote: Some(true),
            // A leader that lost the unsynced end of its log must not go on in its old term: it would give other
            // entries the ids of those that its followers have, and that may be committed.
            enable_leader_restore: Some(false),
            // A leader that no majority answers falls silent, so that those who hear it, and whom it does not hear,
            // elect another. The least that openraft allows.
            quorum_loss_probe_interval: Some(millis(self.timings.election_max * 2)),
            // openraft bounds entries, not bytes: 64 entries of 256 KiB are the largest append.
            max_payload_entries: 64,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.snapshot_entries),
            max_in_snapshot_log_to_keep: self.keep_entries,
            // A snapshot may take long; what bounds it is progress on its stream.
            install_snapshot_timeout: 3_600_000,
            ..openraft::Config::default()
        };
        config.validate().map_err(|error| Fault::Settings(error.to_string()))
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
