//! The command line of `shopnode`: what scripts and service files rely on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use reqwest::Url;

use crate::config::{S3, SecretFile};
use crate::{backup, compaction, dev, documents, enrolment, init, rejoin, run};

/// A whole shop backend in one binary.
#[derive(Debug, Parser)]
#[command(name = "shopnode", version, propagate_version = true, disable_help_subcommand = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 not reachable.\nData on standard output, talk on standard error."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open a shop on this machine, for trying and developing; Ctrl-C ends it
    Dev(DevArguments),
    /// Make the data directory of a new cluster's first node
    Init(InitArguments),
    /// Make a new cluster's first node with the shop of a backup
    Restore(RestoreArguments),
    /// Give a stopped node's state new, small files
    Compact(CompactArguments),
    /// Put a damaged state aside, so that the next `run` takes a copy from the other nodes
    Rejoin(RejoinArguments),
    /// Make this machine a node of a cluster that is there
    Join(JoinArguments),
    /// Serve a node's data directory; ends cleanly on SIGTERM and SIGINT
    Run(RunArguments),
    /// Print the version
    Version,
    /// Write man pages and completions into a directory, for packages
    #[command(hide = true)]
    Documents {
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct DevArguments {
    /// How many nodes, 1 to 9; three go on when one dies
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=9))]
    pub nodes: u8,
    /// Where the HTTP API of the first node listens; the others take the ports after it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub http: SocketAddr,
    /// Where to keep the shop; without it, it is gone at the end
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Open with empty shelves: no catalogue, no customers
    #[arg(long)]
    pub no_demo: bool,
}

#[derive(Debug, Args)]
pub struct InitArguments {
    /// The directory to make
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where the HTTP API will listen
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Where the node will listen for other nodes
    #[arg(long, value_name = "ADDR")]
    pub cluster: Option<SocketAddr>,
    /// The zone of this node: nodes of one zone are expected to fail together
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// The name of the cluster
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct RestoreArguments {
    /// The backup that `shopctl backup create` made: a file, or s3://BUCKET/KEY
    #[arg(long, value_name = "FILE|URL")]
    pub from: String,
    #[command(flatten)]
    pub bucket: BucketArguments,
    /// The directory to make
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// A file with the passphrase of the backup
    #[arg(long, value_name = "FILE")]
    pub passphrase_file: PathBuf,
    /// Where the HTTP API will listen
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Where the node will listen for other nodes
    #[arg(long, value_name = "ADDR")]
    pub cluster: Option<SocketAddr>,
    /// The zone of this node: nodes of one zone are expected to fail together
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
    /// The name of the new cluster
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

/// Where the bucket of an s3:// URL is.
#[derive(Debug, Args)]
#[command(next_help_heading = "With s3://")]
pub struct BucketArguments {
    /// The server, unless it is AWS
    #[arg(long = "s3-endpoint", value_name = "URL")]
    pub endpoint: Option<Url>,
    /// The region of the bucket
    #[arg(long = "s3-region", value_name = "REGION")]
    pub region: Option<String>,
    /// A file with aws_access_key_id = … and aws_secret_access_key = …
    #[arg(long = "s3-credentials-file", value_name = "FILE")]
    pub credentials_file: Option<PathBuf>,
    /// Certificates (PEM) that are trusted beside the system's
    #[arg(long = "s3-ca-file", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Name the bucket in the host and not in the path
    #[arg(long = "s3-virtual-hosts")]
    pub virtual_hosts: bool,
}

impl BucketArguments {
    /// As the configuration would have it.
    pub fn settings(&self) -> S3 {
        let defaults = S3::default();
        S3 {
            url: None,
            endpoint: self.endpoint.clone(),
            region: self.region.clone().unwrap_or(defaults.region),
            path_style: !self.virtual_hosts,
            credentials_file: self
                .credentials_file
                .as_ref()
                .map(|file| SecretFile::new(file.to_string_lossy())),
            ca_file: self.ca_file.as_ref().map(|file| file.to_string_lossy().into_owned()),
        }
    }
}

impl RestoreArguments {
    /// The same node, founded and not restored: for its configuration.
    pub fn founding(&self) -> InitArguments {
        InitArguments {
            data: self.data.clone(),
            http: self.http,
            cluster: self.cluster,
            zone: self.zone.clone(),
            name: self.name.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub struct CompactArguments {
    /// The node's data directory; the node must be stopped
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}

#[derive(Debug, Args)]
pub struct RejoinArguments {
    /// The node's data directory; the node must be stopped
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Another node, as ID=HOST:PORT; needed only when this node no longer knows where the others are
    #[arg(long = "peer", value_name = "ID=HOST:PORT", value_parser = parse_peer)]
    pub peers: Vec<(u64, String)>,
}

fn parse_peer(text: &str) -> Result<(u64, String), String> {
    let wrong = || "expected ID=HOST:PORT, such as 2=10.0.0.2:7080".to_owned();
    let (id, address) = text.split_once('=').ok_or_else(wrong)?;
    let port = address.rsplit_once(':').ok_or_else(wrong)?.1;
    match (id.parse(), port.parse::<u16>()) {
        (Ok(id), Ok(_)) => Ok((id, address.to_owned())),
        _ => Err(wrong()),
    }
}

#[derive(Debug, Args)]
pub struct JoinArguments {
    /// The cluster address of any node
    #[arg(value_name = "HOST:PORT")]
    pub peer: String,
    /// A join token, from `shopnode init` or `shopctl token create`
    #[arg(long, value_name = "TOKEN")]
    pub token: String,
    /// The directory to make
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Where the HTTP API will listen
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Where the node will listen for other nodes, and they reach it
    #[arg(long, value_name = "ADDR")]
    pub cluster: Option<SocketAddr>,
    /// The zone of this node: nodes of one zone are expected to fail together
    #[arg(long, value_name = "ZONE")]
    pub zone: Option<String>,
}

#[derive(Debug, Args)]
pub struct RunArguments {
    /// The node's data directory; the configuration may name it instead
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    pub data: Option<PathBuf>,
    /// The configuration, when it is not config.toml in the data directory
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// How a command ended, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NotReachable = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Files that libraries make in the data directory get mode 0600 like our own.
#[allow(unsafe_code, reason = "umask(2) has no safe wrapper in std")]
fn make_files_private() {
    // SAFETY: umask(2) takes an integer, cannot fail, and touches no memory of ours; no other thread runs yet.
    unsafe { libc::umask(0o077) };
}

/// Runs what the command line asks for. Wrong usage ends the process with exit code 2, as clap does.
pub fn main() -> ExitCode {
    make_files_private();
    let done = match Cli::parse().command {
        Command::Dev(arguments) => dev::dev(&arguments),
        Command::Init(arguments) => init::init(&arguments).map(|made| println!("{made}")),
        Command::Restore(arguments) => backup::restore(&arguments),
        Command::Compact(arguments) => compaction::compact(&arguments),
        Command::Rejoin(arguments) => rejoin::rejoin(&arguments),
        Command::Join(arguments) => enrolment::join(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Version => {
            println!("shopnode {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Command::Documents { directory } => {
            documents::write(&Cli::command(), "8", &directory).map_err(anyhow::Error::from)
        }
    };
    match done {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            // The whole chain on one line: the outermost says what failed, the innermost why.
            eprintln!("shopnode: {error:#}");
            exit_of(&error).into()
        }
    }
}

/// Scripts try again later what could not be reached.
fn exit_of(error: &anyhow::Error) -> Exit {
    match error.downcast_ref::<enrolment::Failed>() {
        Some(enrolment::Failed::Exchange { source: net::JoinError::Unreachable { .. } }) => {
            Exit::NotReachable
        }
        _ => Exit::Failed,
    }
}
