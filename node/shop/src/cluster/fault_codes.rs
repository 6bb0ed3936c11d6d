//! What can stop a node, or one of its tasks: the codes of faults, each with a page for `shopctl explain`. A fault is a matter of one
//! node's disk, files or program; the others go on.

use super::join_codes::{LocalCode, page};

/// All of them. Append only: the codes are a contract.
pub const FAULT_CODES: &[LocalCode] = &[
    page(
        "storage_io",
        "The operating system refused a file operation of the state",
        "The message names the file and the reason: look at the disk, its free space and the permissions, then start the node again. It has forgotten nothing.",
    ),
    page(
        "storage_engine",
        "The storage engine failed",
        "Look at the disk and at the kernel's log. Start the node again; if it fails again, take a fresh copy from the others with `shopnode rejoin`, or restore a backup if this node is alone.",
    ),
    page(
        "storage_corrupt",
        "Files of the state are damaged or gone",
        "The node does not serve with them. Take a fresh copy from the others with `shopnode rejoin`, or restore a backup with `shopnode restore` if this node is alone. Look at the disk before it happens to another node.",
    ),
    page(
        "storage_newer_version",
        "A record was written by a newer version of shopnode",
        "Install the version again that this node ran before; `shopctl upgrade status` says what the cluster needs.",
    ),
    page(
        "storage_newer_kind",
        "The log has an entry of a kind that this version of shopnode does not know",
        "Install the version that the other nodes run.",
    ),
    page(
        "storage_unknown_format",
        "The files of the state have a layout that this version of shopnode does not know",
        "If a newer version was stopped by force, start that one again and stop it cleanly before you go back.",
    ),
    page(
        "storage_in_use",
        "Another process has this data directory open",
        "See which one: `systemctl status shopnode`, or `fuser DIR/LOCK`. Two on one directory would destroy the data.",
    ),
    page(
        "storage_too_large",
        "A record or a frame is larger than its bound",
        "This is a defect of the program: report the message.",
    ),
    page(
        "storage_encode",
        "A value could not be brought into its stored form",
        "This is a defect of the program: report the message.",
    ),
    page(
        "storage_key_exists",
        "A record was inserted that exists",
        "This is a defect of the program, or the state is not what the log made: report the message, and take a fresh copy from the others with `shopnode rejoin`.",
    ),
    page(
        "storage_second_writer",
        "The state had two writers",
        "This is a defect of the program: report the message. Nothing was written by the second one.",
    ),
    page(
        "storage_digest_mismatch",
        "Records are not what their digests say",
        "A disk has lost or changed something. A node with others fetches a copy by itself; if this one is alone, restore a backup with `shopnode restore`.",
    ),
    page(
        "storage_export_lost",
        "A copy of the state could not be completed",
        "It is begun again by itself. If it recurs, make room on the disk: what changes during a copy is kept until it ends.",
    ),
    page(
        "storage_bad_copy",
        "A copy that arrived is not what was sent",
        "It is asked for again by itself. If it is a backup, verify it with `shopctl backup verify` and use another one.",
    ),
    page(
        "storage_too_many_exports",
        "Too many copies of the state are being read at once",
        "Wait until one is done: a backup, a node that joins, a scrub.",
    ),
    page(
        "storage_incomplete",
        "A copy ended before it was whole",
        "It is asked for again by itself. If it is a backup, it was cut off: use another one.",
    ),
    page(
        "storage_superseded",
        "The state was replaced while its files were being written anew",
        "Nothing: it begins again when the files are too large.",
    ),
    page(
        "storage_not_rebuilt",
        "New files of the state could not be written",
        "The old ones are in use and nothing has changed. Make room on the disk: compaction needs as much as the state has.",
    ),
    page(
        "storage_broken_off",
        "Work on the state was broken off",
        "Nothing has changed; repeat it when it suits.",
    ),
    page(
        "storage_no_home",
        "This state has no place in which to receive a copy",
        "This is a defect of the program: report the message.",
    ),
    page(
        "wal_failed",
        "The log could not be written or read",
        "Nothing that it had not made durable was acknowledged. Look at the disk and its free space, then start the node again.",
    ),
    page(
        "wal_format",
        "The log is damaged, or of a version that this program does not read",
        "The message says which. A newer version's log: install that version. A damaged one: this node cannot come back as itself; remove it with `shopctl member remove` and join under a new id.",
    ),
    page(
        "wal_lost",
        "This node had a log, and it is gone",
        "If its disk is not mounted, mount it. Otherwise remove the node with `shopctl member remove`, move the directory away, and join under a new id; if it was alone, restore a backup with `shopnode restore`. It must not begin a new log: it would vote twice and forget what it has acknowledged.",
    ),
    page(
        "raft_record_unreadable",
        "A record that this node keeps of the log cannot be read",
        "Take a fresh copy from the others with `shopnode rejoin`, or restore a backup if this node is alone.",
    ),
    page(
        "raft_core_stopped",
        "The replication stopped by itself",
        "The lines above it in the log have the reason. Start the node again.",
    ),
    page(
        "raft_settings_invalid",
        "Settings of the cluster contradict each other",
        "The message names them: correct the configuration file.",
    ),
    page(
        "cluster_endpoint_failed",
        "The node cannot listen for the others",
        "Check cluster.listen: the UDP port may be taken, or the address not be of this machine.",
    ),
    page(
        "raft_state_lost",
        "The state ends before the log begins",
        "Files of the state are gone, or an old copy of them was put back. Take a fresh copy from the others with `shopnode rejoin`, or restore a backup if this node is alone.",
    ),
    page(
        "raft_no_copy",
        "No other node gave this one the copy of the state that it needs",
        "Start it again when a majority of the others is up and reachable; `shopnode rejoin --peer ID=HOST:PORT` tells it where they are.",
    ),
    page(
        "active_version_unsupported",
        "The cluster computes by rules that this version of shopnode does not have",
        "Install a version that supports the cluster's active version: `shopctl upgrade status` at another node says which.",
    ),
    page(
        "raft_thread_ended",
        "A thread of the node ended unasked",
        "This is a defect of the program: report the lines above it in the log. Start the node again.",
    ),
    page(
        "certificate_expired",
        "The node's certificate has expired, and it cannot sign another",
        "A node signs a new one by itself, also after a long time off, with the authority that is in its state; this one has never had it, or has to take a copy of the state first. No other node lets it in: remove it with `shopctl member remove`, move the directory away, and join under a new id. If its clock is wrong, set that instead.",
    ),
];

#[cfg(test)]
mod tests {
    use super::FAULT_CODES;
    use crate::Code;
    use crate::cluster::JOIN_CODES;

    #[test]
    fn each_is_there_once_and_nowhere_else() {
        for (at, page) in FAULT_CODES.iter().enumerate() {
            let before = FAULT_CODES[..at].iter().chain(JOIN_CODES);
            assert!(before.into_iter().all(|other| other.code != page.code), "{}", page.code);
            assert_eq!(Code::find(page.code), None, "{}", page.code);
            assert!(!page.title.ends_with('.') && page.advice.ends_with('.'), "{}", page.code);
        }
    }
}
