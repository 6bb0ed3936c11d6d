//! Backups in a bucket of a real S3 server (SeaweedFS), which checks every signature; the official SDK looks on.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shopnode_tests::node::{Peer, counterpart, python};
use shopnode_tests::shopctl::{Ran, shopctl};
use shopnode_tests::{Node, dev, orders, wait};

const KEY: &str = "AKIASHOPNODETEST";
const SECRET: &str = "canary/secret+of==the/bucket";
const READER: &str = "AKIASHOPNODEREAD";
const PASSPHRASE: &str = "correct horse battery staple";

/// The server, and a directory for what belongs to the test.
struct Bucket {
    _server: Peer,
    endpoint: String,
    home: tempfile::TempDir,
}

impl Bucket {
    /// Eight ports that were free may have been taken by the other test when the server comes to them: then with others.
    async fn start() -> Result<Self> {
        let mut started = Self::try_start().await;
        for _ in 0..3 {
            if started.is_ok() {
                break;
            }
            started = Self::try_start().await;
        }
        started
    }

    async fn try_start() -> Result<Self> {
        let home = tempfile::Builder::new().prefix("shopnode-test-s3-").tempdir()?;
        let ports: Vec<u16> = (0..8).map(|_| dev::free_port()).collect::<Result<_>>()?;
        let identities = json!({"identities": [
            {"name": "shop", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]},
            {"name": "reader", "credentials": [{"accessKey": READER, "secretKey": SECRET}], "actions": ["Read", "List"]},
        ]});
        std::fs::write(home.path().join("identities.json"), identities.to_string())?;
        std::fs::create_dir(home.path().join("weed"))?;
        let weed = Path::new(&python()?).with_file_name("weed");
        let names = ["master", "volume", "filer", "s3"];
        let port = |(at, name): (usize, &str)| {
            [format!("-{name}.port={}", ports[at]), format!("-{name}.port.grpc={}", ports[at + 4])]
        };
        let log = std::fs::File::create(home.path().join("weed.log"))?;
        let child = Command::new(weed)
            .args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3"])
            .args(["-volume.max=8", "-master.volumeSizeLimitMB=64", "-master.telemetry=false"])
            .args(names.into_iter().enumerate().flat_map(port))
            .arg(format!("-dir={}", home.path().join("weed").display()))
            .arg(format!("-s3.config={}", home.path().join("identities.json").display()))
            .current_dir(home.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let told = || std::fs::read_to_string(home.path().join("weed.log")).unwrap_or_default();
        let server = Peer::on_port(child, ports[3]).await.with_context(told)?;
        let bucket = Self { _server: server, endpoint: format!("http://127.0.0.1:{}", ports[3]), home };
        let made = || async { bucket.sdk(&["make", "shop"]).ok() };
        wait::until("the bucket to be made", Duration::from_secs(60), made).await?;
        Ok(bucket)
    }

    fn sdk(&self, arguments: &[&str]) -> Result<String> {
        let check = counterpart("s3_check.py");
        let run = Command::new(python()?)
            .arg(check)
            .args([&self.endpoint, KEY, SECRET])
            .args(arguments)
            .output()?;
        ensure!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        Ok(String::from_utf8(run.stdout)?.trim().to_owned())
    }

    fn objects(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.sdk(&["list", "shop"])?)?)
    }

    /// A file that only its owner reads.
    fn secret(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.home.path().join(name);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }

    fn credentials(&self, name: &str, key: &str, secret: &str) -> Result<PathBuf> {
        self.secret(
            name,
            &format!("[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"),
        )
    }

    async fn node(&self, credentials: &Path, passphrase: &Path) -> Result<Node> {
        Node::start(&[
            ("SHOPNODE_BACKUP__S3__URL", "s3://shop/nightly".to_owned()),
            ("SHOPNODE_BACKUP__S3__ENDPOINT", self.endpoint.clone()),
            ("SHOPNODE_BACKUP__S3__CREDENTIALS_FILE", credentials.display().to_string()),
            ("SHOPNODE_BACKUP__PASSPHRASE_FILE", passphrase.display().to_string()),
            ("SHOPNODE_BACKUP__KEEP", "2".to_owned()),
        ])
        .await
    }

    fn restore(&self, from: &str, to: &Path, credentials: &Path, passphrase: &Path) -> Result<Output> {
        let run = Command::new(dev::binary("shopnode")?)
            .args([
                "restore",
                "--from",
                &format!("s3://shop/{from}"),
                "--s3-endpoint",
                &self.endpoint,
                "--data",
            ])
            .arg(to)
            .arg("--s3-credentials-file")
            .arg(credentials)
            .arg("--passphrase-file")
            .arg(passphrase)
            .output()?;
        Ok(run)
    }
}

/// The operator of a node.
fn operate(node: &Node, arguments: &[&str]) -> Result<Ran> {
    let token = node.api.token().context("the admin's key")?;
    let all = [&["--server", &node.url, "-o", "json"], arguments].concat();
    shopctl(&[("SHOPCTL_TOKEN", Path::new(token))], &all, "")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_is_backed_up_to_a_bucket_and_restored_from_it() -> Result<()> {
    let bucket = Bucket::start().await?;
    let credentials = bucket.credentials("right", KEY, SECRET)?;
    let passphrase = bucket.secret("passphrase", PASSPHRASE)?;
    let node = bucket.node(&credentials, &passphrase).await?;
    orders::sell(&node.api, "TEA-1", 5).await?;

    for _ in 0..3 {
        let job = operate(&node, &["backup", "create"])?.json()?;
        assert_eq!(job["status"], "completed", "{job:#}");
    }
    let listed = operate(&node, &["backup", "list"])?.json()?;
    let names: Vec<&str> =
        listed["data"].as_array().context("list")?.iter().filter_map(|it| it["name"].as_str()).collect();
    assert!(names.len() == 2 && names[0] > names[1], "the newest two, newest first: {listed:#}");
    let newest = &listed["data"][0];
    let key = format!("nightly/{}.shopbackup", names[0]);
    assert_eq!(bucket.objects()?[&key], newest["bytes"]);
    assert_eq!(bucket.sdk(&["uploads", "shop"])?, "0");
    let verified = operate(&node, &["backup", "verify", names[0]])?.json()?;
    assert_eq!(verified["status"], "completed", "{verified:#}");

    let data = bucket.home.path().join("restored");
    let restored = bucket.restore(&key, &data, &credentials, &passphrase)?;
    let told = String::from_utf8_lossy(&restored.stderr);
    assert!(restored.status.success(), "{told}");
    let records = newest["manifest"]["records"].to_string();
    assert!(told.contains(&format!("restored {records} records")), "{told}");

    // One that lost its end is told from a whole one, by both.
    bucket.sdk(&["cut", "shop", &key, "10"])?;
    let failed = operate(&node, &["backup", "verify", names[0]])?.ended(1)?;
    assert!(
        failed.stderr.contains("backup_damaged") || failed.stderr.contains("backup_truncated"),
        "{failed:#?}"
    );
    let data = bucket.home.path().join("cut");
    let refused = bucket.restore(&key, &data, &credentials, &passphrase)?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(!data.join("FORMAT").exists(), "half a shop is no node");

    let seen = node.output() + &told + &String::from_utf8_lossy(&refused.stderr);
    assert!(!seen.contains(SECRET) && !seen.contains(PASSPHRASE), "{seen}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_bucket_refuses_is_told_with_its_cure() -> Result<()> {
    let bucket = Bucket::start().await?;
    let passphrase = bucket.secret("passphrase", PASSPHRASE)?;
    let wrong = bucket.credentials("wrong", KEY, "another/secret")?;
    let restored = |from: &str, credentials: &Path| -> Result<String> {
        let run = bucket.restore(from, &bucket.home.path().join("new"), credentials, &passphrase)?;
        ensure!(run.status.code() == Some(1), "{run:?}");
        Ok(String::from_utf8(run.stderr)?)
    };
    let told = restored("x.shopbackup", &wrong)?;
    assert!(told.contains("[backup_bucket_credentials]") && told.contains("SignatureDoesNotMatch"), "{told}");
    let right = bucket.credentials("right", KEY, SECRET)?;
    let told = restored("x.shopbackup", &right)?;
    assert!(told.contains("[backup_unknown]"), "{told}");

    // Who may only read makes no backup, and nothing of it is left.
    let reader = bucket.credentials("reader", READER, SECRET)?;
    let node = bucket.node(&reader, &passphrase).await?;
    let failed = operate(&node, &["backup", "create"])?.ended(1)?;
    assert!(failed.stderr.contains("backup_bucket_denied"), "{failed:#?}");
    assert_eq!(bucket.objects()?, json!({}));

    // A file that others can read is no secret.
    let open = bucket.home.path().join("open");
    std::fs::copy(&right, &open)?;
    std::fs::set_permissions(&open, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    let told = restored("x.shopbackup", &open)?;
    assert!(told.contains("[backup_credentials_unreadable]") && told.contains("chmod 600"), "{told}");
    Ok(())
}
