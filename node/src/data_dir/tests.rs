use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{DataDir, FORMAT_FILE, PARTS, size_bytes, write_private};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

fn made() -> (tempfile::TempDir, std::path::PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("node");
    DataDir::create(&root).unwrap().finish().unwrap();
    (home, root)
}

/// Opening `root` must fail with this code.
fn refused(root: &Path, code: &str) {
    let error = DataDir::open(root).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(root.to_str().unwrap()), "{error}");
}

#[test]
fn everything_is_for_the_owner_only() {
    let (_home, root) = made();
    for part in PARTS {
        assert_eq!(mode(&root.join(part)), 0o700, "{part}");
    }
    assert_eq!(mode(&root), 0o700);
    assert_eq!(mode(&root.join(FORMAT_FILE)), 0o600);

    std::fs::set_permissions(root.join("secrets"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let _open = DataDir::open(&root).unwrap();
    assert_eq!(mode(&root.join("secrets")), 0o700);
}

#[test]
fn one_process_at_a_time() {
    let (_home, root) = made();
    let open = DataDir::open(&root).unwrap();
    refused(&root, "data_in_use");
    drop(open);
    DataDir::open(&root).unwrap();
}

#[test]
fn what_is_no_node_is_refused() {
    let home = tempfile::tempdir().unwrap();
    refused(home.path(), "data_not_initialised");
    refused(&home.path().join("nowhere"), "data_not_initialised");

    let (_home, root) = made();
    std::fs::write(root.join(FORMAT_FILE), "2\n").unwrap();
    refused(&root, "data_newer_format");
    std::fs::write(root.join(FORMAT_FILE), "one").unwrap();
    refused(&root, "data_bad_format");
}

#[test]
fn making_one_spares_what_is_there() {
    let (_home, root) = made();
    assert_eq!(DataDir::create(&root).unwrap_err().code(), "data_already_initialised");

    let photos = tempfile::tempdir().unwrap();
    std::fs::write(photos.path().join("holiday.jpg"), "x").unwrap();
    assert_eq!(DataDir::create(photos.path()).unwrap_err().code(), "data_not_empty");
    assert_eq!(photos.path().read_dir().unwrap().count(), 1);
}

#[test]
fn making_one_can_be_repeated_until_something_is_in_it() {
    let home = tempfile::tempdir().unwrap();
    drop(DataDir::create(home.path()).unwrap());
    refused(home.path(), "data_not_initialised");
    std::fs::write(home.path().join("state/db"), "x").unwrap();
    assert_eq!(DataDir::create(home.path()).unwrap_err().code(), "data_half_made");
    std::fs::remove_file(home.path().join("state/db")).unwrap();
    DataDir::create(home.path()).unwrap().finish().unwrap();
    DataDir::open(home.path()).unwrap();
}

/// `init`, `join` and `restore` begin a log on purpose; opening what is there does not.
#[test]
fn the_mark_of_a_log_stays_until_a_directory_is_made_anew() {
    let home = tempfile::tempdir().unwrap();
    let mark = DataDir::create(home.path()).unwrap().log_mark();
    assert_eq!(mark, home.path().join("LOG"));
    std::fs::write(&mark, "begun").unwrap();
    std::fs::write(home.path().join("LOG.new"), "be").unwrap();
    let made = DataDir::create(home.path()).unwrap();
    assert!(!mark.exists());
    std::fs::write(&mark, "begun").unwrap();
    made.finish().unwrap();
    drop(made);
    let _open = DataDir::open(home.path()).unwrap();
    assert!(mark.exists());
}

#[test]
fn a_private_file_is_whole_and_private() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("key");
    std::fs::write(home.path().join("key.new"), "left over, and open to everybody").unwrap();
    write_private(&path, b"one").unwrap();
    write_private(&path, b"two").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(home.path().read_dir().unwrap().count(), 1);
    assert!(write_private(&home.path().join("no/such/place"), b"x").is_err());
}

#[test]
fn sizes_add_up() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("below")).unwrap();
    std::fs::write(home.path().join("a"), [0; 10]).unwrap();
    std::fs::write(home.path().join("below/b"), [0; 5]).unwrap();
    assert_eq!(size_bytes(home.path()).unwrap(), 15);
}
