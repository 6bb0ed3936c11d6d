//! Machines become nodes of one cluster, and nobody else does.

use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::shopnode::{Ended, Running, command, get, output, request, until};

/// A new cluster's first node, served, and what `init` told once.
pub struct Founder {
    home: tempfile::TempDir,
    pub admin: String,
    pub token: String,
    address: String,
    pub node: Option<Running>,
}

impl Founder {
    pub fn start() -> Founder {
        let home = tempfile::tempdir().unwrap();
        let address = free_udp();
        let data = home.path().join("1");
        let done = output(command(&[
            "init",
            "--data",
            data.to_str().unwrap(),
            "--http",
            "127.0.0.1:0",
            "--cluster",
            &address,
            "--name",
            "tea",
        ]));
        assert_eq!(done.code, Some(0), "{}", done.stderr);
        let token = done.stderr.split_whitespace().find(|word| word.starts_with("shopnode-join_"));
        let (admin, token) = (done.stdout.trim().to_owned(), token.unwrap().to_owned());
        assert!(admin.starts_with("sk_") && !done.stdout.contains("shopnode-join_"), "{}", done.stdout);
        let node = Running::start(&data);
        node.until_ready();
        Founder { home, admin, token, address, node: Some(node) }
    }

    pub fn http(&self) -> SocketAddr {
        self.node.as_ref().unwrap().http
    }

    pub fn directory(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Joins a machine with the directory of this name.
    pub fn join(&self, name: &str, token: &str) -> Ended {
        let listen = free_udp();
        let data = self.directory(name);
        let data = data.to_str().unwrap();
        let more = ["--token", token, "--data", data, "--http", "127.0.0.1:0", "--cluster", &listen];
        output(command(&[["join", self.address.as_str()].as_slice(), &more].concat()))
    }

    /// Makes a token through the API: its id and its text.
    pub fn new_token(&self) -> (String, String) {
        let (status, body) = request(self.http(), "POST", "/admin/v1/cluster/tokens", &self.admin, "{}");
        assert_eq!(status, 201, "{body}");
        let made: Value = serde_json::from_str(&body).unwrap();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("id"), text("token"))
    }
}

/// An address that nobody listens at.
fn free_udp() -> String {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn refused(done: &Ended, exit: i32, code: &str) {
    assert_eq!(done.code, Some(exit), "{}", done.stderr);
    assert!(done.stderr.contains(&format!("[{code}]")), "{code} is not in: {}", done.stderr);
    assert_eq!(done.stdout, "");
}

pub fn peers_connected(node: &Running, at_least: usize) {
    until("its peers to be connected", || {
        let metrics = get(node.http, "/metrics").1;
        let line = metrics.lines().find_map(|line| line.strip_prefix("shopnode_net_connected_peers "))?;
        (line.parse::<f64>().unwrap() >= at_least as f64).then_some(())
    });
}

#[test]
fn three_machines_become_one_cluster() {
    let mut first = Founder::start();
    let second = first.join("2", &first.token);
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert!(second.stderr.contains("node 2 of tea"), "{}", second.stderr);
    let (_, token) = first.new_token();
    let third = first.join("3", &token);
    assert!(third.stderr.contains("node 3 of tea"), "{}", third.stderr);

    // What joins has all that it needs, for its owner's eyes only, and no more.
    let secrets = first.directory("2").join("secrets");
    for file in secrets.read_dir().unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    let seal_key = |name: &str| std::fs::read(first.directory(name).join("secrets/seal.key")).unwrap();
    let key = |name: &str| std::fs::read(first.directory(name).join("secrets/node.key")).unwrap();
    assert_eq!(seal_key("1"), seal_key("2"));
    assert_ne!(key("1"), key("2"));
    let identity = |name: &str| std::fs::read_to_string(first.directory(name).join("identity.toml")).unwrap();
    let cluster = |name: &str| identity(name).lines().last().unwrap().to_owned();
    assert!(cluster("1").starts_with("cluster = ") && cluster("1") == cluster("3"), "{}", cluster("3"));
    let again = first.join("2", &first.token);
    assert!(again.code == Some(1) && again.stderr.contains("holds a node already"), "{}", again.stderr);

    let others = ["2", "3"].map(|name| Running::start(&first.directory(name)));
    for node in &others {
        peers_connected(node, 1);
    }
    peers_connected(first.node.as_ref().unwrap(), 2);
    for node in others.into_iter().chain(first.node.take()) {
        let ended = node.end(libc::SIGTERM);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}

#[test]
fn a_token_makes_one_node() {
    let first = Founder::start();
    assert_eq!(first.join("2", &first.token).code, Some(0));
    refused(&first.join("3", &first.token), 1, "token_used");
    // The same machine, cut off before it had the answer: the same node.
    let data = first.directory("2");
    for file in ["FORMAT", "identity.toml", "config.toml", "secrets/seal.key", "secrets/node.crt"] {
        std::fs::remove_file(data.join(file)).unwrap();
    }
    refused_half_made(&first.join("2", &first.token));
    std::fs::write(data.join("JOINING"), "").unwrap();
    let again = first.join("2", &first.token);
    assert!(again.code == Some(0) && again.stderr.contains("node 2 of"), "{}", again.stderr);
    assert!(!data.join("JOINING").exists());
}

/// It may be a node that lost a file: only its owner can tell.
fn refused_half_made(done: &Ended) {
    assert!(done.code == Some(1) && done.stderr.contains("secrets/"), "{}", done.stderr);
}

#[test]
fn other_tokens_are_refused_and_told_apart() {
    let (first, other) = (Founder::start(), Founder::start());
    refused(&first.join("2", &other.token), 1, "join_wrong_cluster");
    let (id, token) = first.new_token();
    let revoke = format!("/admin/v1/cluster/tokens/{id}");
    assert_eq!(request(first.http(), "DELETE", &revoke, &first.admin, "").0, 204);
    refused(&first.join("3", &token), 1, "token_revoked");
    let listed = request(first.http(), "GET", "/admin/v1/cluster/tokens", &first.admin, "").1;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(
        (listed["data"][0]["state"].as_str(), listed["data"][1]["state"].as_str()),
        (Some("open"), Some("revoked")),
        "{listed}"
    );
    assert!(!listed.to_string().contains("secret"), "{listed}");
    refused(&first.join("4", &token[..token.len() - 3]), 1, "token_malformed");
    assert!(!first.directory("4").exists(), "nothing is made for a token that is none");
    let nobody = Founder { address: free_udp(), node: None, ..first };
    refused(&nobody.join("5", &token), 3, "join_unreachable");
}

/// As one of an earlier version, or one whose founding was cut off.
#[test]
fn a_node_without_a_cluster_makes_one() {
    let mut first = Founder::start();
    assert_eq!(first.node.take().unwrap().end(libc::SIGTERM).code, Some(0));
    let data = first.directory("1");
    let identity = data.join("identity.toml");
    let before = std::fs::read_to_string(&identity).unwrap();
    std::fs::write(&identity, "node = 1\n").unwrap();
    for file in ["secrets/node.crt", "secrets/ca.crt"] {
        std::fs::remove_file(data.join(file)).unwrap();
    }
    first.node = Some(Running::start(&data));
    first.node.as_ref().unwrap().until_ready();
    assert_eq!(std::fs::read_to_string(&identity).unwrap(), before);
    assert_eq!(first.join("2", &first.token).code, Some(0));
    assert!(Path::new(&data).join("secrets/node.crt").exists());
}
