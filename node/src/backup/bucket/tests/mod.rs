//! Backups in a bucket whose server and whose wire fail.

mod server;
mod wire;

use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use server::{Fault, Server};

use super::{Bucket, Patience};
use crate::backup::error::BackupError;
use crate::backup::name::Name;
use crate::backup::shelf::Shelf;
use crate::config::{S3, SecretFile};

const CREDENTIALS: &str = "aws_access_key_id = AKIA1\naws_secret_access_key = canary\n";
const MIB: usize = 1024 * 1024;

fn settings(home: &Path, endpoint: &str) -> S3 {
    let file = home.join("credentials");
    if !file.exists() {
        let mut options = std::fs::OpenOptions::new();
        let mut out = options.write(true).create_new(true).mode(0o600).open(&file).unwrap();
        std::io::Write::write_all(&mut out, CREDENTIALS.as_bytes()).unwrap();
    }
    S3 {
        url: Some("s3://shop/nightly".parse().unwrap()),
        endpoint: Some(endpoint.parse().unwrap()),
        credentials_file: Some(SecretFile::new(file.to_string_lossy())),
        ..S3::default()
    }
}

fn bucket(settings: &S3) -> Bucket {
    Bucket::open(settings.url.as_ref().unwrap(), settings, Patience::Request).unwrap()
}

fn at(port: u16) -> (tempfile::TempDir, Bucket) {
    let home = tempfile::tempdir().unwrap();
    let bucket = bucket(&settings(home.path(), &format!("http://127.0.0.1:{port}")));
    (home, bucket)
}

fn name(index: u64) -> Name {
    Name::fresh("2027-01-31T10:20:30Z", index)
}

/// Bytes of which no two parts are alike.
fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| ((at / 7) ^ (at / 4_099)) as u8).collect()
}

/// As a backup is written: in pieces.
fn add(bucket: &Bucket, name: &Name, bytes: &[u8]) -> Result<(), BackupError> {
    bucket.add(name, |out, what| {
        bytes
            .chunks(65_552)
            .try_for_each(|piece| out.write_all(piece))
            .map_err(BackupError::io("write", what))
    })
}

async fn off<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test]
async fn an_object_appears_whole_and_is_read_back_in_ranges() {
    let (server, port) = Server::start().await;
    let (_home, bucket) = at(port);
    off(move || {
        let wanted = bytes(40 * MIB + 5);
        add(&bucket, &name(7), &wanted).unwrap();
        let calls = std::mem::take(&mut server.stored().calls);
        assert_eq!(calls.iter().filter(|kind| *kind == "part").count(), 3);
        let mut read = Vec::new();
        bucket.find(&name(7)).unwrap().download().unwrap().read_to_end(&mut read).unwrap();
        assert!(read == wanted);
        assert_eq!(server.stored().calls.iter().filter(|kind| *kind == "get").count(), 6);
        assert_eq!(bucket.find(&name(8)).err().unwrap().code(), "backup_unknown");

        // What ends before its end is not seen, and its parts go.
        let failed = bucket.add(&name(8), |out, _| {
            out.write_all(&wanted).unwrap();
            Err::<(), _>(BackupError::Stopped)
        });
        assert_eq!(failed.unwrap_err().code(), "backup_stopped");
        assert!(server.stored().uploads.is_empty());
        assert_eq!(server.stored().objects.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn lists_have_pages_and_old_backups_go() {
    let (server, port) = Server::start().await;
    let (_home, bucket) = at(port);
    off(move || {
        for index in 1..=5 {
            add(&bucket, &name(index), b"x").unwrap();
        }
        for other in
            ["nightly/deeper/20270131t102030z-000000000009.shopbackup", "nightly/notes.txt", "nightlyx"]
        {
            server.stored().objects.insert(other.to_owned(), "x".into());
        }
        let shelf = Shelf::bucket(bucket);
        shelf.check().unwrap();
        let names = |before: Option<&Name>| -> Vec<Name> {
            shelf.list(before, 2).unwrap().into_iter().map(|shelved| shelved.name).collect()
        };
        assert_eq!(names(None), [name(5), name(4)]);
        assert_eq!(names(Some(&name(4))), [name(3), name(2)]);
        assert_eq!(shelf.prune(2).unwrap(), 3);
        assert_eq!(names(Some(&name(5))), [name(4)]);
        assert_eq!(server.stored().objects.len(), 5);
    })
    .await;
}

#[tokio::test]
async fn what_fails_for_a_while_is_tried_again() {
    let (server, port) = Server::start().await;
    let cut = wire::breaking_once(port, 20 * MIB as u64).await;
    let (_home, bucket) = at(cut);
    off(move || {
        for kind in ["begin", "part", "complete", "list", "get"] {
            server.fail(kind, 1, 503, "SlowDown");
        }
        let wanted = bytes(33 * MIB);
        add(&bucket, &name(1), &wanted).unwrap();
        // The third part was sent again, after a fault and after the wire broke in its middle.
        let parts = server.stored().calls.iter().filter(|kind| *kind == "part").count();
        assert!(parts >= 4, "{parts}");
        assert_eq!(bucket.all().unwrap().len(), 1);
        let mut read = Vec::new();
        bucket.find(&name(1)).unwrap().download().unwrap().read_to_end(&mut read).unwrap();
        assert!(read == wanted);

        // It was completed, and the answer said that it was not.
        let fault =
            Fault { kind: "complete", times: 1, status: 500, code: "InternalError", done_all_the_same: true };
        server.stored().faults.push(fault);
        add(&bucket, &name(2), b"x").unwrap();
        assert_eq!(bucket.all().unwrap().len(), 2);
    })
    .await;
}

#[tokio::test]
async fn what_fails_for_good_leaves_nothing_and_says_why() {
    let (server, port) = Server::start().await;
    let (home, bucket) = at(port);
    off(move || {
        for kind in ["part", "complete"] {
            server.fail(kind, 100, 503, "SlowDown");
            let error = add(&bucket, &name(1), &bytes(17 * MIB)).unwrap_err();
            assert_eq!(error.code(), "backup_bucket_busy", "{error}");
            assert!(!format!("{error} {error:?}").contains("canary"));
            server.stored().faults.clear();
            assert!(server.stored().uploads.is_empty() && server.stored().objects.is_empty());
        }
        for (code, status, expect) in [
            ("AccessDenied", 403, "backup_bucket_denied"),
            ("InvalidAccessKeyId", 403, "backup_bucket_credentials"),
            ("RequestTimeTooSkewed", 403, "backup_bucket_clock"),
            ("AuthorizationHeaderMalformed", 400, "backup_bucket_region"),
        ] {
            server.fail("list", 1, status, code);
            assert_eq!(bucket.check().unwrap_err().code(), expect);
        }
        bucket.check().unwrap();

        let mut elsewhere = settings(home.path(), &format!("http://127.0.0.1:{port}"));
        elsewhere.url = Some("s3://nowhere".parse().unwrap());
        assert_eq!(super::tests::bucket(&elsewhere).check().unwrap_err().code(), "backup_bucket_unknown");
        elsewhere.endpoint = Some("http://127.0.0.1:1".parse().unwrap());
        assert_eq!(super::tests::bucket(&elsewhere).check().unwrap_err().code(), "backup_bucket_unreachable");
    })
    .await;
}

#[tokio::test]
async fn an_object_that_changes_while_it_is_read_is_not_read_on() {
    let (server, port) = Server::start().await;
    let (_home, bucket) = at(port);
    off(move || {
        add(&bucket, &name(1), &bytes(MIB)).unwrap();
        let mut download = bucket.find(&name(1)).unwrap().download().unwrap();
        add(&bucket, &name(1), &bytes(MIB - 1)).unwrap();
        let error = download.read_to_end(&mut Vec::new()).map_err(BackupError::io("read", "it")).unwrap_err();
        assert_eq!(error.code(), "backup_bucket_changed", "{error}");
        drop(server);
    })
    .await;
}

#[tokio::test]
async fn only_a_server_with_a_trusted_certificate_is_talked_to() {
    let (server, port) = Server::start().await;
    let (port, authority) = wire::tls(port).await;
    let home = tempfile::tempdir().unwrap();
    let mut settings = settings(home.path(), &format!("https://localhost:{port}"));
    off(move || {
        let error = bucket(&settings).check().unwrap_err();
        assert_eq!(error.code(), "backup_bucket_tls", "{error}");
        assert!(server.stored().calls.is_empty());
        let file = home.path().join("ca.pem");
        std::fs::write(&file, "nothing\n").unwrap();
        settings.ca_file = Some(file.to_string_lossy().into_owned());
        let refused = Bucket::open(settings.url.as_ref().unwrap(), &settings, Patience::Request);
        assert_eq!(refused.unwrap_err().code(), "backup_io");
        std::fs::write(&file, authority).unwrap();
        add(&bucket(&settings), &name(1), b"x").unwrap();
        assert_eq!(server.stored().objects.len(), 1);
    })
    .await;
}
