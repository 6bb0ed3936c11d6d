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

/// A node that began another log under its old id could vote twice in a term, and would forget what it has acknowledged.
#[test]
fn a_node_that_lost_its_log_does_not_begin_another() {
    type Loss = fn(&Path) -> std::io::Result<()>;
    let losses: [(&str, Loss); 4] = [
        ("wal/ is gone", |data| std::fs::remove_dir_all(data.join("wal"))),
        ("wal/ is empty, as where its disk is not mounted", |data| {
            std::fs::remove_dir_all(data.join("wal"))?;
            std::fs::create_dir(data.join("wal"))
        }),
        ("wal/log/ is gone", |data| std::fs::remove_dir_all(data.join("wal/log"))),
        ("wal/log/ and FORMAT are gone", |data| {
            std::fs::remove_dir_all(data.join("wal/log"))?;
            std::fs::remove_file(data.join("wal/FORMAT"))
        }),
    ];
    let home = stopped();
    let kept = home.path().join("kept");
    let data = home.path();
    for (what, lose) in losses {
        copy(&data.join("wal"), &kept);
        lose(data).unwrap();
        // The second start finds what the first has left.
        for _ in 0..2 {
            let advice =
                ["wal_lost", "cannot come back as itself", "shopctl member remove 1", "shopnode restore"];
            refused(&["run"], data, &advice);
        }
        assert!(!data.join("wal/log").exists(), "{what}");
        let _ = std::fs::remove_dir_all(data.join("wal"));
        std::fs::rename(&kept, data.join("wal")).unwrap();
    }
    // A log that is back is served, and one from before there were marks gets one.
    std::fs::remove_file(data.join("LOG")).unwrap();
    let node = Running::start(data);
    node.until_ready();
    assert_eq!(node.end(libc::SIGTERM).code, Some(0));
    assert_eq!(std::fs::read_to_string(data.join("LOG")).unwrap(), "shopnode-log-begun 1\n");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
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
