//! Several machines with a node each, in a network of their own: made as an admin makes them, by `init`, `token create`
//! and `join`.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::api::Api;
use crate::dev::{binary, signal};
use crate::network::{Machine, Network};
use crate::shopctl::{Ran, shopctl};
use crate::wait;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// The machines, in the order in which their nodes joined.
pub struct Cluster {
    network: Network,
    pub members: Vec<Member>,
    admin_key: String,
    environment: Vec<(String, String)>,
    /// What machines have when they are new.
    pub program: Program,
    dir: tempfile::TempDir,
}

/// Which program a machine has installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// The one that is being tested.
    Current,
    /// The one of an earlier commit, which `./tests/earlier` has built.
    Earlier,
}

impl Program {
    fn binary(self) -> Result<PathBuf> {
        match self {
            Program::Current => binary("shopnode"),
            Program::Earlier => binary("shopnode-earlier")
                .context("build it with ./tests/earlier (--debug for a debug build)"),
        }
    }
}

/// One machine and the node on it.
pub struct Member {
    pub id: u64,
    program: Program,
    pub machine: Machine,
    pub data: PathBuf,
    process: Option<Child>,
    /// Overrides of this node alone, after the cluster's.
    environment: Vec<(String, String)>,
    log: PathBuf,
    api: Api,
}

impl Cluster {
    /// A cluster of `size` nodes, all of them ready, up to five of them voters. `environment` overrides configuration
    /// keys on every node: `("SHOPNODE_RAFT__PROFILE", "fast")`.
    ///
    /// # Errors
    /// When a node does not come up; its log is told.
    pub async fn start(network: Network, size: usize, environment: &[(&str, &str)]) -> Result<Cluster> {
        Cluster::start_with(network, size, environment, Program::Current).await
    }

    /// As [`Cluster::start`], with this program on all machines.
    ///
    /// # Errors
    /// As [`Cluster::start`], and when the program is not built.
    pub async fn start_with(
        network: Network,
        size: usize,
        environment: &[(&str, &str)],
        program: Program,
    ) -> Result<Cluster> {
        let mut cluster = Cluster {
            network,
            members: Vec::new(),
            admin_key: String::new(),
            environment: owned(environment),
            program,
            dir: tempfile::Builder::new().prefix("shopnode-test-").tempdir()?,
        };
        cluster.init().await?;
        for _ in 1..size {
            cluster.join().await?;
        }
        cluster.voters(size.min(5)).await?;
        Ok(cluster)
    }

    async fn init(&mut self) -> Result<()> {
        let mut member = self.new_member()?;
        let made = member.shopnode(&["init"])?.output()?;
        let told = String::from_utf8_lossy(&made.stdout).into_owned();
        ensure!(made.status.success(), "init: {told}{}", String::from_utf8_lossy(&made.stderr));
        let is_key = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let key = told.split(|c| !is_key(c)).find(|word| word.starts_with("sk_"));
        self.admin_key = key.with_context(|| format!("init prints no admin key: {told}"))?.to_owned();
        member.api = member.api.with_token(Some(&self.admin_key));
        (member.id, member.process) = (1, Some(self.run(&member)?));
        self.members.push(member);
        self.ready(0).await?;
        // Nodes are trusted at once: a test does not wait to see whether one that joined stays.
        let mut autopilot = self.members[0].api.get("/admin/v1/cluster/autopilot").await?.expect(200)?;
        autopilot["stable_ms"] = 500.into();
        let put = self.members[0].api.request(reqwest::Method::PUT, "/admin/v1/cluster/autopilot");
        crate::api::answer(put.json(&autopilot)).await?.expect(200)?;
        Ok(())
    }

    /// Asks to join as one more machine, which is refused; returns what it was told.
    ///
    /// # Errors
    /// When it is let in.
    pub async fn join_in_vain(&mut self) -> Result<String> {
        let token = self.token().await?;
        let member = self.new_member()?;
        let to = format!("{}:7080", self.any()?.machine.address);
        let joined = member.shopnode(&["join", &to, "--token", &token])?.output()?;
        let told = String::from_utf8_lossy(&joined.stderr).into_owned();
        ensure!(!joined.status.success(), "it was let in: {told}");
        Ok(told)
    }

    /// One more machine joins; returns its place in `members` when it serves. It becomes a voter, if it does, later.
    ///
    /// # Errors
    /// When it is refused or does not become ready.
    pub async fn join(&mut self) -> Result<usize> {
        let token = self.token().await?;
        let member = self.new_member()?;
        self.members.push(member);
        let place = self.members.len() - 1;
        let joined = self.join_at(place, &token)?;
        ensure!(joined.code == 0, "join: {}", joined.stderr);
        self.serve(place).await?;
        Ok(place)
    }

    /// Takes away all that the machine at a place has, as a new disk does. Its node must have ended.
    ///
    /// # Errors
    /// When the directory cannot be removed.
    pub fn wipe(&mut self, place: usize) -> Result<()> {
        ensure!(self.members[place].process.is_none(), "its node runs");
        std::fs::remove_dir_all(&self.members[place].data).context("the data directory")
    }

    /// Runs `shopnode join` on the machine at a place: how that ended.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn join_at(&self, place: usize, token: &str) -> Result<Ran> {
        let to = format!("{}:7080", self.any()?.machine.address);
        Ran::of(self.members[place].shopnode(&["join", &to, "--token", token])?.output()?)
    }

    /// Serves what the machine at a place has joined as, until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn serve(&mut self, place: usize) -> Result<()> {
        self.members[place].process = Some(self.run(&self.members[place])?);
        self.ready(place).await?;
        let address = format!("http://{}:8080", self.members[place].machine.address);
        let cluster = self.admin(place).get("/admin/v1/cluster").await?.expect(200)?;
        let node =
            cluster["nodes"].as_array().into_iter().flatten().find(|node| node["http"] == address.as_str());
        let id = node.and_then(|node| node["id"].as_u64());
        self.members[place].id =
            id.with_context(|| format!("the node at {address} is not in {cluster:#}"))?;
        Ok(())
    }

    /// Founds another cluster in the same network with what `restore` makes of a backup on a new machine, and serves it. Its admin is the
    /// old one: its keys are in the backup.
    ///
    /// # Errors
    /// When it is not restored, or does not become ready.
    pub async fn restored(&self, network: Network, backup: &Path, passphrase: &Path) -> Result<Cluster> {
        let mut cluster = Cluster {
            network,
            members: Vec::new(),
            admin_key: self.admin_key.clone(),
            environment: Vec::new(),
            program: Program::Current,
            dir: tempfile::Builder::new().prefix("shopnode-test-").tempdir()?,
        };
        let mut member = cluster.new_member()?;
        let mut restore = member.shopnode(&["restore"])?;
        restore.arg("--from").arg(backup).arg("--passphrase-file").arg(passphrase);
        let restored = Ran::of(restore.output()?)?;
        ensure!(restored.code == 0, "restore: {}", restored.stderr);
        (member.id, member.process) = (1, Some(cluster.run(&member)?));
        cluster.members.push(member);
        cluster.ready(0).await?;
        Ok(cluster)
    }

    /// A new machine that tries to join and is expected to be refused: how that ended.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn try_to_join(&mut self, address: &str, token: &str) -> Result<Ran> {
        let member = self.new_member()?;
        let mut command = member.shopnode(&["join", address, "--token", token])?;
        Ran::of(command.output()?)
    }

    /// A join token, as `shopctl token create` makes it.
    ///
    /// # Errors
    /// When no node gives one.
    pub async fn token(&self) -> Result<String> {
        let made = self.any()?.api.post("/admin/v1/cluster/tokens", &json!({})).await?.expect(201)?;
        Ok(made["token"].as_str().with_context(|| format!("no token: {made}"))?.to_owned())
    }

    fn new_member(&mut self) -> Result<Member> {
        let machine = self.network.machine()?;
        let name = format!("machine-{}", machine.address);
        Ok(Member {
            id: 0,
            program: self.program,
            data: self.dir.path().join(&name),
            process: None,
            environment: Vec::new(),
            log: self.dir.path().join(format!("{name}.log")),
            api: Api::new(&format!("http://{}:8080", machine.address), Some(&self.admin_key))?,
            machine,
        })
    }

    fn run(&self, member: &Member) -> Result<Child> {
        let log = OpenOptions::new().append(true).create(true).open(&member.log)?;
        let mut command = member.machine.command(member.program.binary()?);
        command.args(["run", "--data"]).arg(&member.data);
        let environment = self.environment.iter().chain(&member.environment);
        command.envs(environment.map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.spawn().context("shopnode run does not start")
    }

    /// The first member that runs.
    ///
    /// # Errors
    /// When none does.
    pub fn any(&self) -> Result<&Member> {
        self.members.iter().find(|member| member.process.is_some()).context("no node runs")
    }

    /// The admin's API key.
    pub fn admin_key(&self) -> &str {
        &self.admin_key
    }

    /// The node at a place, as its admin.
    pub fn admin(&self, place: usize) -> Api {
        self.members[place].api.clone()
    }

    /// Runs `shopctl` against the node at a place, as its admin.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn shopctl(&self, place: usize, arguments: &[&str]) -> Result<Ran> {
        let server = format!("http://{}:8080", self.members[place].machine.address);
        let environment =
            [("SHOPCTL_SERVER", Path::new(&server)), ("SHOPCTL_TOKEN", Path::new(&self.admin_key))];
        shopctl(&environment, arguments, "")
    }

    /// The places of all nodes that run.
    pub fn running(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|place| self.members[*place].process.is_some()).collect()
    }

    /// The cluster as the first running node that answers sees it.
    ///
    /// # Errors
    /// When none answers.
    pub async fn view(&self) -> Result<Value> {
        for place in self.running() {
            if let Ok(answer) = self.admin(place).get("/admin/v1/cluster").await
                && answer.status == 200
            {
                return Ok(answer.json());
            }
        }
        anyhow::bail!("no node tells how the cluster is")
    }

    /// Waits until a running node leads, and returns its place.
    ///
    /// # Errors
    /// When there is none within a minute.
    pub async fn leader(&self) -> Result<usize> {
        wait::until("a leader that runs", READY_WITHIN, || async {
            let leader = self.view().await.ok()?["leader"].as_u64()?;
            self.running().into_iter().find(|place| self.members[*place].id == leader)
        })
        .await
        .map_err(|error| self.explain(&error))
    }

    /// Waits until exactly so many nodes vote.
    ///
    /// # Errors
    /// When it takes longer than a minute.
    pub async fn voters(&self, count: usize) -> Result<()> {
        wait::until(&format!("{count} voters"), READY_WITHIN, || async {
            let view = self.view().await.ok()?;
            let nodes = view["nodes"].as_array()?;
            (nodes.iter().filter(|node| node["role"] == "voter").count() == count).then_some(())
        })
        .await
        .map_err(|error| self.explain(&error))
    }

    /// Waits until the node at a place is ready.
    ///
    /// # Errors
    /// When it is not within a minute.
    pub async fn ready(&self, place: usize) -> Result<()> {
        let api = self.admin(place);
        wait::until("the node to be ready", READY_WITHIN, || async {
            api.get("/readyz").await.ok().filter(|answer| answer.status == 200)
        })
        .await
        .map_err(|error| self.explain(&error))?;
        Ok(())
    }

    /// Ends a node as a power cut would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self, place: usize) -> Result<()> {
        let mut process = self.members[place].process.take().context("it does not run")?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    /// Ends a node as `systemctl stop` does.
    ///
    /// # Errors
    /// When it does not end by itself, or not with exit code 0.
    pub async fn stop(&mut self, place: usize) -> Result<()> {
        let mut process = self.members[place].process.take().context("it does not run")?;
        signal(process.id() as i32, libc::SIGTERM)?;
        let ended = tokio::time::timeout(Duration::from_secs(30), async {
            loop {
                match process.try_wait() {
                    Ok(None) => tokio::time::sleep(Duration::from_millis(10)).await,
                    ended => return ended,
                }
            }
        });
        let Ok(ended) = ended.await else {
            process.kill()?;
            anyhow::bail!("a node does not end:\n{}", self.logs());
        };
        let status = ended?.context("it ended")?;
        ensure!(status.success(), "a stopped node ended with {status}:\n{}", self.logs());
        Ok(())
    }

    /// Waits until a node has ended by itself, and tells how.
    ///
    /// # Errors
    /// When it still runs after a minute.
    pub async fn ended(&mut self, place: usize) -> Result<ExitStatus> {
        let mut process = self.members[place].process.take().context("it does not run")?;
        let began = Instant::now();
        loop {
            if let Some(status) = process.try_wait()? {
                return Ok(status);
            }
            if began.elapsed() > READY_WITHIN {
                process.kill()?;
                process.wait()?;
                anyhow::bail!("a node does not end by itself:\n{}", self.logs());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Runs `shopnode` with these arguments on the machine at a place.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn shopnode(&self, place: usize, arguments: &[&str]) -> Result<Ran> {
        let mut command = self.members[place].machine.command(binary("shopnode")?);
        command.args(arguments).stdin(Stdio::null());
        Ran::of(command.output()?)
    }

    /// Starts a node that ended. It may take a moment until it is ready.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn start_again(&mut self, place: usize) -> Result<()> {
        ensure!(self.members[place].process.is_none(), "it runs");
        self.members[place].process = Some(self.run(&self.members[place])?);
        Ok(())
    }

    /// Overrides other configuration keys than before, on nodes that start from now on.
    pub fn configure(&mut self, environment: &[(&str, &str)]) {
        self.environment = owned(environment);
    }

    /// As [`Cluster::configure`], besides, on the node at a place alone.
    pub fn configure_one(&mut self, place: usize, environment: &[(&str, &str)]) {
        self.members[place].environment = owned(environment);
    }

    /// Installs this program on a machine whose node has ended.
    ///
    /// # Errors
    /// When the node runs.
    pub fn install(&mut self, place: usize, program: Program) -> Result<()> {
        ensure!(self.members[place].process.is_none(), "it runs");
        self.members[place].program = program;
        Ok(())
    }

    /// Waits until a node that was started ends by itself, and returns its exit code.
    ///
    /// # Errors
    /// When it runs on for a minute, or was ended by a signal.
    pub async fn ends_by_itself(&mut self, place: usize) -> Result<i32> {
        let mut process = self.members[place].process.take().context("it does not run")?;
        for _ in 0..6_000 {
            if let Some(status) = process.try_wait()? {
                return status.code().with_context(|| format!("it was ended: {status}"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        process.kill()?;
        process.wait()?;
        anyhow::bail!("a node that ought to end runs on:\n{}", self.logs())
    }

    /// Stops a node's clock hands: it neither answers nor ends.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pause(&self, place: usize) -> Result<()> {
        self.signal(place, libc::SIGSTOP)
    }

    /// Lets a paused node go on.
    ///
    /// # Errors
    /// When it does not run.
    pub fn resume(&self, place: usize) -> Result<()> {
        self.signal(place, libc::SIGCONT)
    }

    fn signal(&self, place: usize, number: i32) -> Result<()> {
        let process = self.members[place].process.as_ref().context("it does not run")?;
        Ok(signal(process.id() as i32, number)?)
    }

    /// Cuts a node off from all others, in both directions. Clients still reach it.
    ///
    /// # Errors
    /// When the rules cannot be set.
    pub fn isolate(&self, place: usize) -> Result<()> {
        self.silence(place)?;
        self.deafen(place)
    }

    /// What the node says reaches no other node any more.
    ///
    /// # Errors
    /// When the rules cannot be set.
    pub fn silence(&self, place: usize) -> Result<()> {
        let machine = &self.members[place].machine;
        self.others(place).try_for_each(|other| other.machine.refuse_from(machine))
    }

    /// What the others say does not reach the node any more.
    ///
    /// # Errors
    /// When the rules cannot be set.
    pub fn deafen(&self, place: usize) -> Result<()> {
        let machine = &self.members[place].machine;
        self.others(place).try_for_each(|other| machine.refuse_from(&other.machine))
    }

    fn others(&self, place: usize) -> impl Iterator<Item = &Member> {
        self.members.iter().enumerate().filter(move |(other, _)| *other != place).map(|(_, member)| member)
    }

    /// Everybody reaches everybody again.
    ///
    /// # Errors
    /// When the rules cannot be removed.
    pub fn heal(&self) -> Result<()> {
        self.members.iter().try_for_each(|member| member.machine.heal())
    }

    /// Waits until all running nodes tell the same digest of the shop's tables at the same index, and that index is of
    /// now: what any of them knows to be committed when this is called has been applied by all.
    ///
    /// # Errors
    /// When they do not within a minute.
    pub async fn converged(&self) -> Result<()> {
        let committed = wait::until("all nodes to tell how far the log is", READY_WITHIN, || async {
            let mut committed = 0;
            for place in self.running() {
                let view = self.admin(place).get("/admin/v1/cluster").await.ok()?.json();
                committed = committed.max(view["commit_index"].as_u64()?);
            }
            Some(committed)
        })
        .await
        .map_err(|error| self.explain(&error))?;
        wait::until("equal digests", READY_WITHIN, || async {
            let mut told = Vec::new();
            for place in self.running() {
                let view = self.admin(place).get("/admin/v1/cluster").await.ok()?.json();
                let id = self.members[place].id;
                let node = view["nodes"].as_array()?.iter().find(|node| node["id"] == id)?.clone();
                told.push((node["digest"]["index"].as_u64()?, node["digest"]["value"].as_str()?.to_owned()));
            }
            told.iter().all(|digest| *digest == told[0] && digest.0 >= committed).then_some(())
        })
        .await
        .map_err(|error| self.explain(&error))
    }

    /// What failed, and after it what the nodes said.
    pub fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow::anyhow!("{error:#}\n{}", self.logs())
    }

    /// The last lines of every node's log, without what the Raft library says again and again of a node that is away.
    pub fn logs(&self) -> String {
        const LINES: usize = 25;
        let tail = |member: &Member| {
            let text = member.log();
            let lines: Vec<_> =
                text.lines().filter(|line| !line.contains("\"target\":\"openraft::")).collect();
            let tail = lines[lines.len().saturating_sub(LINES)..].join("\n");
            format!("-- node {} at {}\n{tail}\n", member.id, member.machine.address)
        };
        self.members.iter().map(tail).collect()
    }
}

fn owned(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

impl Member {
    /// `shopnode VERB … --data DIR --http ADDR --cluster ADDR` on this machine.
    fn shopnode(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.machine.command(self.program.binary()?);
        command.args(arguments).arg("--data").arg(&self.data).stdin(Stdio::null());
        let address = self.machine.address;
        command.args(["--http", &format!("{address}:8080"), "--cluster", &format!("{address}:7080")]);
        File::create(&self.log)?;
        Ok(command)
    }

    /// Where it serves HTTP.
    pub fn url(&self) -> String {
        format!("http://{}:8080", self.machine.address)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &mut self.members {
            if let Some(mut process) = member.process.take() {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}
