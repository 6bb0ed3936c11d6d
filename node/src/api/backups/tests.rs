//! Backups over HTTP: made, listed, verified, and no way to another directory.

use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;
use shop::catalog::CreateCategory;

use crate::config::SecretFile;
use crate::gateway::testing::Bench;

fn bench() -> (tempfile::TempDir, Bench) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("passphrase");
    let mut options = std::fs::OpenOptions::new();
    let mut out = options.write(true).create_new(true).mode(0o600).open(&file).unwrap();
    std::io::Write::write_all(&mut out, b"correct horse battery\n").unwrap();
    let bench = Bench::with(|config| {
        config.backup.directory = Some(home.path().join("backups").to_string_lossy().into_owned());
        config.backup.passphrase_file = Some(SecretFile::new(file.to_string_lossy()));
        config.backup.keep = 2;
    });
    bench.run(CreateCategory { slug: "tea".parse().unwrap(), title: "Tea".to_owned() });
    (home, bench)
}

async fn ended(bench: &Bench, accepted: &Value) -> Value {
    let line = format!("GET /admin/v1/jobs/{}", accepted["id"].as_str().unwrap());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let job = bench.admin(&line, &[], "").await.expect(200);
        if job["status"] != "running" {
            return job;
        }
        assert!(Instant::now() < deadline, "{job}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_backup_is_made_listed_and_verified() {
    let (home, bench) = bench();
    let key = ["idempotency-key: once"];
    let accepted = bench.admin("POST /admin/v1/backups", &key, "").await.expect(202);
    let job = ended(&bench, &accepted).await;
    assert_eq!((&job["status"], &job["kind"]), (&"completed".into(), &"backup".into()), "{job}");
    let again = bench.admin("POST /admin/v1/backups", &key, "").await.expect(202);
    assert_eq!(again, accepted);
    let list = bench.admin("GET /admin/v1/backups", &[], "").await.expect(200);
    let (backup, data) = (&list["data"][0], list["data"].as_array().unwrap());
    assert_eq!(data.len(), 1, "repeated once, made once");
    let name = backup["name"].as_str().unwrap();
    assert!(job["detail"].as_str().unwrap().contains(name));
    let records = &backup["manifest"]["records"];
    assert_eq!((&job["progress"]["done"], &job["progress"]["total"]), (records, records), "{job}");
    assert!(backup["manifest"]["index"].as_u64().unwrap() > 0);

    let verify = format!("POST /admin/v1/backups/{name}/verify");
    let job = ended(&bench, &bench.admin(&verify, &[], "").await.expect(202)).await;
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!((&job["progress"]["done"], &job["progress"]["total"]), (records, records), "{job}");
    let file = home.path().join(format!("backups/{name}.shopbackup"));
    let mut bytes = std::fs::read(&file).unwrap();
    let last = bytes.len() - 20;
    bytes[last] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let job = ended(&bench, &bench.admin(&verify, &[], "").await.expect(202)).await;
    assert_eq!(job["status"], "failed");
    assert!(job["detail"].as_str().unwrap().starts_with("backup_damaged: "), "{job}");
}

#[tokio::test]
async fn a_request_names_no_path_and_needs_the_scope() {
    let (home, bench) = bench();
    std::fs::write(home.path().join("secret.shopbackup"), b"x").unwrap();
    for name in ["..%2Fsecret", "%2Fetc%2Fpasswd", "..", "nothing"] {
        let answer = bench.admin(&format!("POST /admin/v1/backups/{name}/verify"), &[], "").await;
        assert!([400, 404].contains(&answer.status.as_u16()), "{name}: {}", answer.text);
    }
    let answer = bench.admin("POST /admin/v1/backups", &[], r#"{"directory": "/tmp"}"#).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let (_, partner) = bench.client("backups:write");
    let authorization = format!("authorization: Bearer {partner}");
    assert_eq!(bench.call("GET /admin/v1/backups", &[&authorization], "").await.status, 403);

    let without = Bench::new();
    let refused = without.admin("POST /admin/v1/backups", &[], "").await;
    assert_eq!(refused.verdict(), (409, "backup_not_configured".to_owned()));
    let list = without.admin("GET /admin/v1/backups", &[], "").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 0);
}
