//! How a node whose state is wrong, damaged or lost comes back as itself.
//!
//! ```text
//! DIR/rejoin.toml   why = "..."                      there while the node needs a copy; `run` takes it before it serves
//! DIR/peers.toml    2 = "10.0.0.2:7080"              where the others were when this node last ran (`peers_file`)
//! state.damaged/    the state that was put aside, until the copy is there
//! ```
//!
//! What may be fetched again is `state/` alone, and only while `wal/` is whole: the log has this node's vote and what it
//! has acknowledged, and the others count on both. Without it the node must join anew, under a new id.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use raft::Refetch;
use serde::{Deserialize, Serialize};

use crate::cli::RejoinArguments;
use crate::data_dir::{DataDir, DataDirError, write_private};
use crate::enrolment::Expired;
use crate::identity::Identity;
use crate::peers_file::PeersFile;
use crate::replica::ReplicaError;

const REQUEST: &str = "rejoin.toml";
const DAMAGED: &str = "state.damaged";
/// How long a start looks for a leader that gives a copy.
const LIMIT: Duration = Duration::from_secs(600);

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    why: String,
}

/// Notes that this node needs a fresh copy of the state before it serves again.
///
/// # Errors
/// When the note cannot be made durable.
pub fn request(root: &Path, why: &str) -> Result<(), DataDirError> {
    let text = toml::to_string(&Request { why: why.to_owned() }).unwrap_or_default();
    write_private(&root.join(REQUEST), text.as_bytes())
}

/// Whether this node needs a copy before it takes part.
pub fn is_requested(root: &Path) -> bool {
    root.join(REQUEST).exists()
}

/// What to ask for before this node takes part, if it needs a copy.
///
/// # Errors
/// When it does and does not know where the others are.
pub fn pending(root: &Path) -> Result<Option<Refetch>> {
    let file = root.join(REQUEST);
    let Ok(text) = std::fs::read_to_string(&file) else { return Ok(None) };
    let why = toml::from_str::<Request>(&text).map(|request| request.why).unwrap_or_default();
    let peers = PeersFile::within(root).read();
    if peers.is_empty() {
        bail!(
            "this node needs a copy of the state ({why}) and knows no other node; restore a backup instead"
        );
    }
    tracing::warn!(%why, peers = peers.len(), "this node takes a copy of the leader's state before it serves");
    Ok(Some(Refetch { peers: peers.into_iter().collect(), limit: LIMIT }))
}

/// The copy is there: forgets that it was needed, and what was put aside.
///
/// # Errors
/// When the note cannot be removed.
pub fn done(root: &Path) -> Result<(), DataDirError> {
    remove(&root.join(REQUEST), |path| std::fs::remove_file(path))?;
    remove(&root.join(DAMAGED), |path| std::fs::remove_dir_all(path))
}

fn remove(path: &Path, how: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<(), DataDirError> {
    match how(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(DataDirError::Io { action: "remove", path: path.to_path_buf(), source })
        }
        _ => Ok(()),
    }
}

/// What failed, and what the operator can do about it.
pub fn advice(error: &ReplicaError, node: u64, root: &Path) -> String {
    if error.is_log_lost() {
        return format!(
            "the log in {} is gone. {}; if it was alone, restore a backup (`shopnode restore`)",
            root.display(),
            without_log(node, root)
        );
    }
    let root = root.display();
    if error.is_damage() {
        format!(
            "cannot open the state in {root}: take a fresh copy from the other nodes with `shopnode rejoin --data {root}`, or \
             restore a backup if this node is alone"
        )
    } else {
        format!("cannot open the state in {root}")
    }
}

/// Why a node without its log is lost, and how its machine becomes another node.
fn without_log(node: u64, root: &Path) -> String {
    format!(
        "The log has this node's vote, so that without it node {node} cannot come back as itself: {}",
        as_another(node, root)
    )
}

/// What to do about a node whose certificate has expired and that cannot sign another: nothing that it lacks reaches it.
pub fn without_certificate(expired: Expired, node: u64, root: &Path) -> String {
    format!(
        "the certificate of node {node} expired on {} and its state has no authority to sign another with, so that no other node lets it \
         in: {} [certificate_expired]",
        expired.at,
        as_another(node, root)
    )
}

/// How the machine of a lost node becomes another one.
fn as_another(node: u64, root: &Path) -> String {
    format!(
        "remove it (`shopctl member remove {node}` at another node), move {} away, and join under a new id \
         (`shopctl token create`, then `shopnode join`)",
        root.display()
    )
}

/// `shopnode rejoin`: puts a damaged state aside, so that the next `run` takes a copy from the others.
///
/// # Errors
/// When the log is damaged too, so that this node cannot come back as itself, or nobody is known to ask.
pub fn rejoin(arguments: &RejoinArguments) -> Result<()> {
    let root = &arguments.data;
    let directory = DataDir::open(root)?;
    let node = Identity::load(root)?.node;
    if let Err(fault) = raft::check_log(&directory.wal()) {
        bail!("{fault} [{}]. {}", fault.code(), without_log(node, root));
    }
    if !arguments.peers.is_empty() {
        PeersFile::within(root).write(&arguments.peers.iter().cloned().collect())?;
    }
    if PeersFile::within(root).read().is_empty() {
        bail!(
            "this node knows no other node that could give it a copy: name them with --peer ID=HOST:PORT, or restore a \
             backup (`shopnode restore`) if it was alone"
        );
    }
    request(root, "asked for by `shopnode rejoin`")?;
    put_aside(&directory.state(), &root.join(DAMAGED))?;
    eprintln!(
        "the state of node {node} is put aside; `shopnode run --data {}` takes a copy from the others",
        root.display()
    );
    Ok(())
}

/// An earlier one that was put aside is of no more use.
fn put_aside(state: &Path, aside: &PathBuf) -> Result<()> {
    remove(aside, |path| std::fs::remove_dir_all(path))?;
    std::fs::rename(state, aside).with_context(|| format!("cannot move {}", state.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{DAMAGED, PeersFile, done, pending, request};

    #[test]
    fn a_request_lasts_until_it_is_done() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path();
        assert_eq!(pending(root).unwrap(), None);
        request(root, "tests \"say\" so").unwrap();
        assert!(pending(root).unwrap_err().to_string().contains("knows no other node"));
        let others = BTreeMap::from([(2, "127.0.0.1:7".to_owned())]);
        PeersFile::within(root).write(&others).unwrap();
        assert_eq!(pending(root).unwrap().unwrap().peers, [(2, "127.0.0.1:7".to_owned())]);
        std::fs::create_dir(root.join(DAMAGED)).unwrap();
        done(root).unwrap();
        assert_eq!(pending(root).unwrap(), None);
        assert!(!root.join(DAMAGED).exists());
        done(root).unwrap();
    }
}
