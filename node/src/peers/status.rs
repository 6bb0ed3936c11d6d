//! How a node is, as it tells its peers.
//!
//! ```text
//! question  version u8 = 1 | flags u8 (bit 0: with digests; bit 1: an answer of version 2 is understood)
//! answer    version u8 = 1 | the report, as the state's values are written (bincode, positional)
//!           version u8 = 2 | the report | of the program: least level, most level, when it was started
//! ```
//!
//! A node answers in the newest version that whoever asks understands, and overlooks flags that it does not know: so older
//! and newer ones can go on asking each other. The bytes are pinned below.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use net::NodeId;
use raft::Host;
use serde::{Deserialize, Serialize};
use shop::{LEVELS, Levels};
use tokio::time::Instant;

use super::{Peers, kind};

const VERSION: u8 = 1;
const WITH_PROGRAM: u8 = 2;
const DIGESTS_FLAG: u8 = 1;
const PROGRAM_FLAG: u8 = 2;
/// How long a node may take to say how it is.
const DEADLINE: Duration = Duration::from_millis(500);
/// How long its answer is good enough for the next who asks.
const FRESH: Duration = Duration::from_secs(1);
/// Reasons told at most, and the bytes of each.
const MAX_REASONS: usize = 8;

/// What only the node itself knows of its condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The program's version.
    pub version: String,
    /// Where it serves HTTP.
    pub http: String,
    /// It finishes what it has and takes nothing new.
    pub draining: bool,
    /// It does background work.
    pub works: bool,
    /// Why it cannot serve; empty when it can.
    pub unready: Vec<String>,
    /// Requests under way in its gateway, in thousandths of what it admits.
    pub load_per_mille: u32,
}

impl Condition {
    /// Of a node that has not said anything yet.
    pub fn starting() -> Condition {
        Condition {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            http: String::new(),
            draining: false,
            works: false,
            unready: vec!["this node is starting".to_owned()],
            load_per_mille: 0,
        }
    }
}

/// The program that a node runs, besides its version's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    pub levels: Levels,
    /// When it was started, by its own clock; 0 if it does not say.
    pub started_ms: u64,
}

impl Program {
    /// This one.
    pub fn current(started_ms: u64) -> Program {
        Program { levels: LEVELS, started_ms }
    }
}

impl Default for Program {
    /// One that says nothing of itself: it was made before there were levels.
    fn default() -> Program {
        Program { levels: Levels::FIRST, started_ms: 0 }
    }
}

/// The digests of one node's state at one index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestAt {
    pub index: u64,
    pub overall: u128,
    /// By the tables' prefixes.
    pub tables: Vec<(u8, u128)>,
}

/// A node's account of itself. Append-only, with a new version for each change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub condition: Condition,
    pub term: u64,
    pub leader: Option<NodeId>,
    pub commit_index: u64,
    pub applied_index: u64,
    /// Milliseconds since it last heard the leader, or as the leader a majority; `None` before it did.
    pub silence_ms: Option<u64>,
    /// At the last checkpoints and now, oldest first; empty unless asked for.
    pub digests: Vec<DigestAt>,
    /// Told from version 2 on.
    #[serde(skip)]
    pub program: Program,
}

impl Report {
    pub(super) fn new(host: &Host, mut condition: Condition, program: Program, asked: Asked) -> Report {
        let status = host.status();
        condition.unready.truncate(MAX_REASONS);
        let digests = if asked.with_digests { known_digests(host) } else { Vec::new() };
        Report {
            condition,
            term: status.term,
            leader: status.leader,
            commit_index: status.commit_index,
            applied_index: status.applied_index,
            silence_ms: host.silence().map(|silence| silence.as_millis() as u64),
            digests,
            program,
        }
    }

    /// In the newest version that `asked` understands.
    pub(super) fn encode(&self, asked: Asked) -> Result<Bytes, String> {
        let (version, report) = match asked.with_program {
            false => (VERSION, storage::encode(self)),
            true => (WITH_PROGRAM, storage::encode(&(self, self.program))),
        };
        let mut bytes = vec![version];
        bytes.extend(report.map_err(|fault| fault.to_string())?);
        Ok(bytes.into())
    }

    fn decode(body: &[u8]) -> Result<Report, String> {
        match body.split_first() {
            Some((&VERSION, report)) => storage::decode(report).map_err(|fault| fault.to_string()),
            Some((&WITH_PROGRAM, report)) => storage::decode(report)
                .map(|(report, program)| Report { program, ..report })
                .map_err(|fault| fault.to_string()),
            _ => Err("a report of a version that is not known here".to_owned()),
        }
    }
}

fn known_digests(host: &Host) -> Vec<DigestAt> {
    let mut known = host.digests();
    let view = host.view();
    // Nodes without a checkpoint in common, because they have just started, may still stand at the same index now. A
    // state that cannot be read has no digest.
    if let Ok(index) = raft::applied_index(&view)
        && known.last().is_none_or(|(last, _)| *last < index)
    {
        known.push((index, view.digests().clone()));
    }
    drop(view);
    let told = known.into_iter().map(|(index, digests)| DigestAt {
        index,
        overall: digests.overall(),
        tables: digests.tables().map(|(prefix, table)| (prefix, table.sum)).collect(),
    });
    told.collect()
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asked {
    pub with_digests: bool,
    /// Nodes that were made before there were levels do not ask for it.
    pub with_program: bool,
}

impl Asked {
    /// As this program asks.
    pub(super) fn new(with_digests: bool) -> Asked {
        Asked { with_digests, with_program: true }
    }

    fn encode(self) -> Bytes {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(self.with_digests, DIGESTS_FLAG) | flag(self.with_program, PROGRAM_FLAG);
        Bytes::copy_from_slice(&[VERSION, flags])
    }

    pub(super) fn decode(body: &[u8]) -> Result<Asked, String> {
        match body {
            [VERSION, flags] => {
                Ok(Asked { with_digests: flags & DIGESTS_FLAG != 0, with_program: flags & PROGRAM_FLAG != 0 })
            }
            _ => {
                Err(format!("questions of version {}: this node knows {VERSION}", body.first().unwrap_or(&0)))
            }
        }
    }
}

/// A node that did not say how it is, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unanswered(pub String);

/// The last answers, each with when it came.
type Answers = BTreeMap<NodeId, (Instant, Result<Report, Unanswered>)>;

/// What was answered a moment ago.
#[derive(Default)]
pub(super) struct Cache(Mutex<Answers>);

impl Cache {
    fn lock(&self) -> MutexGuard<'_, Answers> {
        // Every critical section here is one look or one insertion.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Peers {
    /// How `node` is, with its digests, as it said within the last second; asks it otherwise, for 500 ms at most.
    ///
    /// # Errors
    /// [`Unanswered`] when it does not say, remembered for a second too.
    pub async fn status(&self, node: NodeId) -> Result<Report, Unanswered> {
        let asked = Asked::new(true);
        if node == self.node() {
            return Ok(self.0.report(asked));
        }
        if let Some((at, known)) = self.0.cache.lock().get(&node)
            && at.elapsed() < FRESH
        {
            return known.clone();
        }
        let answer = self.ask(node, asked).await;
        let mut cache = self.0.cache.lock();
        // Members come and go: what nobody asked for in a minute is of no use.
        cache.retain(|_, (at, _)| at.elapsed() < FRESH * 60);
        cache.insert(node, (Instant::now(), answer.clone()));
        answer
    }

    /// As [`Peers::status`] of all of these at the same time.
    pub async fn statuses(
        &self,
        nodes: impl IntoIterator<Item = NodeId>,
    ) -> BTreeMap<NodeId, Result<Report, Unanswered>> {
        let asked = nodes.into_iter().map(|node| async move { (node, self.status(node).await) });
        futures::future::join_all(asked).await.into_iter().collect()
    }

    /// Asks now.
    pub(super) async fn ask(&self, node: NodeId, asked: Asked) -> Result<Report, Unanswered> {
        let answer = self.call(node, kind::STATUS, asked.encode(), Instant::now() + DEADLINE).await;
        let answer = answer.map_err(|error| Unanswered(error.to_string()))?;
        Report::decode(&answer).map_err(Unanswered)
    }
}

#[cfg(test)]
mod tests {
    use shop::Levels;

    use super::{Asked, Condition, DigestAt, Program, Report};

    #[test]
    fn the_bytes_are_pinned() {
        let old = |with_digests| Asked { with_digests, with_program: false };
        assert_eq!(old(true).encode().as_ref(), [1, 1]);
        assert_eq!(Asked::decode(&[1, 0]), Ok(old(false)));
        assert_eq!(Asked::new(true).encode().as_ref(), [1, 3]);
        assert_eq!(Asked::decode(&[1, 2]), Ok(Asked::new(false)));
        assert_eq!(Asked::decode(&[1, 0xfc]), Ok(old(false)), "flags of newer programs are overlooked");
        assert!(Asked::decode(&[2, 0]).is_err() && Asked::decode(&[]).is_err());

        let report = Report {
            condition: Condition {
                version: "1".into(),
                http: "h".into(),
                draining: true,
                works: false,
                unready: vec!["u".into()],
                load_per_mille: 3,
            },
            term: 4,
            leader: Some(5),
            commit_index: 6,
            applied_index: 7,
            silence_ms: Some(8),
            digests: vec![DigestAt { index: 9, overall: 10, tables: vec![(0x20, 11)] }],
            program: Program::default(),
        };
        let bytes = report.encode(old(true)).unwrap();
        let expect = [1, 1, b'1', 1, b'h', 1, 0, 1, 1, b'u', 3, 4, 1, 5, 6, 7, 1, 8, 1, 9, 10, 1, 0x20, 11];
        assert_eq!(bytes.as_ref(), expect);
        assert_eq!(Report::decode(&bytes), Ok(report.clone()));
        assert!(Report::decode(&[3]).is_err() && Report::decode(&bytes[..9]).is_err());

        let program = Program { levels: Levels { least: 2, most: 3 }, started_ms: 12 };
        let report = Report { program, ..report };
        let bytes = report.encode(Asked::new(true)).unwrap();
        assert_eq!(bytes.as_ref(), [&[2][..], &expect[1..], &[2, 3, 12]].concat());
        assert_eq!(Report::decode(&bytes), Ok(report));
    }
}
