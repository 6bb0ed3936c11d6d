//! A `shopnode dev` of a test's own: a free port, a temporary directory, ended and removed when dropped.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::api::Api;
use crate::wait;

/// Where the harness keeps standard error and standard output.
const LOG: &str = "test-stderr.log";
const TOLD: &str = "test-stdout.log";

/// What `dev` writes to `dev.json`.
#[derive(Debug, Clone, Deserialize)]
pub struct DevFile {
    pub admin_token: String,
    pub nodes: Vec<NodeEntry>,
    /// The sandbox card processor's base URL.
    pub sandbox: String,
    /// The mail catcher's base URL.
    pub mail: String,
    /// The base URL of the catcher of text messages.
    pub sms: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct NodeEntry {
    pub id: u64,
    pub http: String,
    pub pid: i32,
    pub data: PathBuf,
}

/// A running shop.
pub struct Dev {
    parent: Child,
    /// Nodes that the test itself started again with `shopnode run`, by their place in `file.nodes`.
    restarted: BTreeMap<usize, Child>,
    /// Overrides of configuration keys, for every node that is started.
    environment: Vec<(String, String)>,
    http: Api,
    pub file: DevFile,
    pub dir: tempfile::TempDir,
}

/// Where the build put the program.
pub fn binary(name: &str) -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let profile = test.parent().and_then(Path::parent).context("a test lives in target/PROFILE/deps")?;
    let path = profile.join(name);
    anyhow::ensure!(path.exists(), "{} is not built: run ./tests/run, or build it first", path.display());
    Ok(path)
}

/// A port that was free a moment ago.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The first of so many ports in a row that were free a moment ago.
fn free_ports(count: u16) -> Result<u16> {
    for _ in 0..100 {
        let first = free_port()?;
        let is_free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (first..first.saturating_add(count)).all(is_free) {
            return Ok(first);
        }
    }
    anyhow::bail!("no {count} ports in a row are free")
}

impl Dev {
    /// A shop with the demo's catalogue and customers.
    pub async fn with_demo() -> Result<Self> {
        Self::start(1, &[], &[]).await
    }

    /// An empty shop.
    pub async fn empty() -> Result<Self> {
        Self::start(1, &["--no-demo"], &[]).await
    }

    /// An empty shop of several nodes.
    pub async fn cluster(nodes: u16, environment: &[(&str, &str)]) -> Result<Self> {
        Self::start(nodes, &["--no-demo"], environment).await
    }

    /// An empty shop with configuration keys overridden: `("SHOPNODE_PAYMENTS__TIMEOUT_MS", "1000")`.
    pub async fn empty_with(environment: &[(&str, &str)]) -> Result<Self> {
        Self::start(1, &["--no-demo"], environment).await
    }

    async fn start(nodes: u16, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("shopnode-test-").tempdir()?;
        let log = std::fs::File::create(dir.path().join(LOG))?;
        let told = std::fs::File::create(dir.path().join(TOLD))?;
        let data = dir.path().join("dev");
        let parent = Command::new(binary("shopnode")?)
            .arg("dev")
            .args(["--http", &format!("127.0.0.1:{}", free_ports(nodes)?)])
            .args(["--nodes", &nodes.to_string()])
            .arg("--data")
            .arg(&data)
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(told)
            .stderr(log)
            .spawn()
            .context("shopnode dev does not start")?;
        let mut dev = Self {
            parent,
            restarted: BTreeMap::new(),
            environment: environment
                .iter()
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect(),
            http: Api::new("", None)?,
            file: DevFile {
                admin_token: String::new(),
                nodes: Vec::new(),
                sandbox: String::new(),
                mail: String::new(),
                sms: String::new(),
            },
            dir,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        let path = data.join("dev.json");
        while !path.exists() {
            if dev.parent.try_wait()?.is_some() || Instant::now() > deadline {
                anyhow::bail!("shopnode dev did not become ready:\n{}", dev.output());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        dev.file = serde_json::from_slice(&std::fs::read(&path)?).context("dev.json")?;
        Ok(dev)
    }

    /// All that the parent and its children have printed.
    pub fn output(&self) -> String {
        self.told() + &self.log()
    }

    /// What went to standard output: what a newcomer reads.
    pub fn told(&self) -> String {
        std::fs::read_to_string(self.dir.path().join(TOLD)).unwrap_or_default()
    }

    /// What went to standard error: logs, and what is wrong.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join(LOG)).unwrap_or_default()
    }

    /// The directory of the shop: `dev.json`, `secrets/` and the node's.
    pub fn home(&self) -> PathBuf {
        self.dir.path().join("dev")
    }

    /// A secret that `dev` made for itself, such as `sandbox-key`.
    pub fn secret(&self, name: &str) -> Result<String> {
        let path = self.home().join("secrets").join(name);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.trim().to_owned())
    }

    /// The processes of the shop: `dev` itself and its nodes.
    pub fn pids(&self) -> Vec<u32> {
        let pid = |place: usize| match self.restarted.get(&place) {
            Some(child) => Some(child.id()),
            None => u32::try_from(self.file.nodes[place].pid).ok(),
        };
        std::iter::once(self.parent.id()).chain((0..self.file.nodes.len()).filter_map(pid)).collect()
    }

    pub fn node(&self) -> &NodeEntry {
        &self.file.nodes[0]
    }

    /// The first node, as its admin.
    pub fn admin(&self) -> Api {
        self.admin_at(0)
    }

    /// A node, by its place in `file.nodes`, as its admin.
    pub fn admin_at(&self, place: usize) -> Api {
        self.http.to(&self.file.nodes[place].http, Some(&self.file.admin_token))
    }

    /// The first node, as a guest.
    pub fn guest(&self) -> Api {
        self.admin().with_token(None)
    }

    pub fn sandbox(&self) -> Api {
        self.http.to(&self.file.sandbox, None)
    }

    pub fn sms(&self) -> Api {
        self.http.to(&self.file.sms, None)
    }

    pub fn mail(&self) -> Api {
        self.http.to(&self.file.mail, None)
    }

    /// Overrides a configuration key of nodes that are started from now on.
    pub fn set_environment(&mut self, key: &str, value: &str) {
        self.environment.retain(|(known, _)| known != key);
        self.environment.push((key.to_owned(), value.to_owned()));
    }

    /// Kills the first node as a power cut would (SIGKILL) and waits until it is gone.
    pub async fn kill_node(&mut self) -> Result<()> {
        self.kill(0).await
    }

    /// Starts the first node's directory again, as an admin would.
    pub async fn run_node(&mut self) -> Result<()> {
        self.run(0).await
    }

    /// Kills a node and waits until it is gone.
    pub async fn kill(&mut self, place: usize) -> Result<()> {
        if let Some(mut child) = self.restarted.remove(&place) {
            child.kill()?;
            child.wait()?;
            return Ok(());
        }
        let pid = self.file.nodes[place].pid;
        signal(pid, libc::SIGKILL)?;
        wait::until("the killed node to be gone", Duration::from_secs(10), || async move {
            // The dev command reaps its children; signal 0 asks whether the process is there.
            signal(pid, 0).is_err().then_some(())
        })
        .await
    }

    /// Starts a node's directory again and waits until it is ready.
    pub async fn run(&mut self, place: usize) -> Result<()> {
        let log = std::fs::OpenOptions::new().append(true).open(self.dir.path().join(LOG))?;
        let child = Command::new(binary("shopnode")?)
            .arg("run")
            .arg("--data")
            .arg(&self.file.nodes[place].data)
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.restarted.insert(place, child);
        let api = self.admin_at(place).with_token(None);
        wait::until("the restarted node to be ready", Duration::from_secs(60), || async {
            api.get("/readyz").await.ok().filter(|answer| answer.status == 200)
        })
        .await
        .with_context(|| self.output())?;
        Ok(())
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        for child in self.restarted.values_mut() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let pid = self.parent.id() as i32;
        let _ = signal(pid, libc::SIGINT);
        let deadline = Instant::now() + Duration::from_secs(15);
        while Instant::now() < deadline {
            if matches!(self.parent.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.parent.kill();
        let _ = self.parent.wait();
    }
}

#[allow(
    unsafe_code,
    reason = "kill(2) has no safe wrapper in std; the pid is a process that this test started"
)]
pub(crate) fn signal(pid: i32, signal: i32) -> std::io::Result<()> {
    // SAFETY: kill(2) takes two integers and touches no memory of ours.
    match unsafe { libc::kill(pid, signal) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Asks a process to end (SIGTERM) and waits for it.
///
/// # Errors
/// When it cannot be asked.
pub fn terminate(child: &mut Child) -> Result<()> {
    signal(i32::try_from(child.id())?, libc::SIGTERM)?;
    child.wait()?;
    Ok(())
}
