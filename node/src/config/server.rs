//! `[node]`, `[http]` and `[cluster]`: who this node is and where it listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::cidr::Cidr;
use super::problems::Problems;
use super::secret_file::SecretFile;
use super::unset;

/// The name that stands for the node in logs, and where it lives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Node {
    /// Shown in logs and traces; the host's name when unset.
    #[serde(with = "unset")]
    pub name: Option<String>,
    /// Nodes of one zone are expected to fail together.
    pub zone: String,
    /// The data directory, for a `run` without `--data`.
    #[serde(with = "unset")]
    pub data: Option<String>,
    /// Where the key that seals secrets is, when not in `DIR/secrets/seal.key`.
    #[serde(with = "unset")]
    pub seal_key_file: Option<SecretFile>,
}

impl Default for Node {
    fn default() -> Node {
        Node { name: None, zone: "default".to_owned(), data: None, seal_key_file: None }
    }
}

/// The gateway's socket and the limits of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    pub listen: SocketAddr,
    /// What clients see: issuer of tokens and base of links. `http://` and the listening address when unset.
    #[serde(with = "unset")]
    pub public_url: Option<Url>,
    /// Connections served at once; more wait in the kernel's queue.
    pub connections: u32,
    pub body_limit_bytes: u64,
    /// All header lines of a request together.
    pub header_limit_bytes: u32,
    pub header_limit_count: u32,
    /// From the first byte of a request to the end of its headers; from a connection's beginning to its first request.
    pub header_timeout_ms: u64,
    /// From an answer to the next request on the same connection.
    pub idle_timeout_ms: u64,
    /// From the headers to the answer, the body included.
    pub request_timeout_ms: u64,
    /// How long a node that got SIGTERM still answers while `/readyz` says no.
    pub stop_delay_ms: u64,
    /// How long requests in flight may take to finish once the node was told to stop.
    pub drain_timeout_ms: u64,
    /// A node that has heard from no leader, or as the leader from no majority, for longer is not ready.
    pub ready_max_silence_ms: u64,
    /// A node that has applied so many entries less than were committed is not ready.
    pub ready_max_lag_entries: u64,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Cidr>,
}

impl Default for Http {
    fn default() -> Http {
        Http {
            listen: loopback(8080),
            public_url: None,
            connections: 4096,
            body_limit_bytes: 1024 * 1024,
            header_limit_bytes: 32 * 1024,
            header_limit_count: 100,
            header_timeout_ms: 10_000,
            idle_timeout_ms: 75_000,
            request_timeout_ms: 30_000,
            stop_delay_ms: 0,
            drain_timeout_ms: 10_000,
            ready_max_silence_ms: 2_000,
            ready_max_lag_entries: 10_000,
            trusted_proxies: Vec::new(),
        }
    }
}

impl Http {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        problems.range("http.connections", self.connections, 1..=65_536);
        problems.range("http.body_limit_bytes", self.body_limit_bytes, 1024..=16 * 1024 * 1024);
        // hyper refuses a read buffer below 8 KiB, and that buffer is what bounds the headers.
        problems.range("http.header_limit_bytes", self.header_limit_bytes, 8 * 1024..=1024 * 1024);
        problems.range("http.header_limit_count", self.header_limit_count, 16..=1000);
        problems.range("http.header_timeout_ms", self.header_timeout_ms, 100..=60_000);
        problems.range("http.idle_timeout_ms", self.idle_timeout_ms, 1_000..=600_000);
        problems.range("http.request_timeout_ms", self.request_timeout_ms, 100..=300_000);
        problems.range("http.stop_delay_ms", self.stop_delay_ms, 0..=60_000);
        problems.range("http.drain_timeout_ms", self.drain_timeout_ms, 0..=60_000);
        problems.range("http.ready_max_silence_ms", self.ready_max_silence_ms, 500..=60_000);
        problems.range("http.ready_max_lag_entries", self.ready_max_lag_entries, 100..=10_000_000);
        check_url("http.public_url", self.public_url.as_ref(), problems);
    }

    /// The base URL that clients see, without a slash at its end.
    pub fn public_base(&self) -> String {
        match &self.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{}", self.listen),
        }
    }
}

/// The cluster's name and this node's socket for its peers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cluster {
    pub name: String,
    /// QUIC over UDP, mutual TLS.
    pub listen: SocketAddr,
    /// Where the other nodes reach this one, `HOST:PORT`; the listening address when unset.
    #[serde(with = "unset")]
    pub advertise: Option<String>,
}

impl Default for Cluster {
    fn default() -> Cluster {
        Cluster { name: "shop".to_owned(), listen: loopback(7080), advertise: None }
    }
}

impl Cluster {
    pub(super) fn check(&self, problems: &mut Problems<'_>) {
        if self.name.is_empty() || self.name.len() > 64 || self.name.chars().any(char::is_control) {
            problems.value("cluster.name", "must have 1 to 64 bytes and no control characters");
        }
        if let Some(address) = &self.advertise {
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port);
            let is_port = port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
            if !is_port || address.len() > 255 || address.chars().any(|c| c.is_control() || c == ' ') {
                problems.value("cluster.advertise", format_args!("must be HOST:PORT, is {address:?}"));
            }
        }
    }

    /// Where the other nodes reach this one. `bound` is what the system made of the listening address.
    pub fn advertised(&self, bound: Option<SocketAddr>) -> String {
        match &self.advertise {
            Some(address) => address.clone(),
            None => SocketAddr::new(self.listen.ip(), bound.unwrap_or(self.listen).port()).to_string(),
        }
    }

    /// Whether what the others are told is no machine's address.
    pub fn is_unreachable(&self) -> bool {
        self.advertise.is_none() && self.listen.ip().is_unspecified()
    }
}

pub(super) fn check_url(key: &str, url: Option<&Url>, problems: &mut Problems<'_>) {
    let Some(url) = url else { return };
    if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
        problems.value(key, format_args!("must begin with http:// or https://, is {url}"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        problems.value(key, "must not hold a user or a password: secrets belong in a file");
    }
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
