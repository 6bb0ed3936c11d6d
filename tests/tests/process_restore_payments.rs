//! A restored shop moves no money again that the shop before it moved after the backup, also when the processor has
//! forgotten the keys of those calls. The processor's own ledger is the judge.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use shopnode_tests::node::Peer;
use shopnode_tests::processor::{self, control, did};
use shopnode_tests::{Api, Dev, dev, orders, wait};

const WORKERS: &str = "SHOPNODE_WORKERS__ENABLED";

/// A shop that can be backed up, with 10 units of TEA-1.
struct Old {
    dev: Dev,
    home: tempfile::TempDir,
}

/// The shop that was made of a backup, with the same processor.
struct New {
    api: Api,
    _node: Peer,
    log: PathBuf,
}

impl Old {
    async fn new() -> Result<Self> {
        let home = tempfile::Builder::new().prefix("shopnode-test-").tempdir()?;
        let passphrase = home.path().join("passphrase");
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&passphrase)?;
        file.write_all(b"correct horse battery staple\n")?;
        let directory = home.path().join("backups");
        let dev = Dev::empty_with(&[
            ("SHOPNODE_BACKUP__DIRECTORY", &directory.display().to_string()),
            ("SHOPNODE_BACKUP__PASSPHRASE_FILE", &passphrase.display().to_string()),
        ])
        .await?;
        orders::sell(&dev.admin(), "TEA-1", 10).await?;
        control(&dev, &json!({"webhooks": {"mode": "off"}})).await?;
        Ok(Self { dev, home })
    }

    /// Two units, 19.98 EUR; the order's id and its payment's.
    async fn place(&self) -> Result<(String, String)> {
        let body = orders::order("TEA-1", 2, "sandbox", "card_ok");
        let placed = self.dev.admin().post("/store/v1/orders", &body).await?.expect(201)?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("an id");
        Ok((text(&placed["id"])?, text(&placed["payment_attempt"]["id"])?))
    }

    async fn again(&mut self, workers: bool) -> Result<()> {
        self.dev.kill_node().await?;
        self.dev.set_environment(WORKERS, if workers { "true" } else { "false" });
        self.dev.run_node().await
    }

    async fn back_up(&self) -> Result<PathBuf> {
        let admin = self.dev.admin();
        let job = admin.post("/admin/v1/backups", &json!({})).await?.expect(202)?;
        let path = format!("/admin/v1/jobs/{}", job["id"].as_str().context("a job's id")?);
        let ended = wait::until("the backup to be made", Duration::from_secs(60), || async {
            admin.get(&path).await.ok().map(|answer| answer.json()).filter(|job| job["status"] != "running")
        });
        let ended = ended.await?;
        ensure!(ended["status"] == "completed", "{ended:#}");
        let made = std::fs::read_dir(self.home.path().join("backups"))?.next().context("no backup")??;
        Ok(made.path())
    }

    async fn restore(&self, backup: &Path) -> Result<New> {
        let (data, port) = (self.home.path().join("new"), dev::free_port()?);
        let made = Command::new(dev::binary("shopnode")?)
            .arg("restore")
            .arg("--from")
            .arg(backup)
            .arg("--data")
            .arg(&data)
            .arg("--passphrase-file")
            .arg(self.home.path().join("passphrase"))
            .args(["--http", &format!("127.0.0.1:{port}")])
            .args(["--cluster", &format!("127.0.0.1:{}", dev::free_port()?)])
            .output()?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let log = self.home.path().join("new.log");
        let out = std::fs::File::create(&log)?;
        let secret = |name: &str| self.dev.home().join("secrets").join(name);
        let child = Command::new(dev::binary("shopnode")?)
            .arg("run")
            .arg("--data")
            .arg(&data)
            .env("SHOPNODE_PAYMENTS__SANDBOX__ENABLED", "true")
            .env("SHOPNODE_PAYMENTS__SANDBOX__BASE_URL", &self.dev.file.sandbox)
            .env("SHOPNODE_PAYMENTS__SANDBOX__KEY_FILE", secret("sandbox-key"))
            .env("SHOPNODE_PAYMENTS__SANDBOX__WEBHOOK_SECRET_FILE", secret("sandbox-webhook"))
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()?;
        let node = Peer::on_port(child, port).await?;
        let api = self.dev.admin().to(&format!("http://127.0.0.1:{port}"), Some(&self.dev.file.admin_token));
        Ok(New { api, _node: node, log })
    }
}

impl New {
    async fn attempt_is(&self, order: &str, status: &str) -> Result<()> {
        let what = format!("a payment that is {status}");
        let path = format!("/admin/v1/orders/{order}");
        let seen = wait::until(&what, Duration::from_secs(60), || async {
            let view = self.api.get(&path).await.ok()?.json();
            (view["payment_attempt"]["status"] == status).then_some(())
        });
        seen.await.with_context(|| std::fs::read_to_string(&self.log).unwrap_or_default())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_after_the_backup_is_found_and_not_done_again() -> Result<()> {
    let mut old = Old::new().await?;
    let (paid, paid_payment) = old.place().await?;
    orders::settled(&old.dev.admin(), &paid, "open", "paid").await?;
    // The backup has a payment and a refund that were not sent yet.
    old.again(false).await?;
    let (created, _) = old.place().await?;
    let refund = json!({"amount": {"amount": 500, "currency": "EUR"}});
    let path = format!("/admin/v1/payments/{paid_payment}/refunds");
    let asked = old.dev.admin().post(&path, &refund).await?;
    ensure!(matches!(asked.status, 201 | 202), "{}", asked.text);
    let backup = old.back_up().await?;
    old.again(true).await?;
    orders::settled(&old.dev.admin(), &created, "open", "paid").await?;
    processor::has_done(&old.dev, &paid, "refund").await?;
    old.dev.kill_node().await?;

    // Days later: the keys are forgotten. While the processor says nothing, nothing is sent.
    let reads_fail =
        json!({"forget_keys": true, "faults": [{"fault": "error_before", "on": "read", "times": 10_000}]});
    control(&old.dev, &reads_fail).await?;
    let new = old.restore(&backup).await?;
    new.attempt_is(&created, "unknown").await?;
    did(&old.dev, &created, &["charge 1998"]).await?;

    control(&old.dev, &json!({"clear_faults": true})).await?;
    new.attempt_is(&created, "captured").await?;
    orders::settled(&new.api, &created, "open", "paid").await?;
    orders::settled(&new.api, &paid, "open", "partially_refunded").await?;
    did(&old.dev, &created, &["charge 1998"]).await?;
    did(&old.dev, &paid, &["charge 1998", "refund 500"]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_sent_is_sent_once() -> Result<()> {
    let mut old = Old::new().await?;
    old.again(false).await?;
    let (order, _) = old.place().await?;
    let backup = old.back_up().await?;
    old.dev.kill_node().await?;
    did(&old.dev, &order, &[]).await?;
    let new = old.restore(&backup).await?;
    new.attempt_is(&order, "captured").await?;
    did(&old.dev, &order, &["charge 1998"]).await?;
    Ok(())
}
