//! A node as an admin sets it up: `shopnode init`, then `shopnode run`, configured by environment variables.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::api::Api;
use crate::dev::{binary, free_port};
use crate::wait;

/// A running node with a directory of its own; ended and removed when dropped.
pub struct Node {
    child: Child,
    pub api: Api,
    pub url: String,
    pub dir: tempfile::TempDir,
}

impl Node {
    /// `environment` overrides configuration keys: `("SHOPNODE_MAIL__SMTP_URL", …)`. `prepare` may put files, such as
    /// secrets, into the directory first.
    pub async fn start(environment: &[(&str, String)]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("shopnode-test-").tempdir()?;
        let data = dir.path().join("data");
        let http = format!("127.0.0.1:{}", free_port()?);
        let made = Command::new(binary("shopnode")?)
            .arg("init")
            .arg("--data")
            .arg(&data)
            .args(["--http", &http, "--cluster", &format!("127.0.0.1:{}", free_port()?)])
            .stdin(Stdio::null())
            .output()?;
        let told = String::from_utf8_lossy(&made.stdout).into_owned();
        anyhow::ensure!(made.status.success(), "init: {told}{}", String::from_utf8_lossy(&made.stderr));
        let key = told
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .find(|word| word.starts_with("sk_"))
            .with_context(|| format!("init prints no admin key: {told}"))?
            .to_owned();
        let log = std::fs::File::create(dir.path().join("test-output.log"))?;
        let child = Command::new(binary("shopnode")?)
            .arg("run")
            .arg("--data")
            .arg(&data)
            .envs(environment.iter().map(|(name, value)| (*name, value.as_str())))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let url = format!("http://{http}");
        let node = Self { child, api: Api::new(&url, Some(&key))?, url, dir };
        let api = node.api.with_token(None);
        wait::until("the node to be ready", Duration::from_secs(60), || async {
            api.get("/readyz").await.ok().filter(|answer| answer.status == 200)
        })
        .await
        .with_context(|| node.output())?;
        Ok(node)
    }

    pub fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("test-output.log")).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that serves a port of this machine; ended when dropped.
pub struct Peer {
    pub child: Child,
}

impl Peer {
    /// Waits until the port answers.
    pub async fn on_port(child: Child, port: u16) -> Result<Self> {
        let mut peer = Self { child };
        for _ in 0..3_000 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(peer);
            }
            if let Some(status) = peer.child.try_wait()? {
                anyhow::bail!("the counterpart ended by itself: {status}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("the counterpart does not answer on port {port}")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python that `./tests/run` prepared, with the counterparts' packages.
pub fn python() -> Result<String> {
    std::env::var("SHOPNODE_TEST_PYTHON")
        .context("run `./tests/run counterpart`: it installs the counterparts")
}

/// A script or file beside the tests.
pub fn counterpart(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("counterparts").join(name)
}
