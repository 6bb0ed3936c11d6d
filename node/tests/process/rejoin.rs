//! A node whose files are damaged does not serve, and says what to do.

use std::path::Path;

use crate::shopnode::{Running, command, init, output};

fn stopped() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    init(home.path());
    let node = Running::start(home.path());
    node.until_ready();
    assert_eq!(node.end(libc::SIGTERM).code, Some(0));
    home
}

fn refused(arguments: &[&str], data: &Path, parts: &[&str]) {
    let done = output(command(&[arguments, &["--data", data.to_str().unwrap()]].concat()));
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    for part in parts {
        assert!(done.stderr.contains(part), "{part}: {}", done.stderr);
    }
}

#[test]
fn a_damaged_state_is_not_served_and_a_lost_log_needs_a_new_id() {
    let home = stopped();
    let data = home.path();
    let generation = std::fs::read_to_string(data.join("state/CURRENT")).unwrap();
    std::fs::remove_file(data.join("state").join(generation.trim()).join("db")).unwrap();
    refused(&["run"], data, &["shopnode rejoin --data", "restore a backup"]);
    // Alone, there is nobody to ask.
    refused(&["rejoin"], data, &["knows no other node", "shopnode restore"]);
    let peer = ["rejoin", "--peer", "2=127.0.0.1:9"];
    std::fs::remove_dir_all(data.join("wal/log")).unwrap();
    refused(&peer, data, &["cannot come back as itself", "shopctl member remove 1", "shopnode join"]);
    assert!(data.join("state").exists() && !data.join("rejoin.toml").exists());
}

#[test]
fn a_stopped_node_s_state_gets_new_files_and_is_served_from_them() {
    let home = stopped();
    let data = home.path();
    let current = || std::fs::read_to_string(data.join("state/CURRENT")).unwrap();
    let before = current();
    let done = output(command(&["compact", "--data", data.to_str().unwrap()]));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert_ne!(current(), before);
    assert!(!data.join("state").join(before.trim()).exists());
    let node = Running::start(data);
    node.until_ready();
    refused(&["compact"], data, &["another process uses"]);
    assert_eq!(node.end(libc::SIGTERM).code, Some(0));
}

#[test]
fn a_state_is_put_aside_only_for_a_copy() {
    let home = stopped();
    let data = home.path();
    let arguments = ["rejoin", "--peer", "2=127.0.0.1:9", "--data", data.to_str().unwrap()];
    let done = output(command(&arguments));
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stderr.contains("takes a copy from the others"));
    assert!(data.join("state.damaged").exists() && !data.join("state/CURRENT").exists());
    assert!(std::fs::read_to_string(data.join("rejoin.toml")).unwrap().contains("why = "));
}
