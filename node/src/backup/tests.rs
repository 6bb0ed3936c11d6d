//! A whole shop into a file and back, and everything that may be wrong with such a file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use net::Isolated;
use shop::broker::{CreateJob, JobKind, JobStatus, queries};
use shop::catalog::CreateCategory;
use shop::{Actor, Command, tables};
use storage::{BlobHash, BlobStore, MAX_BLOB_BYTES, MemoryEngine, Scope, Store};
use zeroize::Zeroizing;

use super::open::OpenBackup;
use super::restore::Restoring;
use super::{About, BackupError, Manifest, Moment, Passphrase, Source, Strength, create};
use crate::clock::SystemClock;
use crate::config::{Config, SHIPPED};
use crate::data_dir::DataDir;
use crate::identity::Identity;
use crate::node::node_info;
use crate::replica::Replica;
use crate::secrets::SealKey;
use crate::telemetry::Metrics;

/// Quick to compute; what it costs is not what is tested.
const LIGHT: Strength = Strength { memory_kib: 32, passes: 1, lanes: 1 };
const LIMIT: Duration = Duration::from_secs(20);

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned())).unwrap()
}

fn right() -> Passphrase {
    passphrase("correct horse battery")
}

fn about() -> About {
    About {
        cluster: "shop".to_owned(),
        cluster_id: "old".to_owned(),
        node: 3,
        active_version: 1,
        created_at: "2027-01-31T00:00:00Z".to_owned(),
    }
}

async fn open(root: &Path) -> (DataDir, Replica) {
    let directory = match DataDir::is_initialised(root) {
        true => DataDir::open(root).unwrap(),
        false => {
            let directory = DataDir::create(root).unwrap();
            directory.finish().unwrap();
            directory
        }
    };
    let (config, clock) = (Config::default(), SystemClock::start());
    let metrics = Metrics::new().unwrap();
    let replica =
        Replica::open(&config, &Identity::FIRST, &directory, Arc::new(Isolated), clock, &metrics).await;
    let replica = replica.unwrap();
    replica.bootstrap(node_info(&config)).await.unwrap();
    replica.ready(LIMIT).await.unwrap();
    (directory, replica)
}

fn category(slug: &str) -> Command {
    CreateCategory { slug: slug.parse().unwrap(), title: slug.to_owned() }.into()
}

fn write(store: &Store, seal: &SealKey, to: &Path) -> Manifest {
    let moment = Moment::of(store, |view| raft::applied_index(view)).unwrap();
    let mut file = std::fs::File::create(to).unwrap();
    create(&moment, &about(), seal, &right(), LIGHT, &mut file, "it", |_| true).unwrap()
}

fn verify(
    path: &Path,
    passphrase: &Passphrase,
    mut progress: impl FnMut(u64) -> bool,
) -> Result<Manifest, BackupError> {
    super::verify(&Source::File(path.to_path_buf()), passphrase, |read, _| progress(read))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_shop_is_the_same_shop_in_another_cluster() {
    let home = tempfile::tempdir().unwrap();
    let (old, new, file) =
        (home.path().join("old"), home.path().join("new"), home.path().join("x.shopbackup"));
    let (directory, replica) = open(&old).await;
    let seal = SealKey::create(&directory.secrets()).unwrap();
    for at in 0..300 {
        let reply = replica.proposer.run(Actor::System, category(&format!("tea-{at}"))).await.unwrap();
        assert!(reply.result.is_ok());
    }
    let job = CreateJob { kind: JobKind::Backup, node: 3, dry_run: false, total: 0 };
    replica.proposer.run(Actor::System, job.into()).await.unwrap();
    // The shop goes on selling while the file is written.
    let (store, path, key) = (replica.store.clone(), file.clone(), seal.bytes().to_owned());
    let moment = Moment::of(&store, |view| raft::applied_index(view)).unwrap();
    let digest = store.digest();
    let mut more = 0;
    let blobs = Arc::new(BlobStore::open(&directory.blobs()).unwrap());
    let images = [vec![7; MAX_BLOB_BYTES], vec![8; 70_000], vec![9]];
    for image in &images {
        blobs.put(image).unwrap();
    }
    let moment = moment.with(&blobs);
    let writing = tokio::task::spawn_blocking(move || {
        let mut out = std::fs::File::create(&path).unwrap();
        create(&moment, &about(), &seal, &right(), LIGHT, &mut out, "it", |_| true).unwrap()
    });
    while !writing.is_finished() || more == 0 {
        replica.proposer.run(Actor::System, category(&format!("later-{more}"))).await.unwrap();
        more += 1;
    }
    let manifest = writing.await.unwrap();
    assert_eq!(manifest.digest, digest.to_string());
    assert_ne!(store.digest(), digest);
    assert_eq!(verify(&file, &right(), |_| true).unwrap(), manifest);
    replica.close().await;

    let restoring = Restoring {
        from: Source::File(file),
        root: new.clone(),
        text: SHIPPED.to_owned(),
        passphrase: right(),
    };
    assert_eq!(restoring.run().await.unwrap(), manifest);
    assert_eq!(std::fs::read(new.join("secrets/seal.key")).unwrap(), key);
    let blobs = BlobStore::open(&new.join("blobs")).unwrap();
    for image in &images {
        assert_eq!(blobs.get(BlobHash::of(image)).unwrap().as_ref(), Some(image));
    }
    assert_eq!(blobs.list(None, 10).len(), images.len());
    let (_directory, replica) = open(&new).await;
    let restored = replica.store.digest();
    for (prefix, table) in digest.tables().filter(|(prefix, _)| *prefix >= 0x20) {
        // The job that was under way is ended, which is told and remembered; the machines of a cluster are its own.
        let own = [tables::NODES, tables::JOIN_TOKENS, tables::AUTHORITIES];
        let differs =
            own.contains(&prefix) || [tables::JOBS, tables::EVENTS, tables::REPLIES].contains(&prefix);
        assert!(differs || restored.table(prefix) == table, "{prefix:02x}");
    }
    assert_eq!(restored.table(tables::JOIN_TOKENS).count, 0);
    let jobs = queries::jobs(&replica.store.view().in_scope(Scope(1)), None, 10).unwrap();
    assert_eq!(jobs.items[0].1.status, JobStatus::Failed);
    // The log goes on behind the backup's index, and the shop sells.
    assert!(replica.host.status().applied_index > manifest.index);
    let again = replica.proposer.run(Actor::System, category("tea-7")).await.unwrap();
    assert_eq!(again.result.unwrap_err().code, shop::Code::AlreadyExists);
    assert!(again.index > manifest.index);
    let new_one = replica.proposer.run(Actor::System, category("later-0")).await.unwrap();
    assert!(new_one.result.is_ok());
    replica.close().await;
    drop((replica, _directory));
    let (_directory, replica) = open(&new).await;
    assert!(replica.store.scrub().unwrap().is_clean());
    replica.close().await;
}

/// As all of earlier programs are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_without_images_is_one_of_the_first_version() {
    let home = tempfile::tempdir().unwrap();
    let (old, new, file) = (home.path().join("old"), home.path().join("new"), home.path().join("x"));
    let (directory, replica) = open(&old).await;
    let seal = SealKey::create(&directory.secrets()).unwrap();
    let blobs = Arc::new(BlobStore::open(&directory.blobs()).unwrap());
    let moment = Moment::of(&replica.store, |view| raft::applied_index(view)).unwrap().with(&blobs);
    let mut out = std::fs::File::create(&file).unwrap();
    let manifest = create(&moment, &about(), &seal, &right(), LIGHT, &mut out, "it", |_| true).unwrap();
    replica.close().await;
    let from = Source::File(file);
    let mut opened = OpenBackup::open(&from, &right()).unwrap();
    assert_eq!((opened.has_images, opened.next_image().unwrap()), (false, None));
    let restoring = Restoring { from, root: new.clone(), text: SHIPPED.to_owned(), passphrase: right() };
    assert_eq!(restoring.run().await.unwrap(), manifest);
    assert_eq!(std::fs::read_dir(new.join("blobs")).unwrap().count(), 0);
}

/// A small backup, of several chunks.
fn small() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(Arc::new(MemoryEngine::new())).unwrap();
    let mut txn = store.begin();
    for at in 0..40u8 {
        use shop::broker::SettingsTable;
        let settings =
            shop::broker::Settings { store_name: "x".repeat(6_000), ..shop::broker::Settings::default() };
        txn.set_scope(Scope(at.into()));
        txn.put::<SettingsTable>(&(), &settings).unwrap();
    }
    store.commit(txn).unwrap();
    let seal = SealKey::create(home.path()).unwrap();
    let path = home.path().join("x.shopbackup");
    write(&store, &seal, &path);
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() > 3 * 65_552, "{} bytes", bytes.len());
    (home, path, bytes)
}

fn refused(path: &Path, bytes: &[u8], code: &str) {
    std::fs::write(path, bytes).unwrap();
    let error = verify(path, &right(), |_| true).expect_err("it is damaged");
    assert_eq!(error.code(), code, "{error}");
}

#[test]
fn a_wrong_passphrase_and_what_is_no_backup_are_told_apart() {
    let (_home, path, bytes) = small();
    assert!(verify(&path, &right(), |_| true).is_ok());
    let error = verify(&path, &passphrase("another passphrase"), |_| true).unwrap_err();
    assert_eq!(error.code(), "backup_passphrase");
    assert_eq!(
        Passphrase::new(Zeroizing::new("short".to_owned())).err().unwrap().code(),
        "backup_passphrase_weak"
    );
    assert_eq!(verify(&path, &right(), |_| false).unwrap_err().code(), "backup_stopped");
    let mut newer = bytes.clone();
    newer[9] = 2;
    refused(&path, &newer, "backup_version");
    refused(&path, b"PK\x03\x04 some archive", "backup_not_one");
    refused(&path, b"", "backup_not_one");
}

#[test]
fn every_flipped_bit_and_every_cut_is_noticed() {
    let (_home, path, bytes) = small();
    let head = bytes.len() % 65_552;
    for at in (10..bytes.len()).step_by(4_999).chain(10..70).chain([head, bytes.len() - 1]) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&path, &damaged).unwrap();
        let error = verify(&path, &right(), |_| true).expect_err("a bit is flipped");
        let expected = ["backup_damaged", "backup_truncated"];
        assert!(expected.contains(&error.code()), "byte {at}: {error}");
    }
    // Where a chunk ends, so that all of them are whole.
    let start = bytes.windows(65_552).len() - 1;
    let chunks = start / 65_552 + 1;
    for cut in [20, 100, bytes.len() - 65_552, bytes.len() - 1, bytes.len() - 65_600] {
        std::fs::write(&path, &bytes[..cut]).unwrap();
        let error = verify(&path, &right(), |_| true).expect_err("it is cut off");
        assert!(["backup_damaged", "backup_truncated"].contains(&error.code()), "{cut}: {error}");
    }
    assert!(chunks >= 3);
}

#[test]
fn chunks_cannot_be_left_out_moved_or_lost_at_the_end() {
    let (_home, path, bytes) = small();
    let manifest_bytes = u32::from_be_bytes([bytes[10], bytes[11], bytes[12], bytes[13]]) as usize;
    let head = 14 + manifest_bytes + 1 + 12 + 16 + 7 + 16 + 32;
    let (head, chunks) = bytes.split_at(head);
    let chunks: Vec<&[u8]> = chunks.chunks(65_552).collect();
    let with = |order: &[usize]| {
        let mut file = head.to_vec();
        order.iter().for_each(|at| file.extend_from_slice(chunks[*at]));
        file
    };
    let all: Vec<usize> = (0..chunks.len()).collect();
    assert_eq!(with(&all), bytes);
    refused(&path, &with(&all[..all.len() - 1]), "backup_truncated");
    refused(&path, &with(&all[..1]), "backup_truncated");
    refused(&path, head, "backup_damaged");
    refused(&path, &with(&[&[1, 0], &all[2..]].concat()), "backup_damaged");
    refused(&path, &with(&[&[0], &all[2..]].concat()), "backup_damaged");
    refused(&path, &with(&[&all[..], &all[1..]].concat()), "backup_damaged");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_cannot_be_used_leaves_no_node() {
    let (home, path, bytes) = small();
    let restore = async |passphrase| {
        let root = home.path().join("new");
        let restoring = Restoring {
            from: Source::File(path.clone()),
            root: root.clone(),
            text: SHIPPED.to_owned(),
            passphrase,
        };
        let error = format!("{:#}", restoring.run().await.unwrap_err());
        assert!(!DataDir::is_initialised(&root));
        let _ = std::fs::remove_dir_all(root);
        error
    };
    assert!(restore(passphrase("another passphrase")).await.contains("[backup_passphrase]"));
    std::fs::write(&path, &bytes[..bytes.len() - 65_552]).unwrap();
    assert!(restore(right()).await.contains("[backup_"));
}
