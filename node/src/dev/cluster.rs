//! The nodes of a development shop: founded, joined, started, watched and ended together.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::child::Child;
use super::file::NodeEntry;
use super::home::Home;
use super::ports;
use super::settings::{Settings, cluster_address};
use crate::cli::JoinArguments;
use crate::data_dir::{make_directory, write_private};
use crate::enrolment;
use crate::identity::Identity;
use crate::init::{Founding, found};
use crate::shutdown::Shutdown;

/// A node that is not ready by then has told why in its log.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// What is waited for is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// On one machine a node that has caught up is as stable as it will ever be.
const STABLE_MS: u64 = 200;

/// The running nodes, in the order in which they joined.
pub struct Cluster {
    nodes: Vec<Running>,
    http: reqwest::Client,
}

struct Running {
    http: SocketAddr,
    child: Child,
    /// That it ended by itself was told.
    is_told: bool,
}

impl Cluster {
    pub fn new() -> Result<Cluster> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
        Ok(Cluster { nodes: Vec::new(), http })
    }

    /// Opens a node on each address: those that the directory has, then new ones. All are ready in the end, and as many
    /// as can lead without ties vote.
    pub async fn open(
        &mut self,
        home: &Home,
        addresses: &[SocketAddr],
        settings: &Settings<'_>,
        founding: &Founding,
        shutdown: &Shutdown,
    ) -> Result<()> {
        let mut to_join = Vec::new();
        for (number, http) in (1..).zip(addresses) {
            let (data, is_new) = home.node(number);
            if !is_new {
                settings.update(&data, *http)?;
                self.run(&data, *http)?;
            } else if number == 1 {
                let text = settings.of_new(&data, *http, ports::free_udp()?)?;
                let founded = found(&data, &text, founding).await?;
                home.keep_admin_token(&founded.admin_key)?;
                self.run(&data, *http)?;
            } else {
                to_join.push((data, *http));
            }
        }
        self.ready(shutdown).await?;
        if !to_join.is_empty() {
            self.trust_new_nodes(home).await?;
        }
        for (data, http) in to_join {
            let text = settings.of_new(&data, http, ports::free_udp()?)?;
            self.join(home, &data, &text).await?;
            self.run(&data, http)?;
            self.ready(shutdown).await?;
        }
        self.enough_voters(home, shutdown).await
    }

    fn run(&mut self, data: &Path, http: SocketAddr) -> Result<()> {
        self.nodes.push(Running { http, child: Child::run(data)?, is_told: false });
        Ok(())
    }

    async fn join(&self, home: &Home, data: &Path, text: &str) -> Result<()> {
        let made =
            self.ask(home, reqwest::Method::POST, "/admin/v1/cluster/tokens", Some(&json!({}))).await?;
        let token = made["token"].as_str().context("the first node gives no join token")?;
        let first = self.nodes.first().context("there is no first node")?;
        make_directory(data)?;
        // An operator's own configuration, as far as joining is concerned.
        write_private(&data.join("config.toml"), text.as_bytes())?;
        let arguments = JoinArguments {
            peer: cluster_address(first.child.data())?,
            token: token.to_owned(),
            data: data.to_path_buf(),
            http: None,
            cluster: None,
            zone: None,
        };
        // It has a runtime of its own, as the command has.
        let joined = tokio::task::spawn_blocking(move || enrolment::enrol_here(&arguments));
        joined.await?.with_context(|| format!("{} cannot join", data.display()))?;
        Ok(())
    }

    async fn trust_new_nodes(&self, home: &Home) -> Result<()> {
        let path = "/admin/v1/cluster/autopilot";
        let mut autopilot = self.ask(home, reqwest::Method::GET, path, None).await?;
        autopilot["stable_ms"] = STABLE_MS.into();
        self.ask(home, reqwest::Method::PUT, path, Some(&autopilot)).await?;
        Ok(())
    }

    /// Waits until every node that runs is ready.
    async fn ready(&mut self, shutdown: &Shutdown) -> Result<()> {
        for place in 0..self.nodes.len() {
            let ready = format!("http://{}/readyz", self.nodes[place].http);
            self.until("a node is ready", shutdown, |http| {
                let request = http.get(&ready);
                async move { request.send().await.is_ok_and(|answer| answer.status().is_success()) }
            })
            .await?;
        }
        Ok(())
    }

    async fn enough_voters(&mut self, home: &Home, shutdown: &Shutdown) -> Result<()> {
        let wanted = voters_of(self.nodes.len());
        let admin = home.admin_token()?;
        let url = format!("http://{}/admin/v1/cluster", self.first()?);
        self.until("enough nodes vote", shutdown, |http| {
            let request = http.get(&url).bearer_auth(&admin);
            async move {
                let Ok(answer) = request.send().await else { return false };
                let Ok(cluster) = answer.json::<Value>().await else { return false };
                let nodes = cluster["nodes"].as_array().into_iter().flatten();
                nodes.filter(|node| node["role"] == "voter").count() >= wanted
            }
        })
        .await
    }

    /// Looks again and again until `is_so`, or until it cannot become so any more.
    async fn until<F: Future<Output = bool>>(
        &mut self,
        what: &str,
        shutdown: &Shutdown,
        is_so: impl Fn(&reqwest::Client) -> F,
    ) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while !is_so(&self.http).await {
            for node in &mut self.nodes {
                if let Some(how) = node.child.has_ended() {
                    bail!("{} {how} before the shop was ready; its log above says why", node.child);
                }
            }
            ensure!(!shutdown.has_begun(), "stopped before the shop was ready");
            let limit = READY_WITHIN.as_secs();
            ensure!(
                Instant::now() < deadline,
                "waited {limit} s in vain until {what}; the log above says why"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Asks the first node as its admin.
    async fn ask(
        &self,
        home: &Home,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let url = format!("http://{}{path}", self.first()?);
        let mut request = self.http.request(method, url).bearer_auth(home.admin_token()?);
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.with_context(|| format!("{path} does not answer"))?;
        let status = answer.status();
        let told: Value = answer.json().await.unwrap_or_default();
        ensure!(matches!(status, StatusCode::OK | StatusCode::CREATED), "{path} answers {status}: {told}");
        Ok(told)
    }

    fn first(&self) -> Result<SocketAddr> {
        Ok(self.nodes.first().context("there is no node")?.http)
    }

    /// What `dev.json` tells of them.
    pub fn entries(&self) -> Result<Vec<NodeEntry>> {
        let entry = |node: &Running| {
            Ok(NodeEntry {
                id: Identity::load(node.child.data())?.node,
                http: format!("http://{}", node.http),
                cluster: cluster_address(node.child.data())?,
                pid: node.child.pid(),
                data: node.child.data().to_path_buf(),
            })
        };
        self.nodes.iter().map(entry).collect()
    }

    /// Waits for the end. A child that ends before stays ended: whoever killed it wants to see what happens then.
    pub async fn watch(&mut self, shutdown: &Shutdown) {
        while !shutdown.has_begun() {
            for node in self.nodes.iter_mut().filter(|node| !node.is_told) {
                if let Some(how) = node.child.has_ended() {
                    let data = node.child.data().display();
                    eprintln!(
                        "shopnode dev: {} {how}; bring it back with: shopnode run --data {data}",
                        node.child
                    );
                    node.is_told = true;
                }
            }
            tokio::select! {
                () = shutdown.begun() => {}
                () = tokio::time::sleep(LOOK_EVERY * 10) => {}
            }
        }
    }

    /// Ends them all at once: none has to take over from another that ends too.
    pub async fn stop(&mut self) {
        futures::future::join_all(self.nodes.iter_mut().map(|node| node.child.stop())).await;
    }
}

/// An even number of voters stands no more failures than one less.
fn voters_of(nodes: usize) -> usize {
    const MOST: usize = 5;
    let odd = if nodes.is_multiple_of(2) { nodes.saturating_sub(1) } else { nodes };
    odd.min(MOST)
}

#[cfg(test)]
mod tests {
    use super::voters_of;

    #[test]
    fn an_odd_number_votes_and_never_more_than_five() {
        assert_eq!([1, 2, 3, 4, 5, 6, 9].map(voters_of), [1, 1, 3, 3, 5, 5, 5]);
    }
}
