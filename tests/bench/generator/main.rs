//! The load of the benchmarks: closed loops of clients, each with one request under way, or arrivals at a fixed rate. One thread
//! and prepared requests, so that it takes little of the machine that it shares with what it measures. Prints one JSON object.

mod closed_loop;
mod figures;
mod gap;
mod grpc;
mod http;
mod open_loop;
mod order;
mod page;
mod put;
mod seed;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::order::Orders;
use crate::page::Pages;
use crate::put::Puts;

/// Calls over HTTP/2 allocate.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(
    about = "Closed loops of clients, or a fixed rate, against a shop, an etcd or a file server; prints one JSON object"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Publishes products of one variant each and gives them stock.
    Seed {
        #[command(flatten)]
        shop: Shop,
    },
    /// Places orders.
    Orders {
        #[command(flatten)]
        shop: Shop,
        /// Lines of each order, each another SKU.
        #[arg(long, default_value_t = 3)]
        lines: usize,
        #[command(flatten)]
        length: Length,
    },
    /// Reads pages.
    Get {
        /// HOST:PORT of each server; clients are spread over them.
        #[arg(long, value_delimiter = ',')]
        to: Vec<String>,
        /// What to ask for; `{}` becomes a number below `skus`.
        #[arg(long)]
        path: String,
        #[arg(long, default_value_t = 1)]
        skus: u32,
        /// A bearer token.
        #[arg(long)]
        token: Option<String>,
        #[command(flatten)]
        length: Length,
    },
    /// Puts values of 256 bytes by etcd's gRPC call `KV/Put`.
    Put {
        #[arg(long, value_delimiter = ',')]
        to: Vec<String>,
        #[command(flatten)]
        length: Length,
    },
}

#[derive(Args)]
struct Shop {
    /// HOST:PORT of each node; clients are spread over them.
    #[arg(long, value_delimiter = ',')]
    to: Vec<String>,
    /// A service client's access token.
    #[arg(long)]
    token: String,
    /// How many SKUs there are, named BENCH-0 and so on.
    #[arg(long, default_value_t = 10_000)]
    skus: u32,
}

#[derive(Args)]
struct Length {
    #[arg(long, default_value_t = 64)]
    clients: usize,
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Stop after so many operations, if that is sooner.
    #[arg(long)]
    operations: Option<u64>,
    /// Go on at the next server after an error or 300 ms, and tell the longest time without a success.
    #[arg(long)]
    through_failures: bool,
    /// Send so many a second, however long the answers take, on at most `clients` connections. SIGTERM ends it early.
    #[arg(long, conflicts_with_all = ["operations", "through_failures"])]
    rate: Option<f64>,
}

impl Length {
    fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.seconds.clamp(0.1, 86_400.0))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    // Without any, spans are written as log lines that nobody reads.
    tracing::subscriber::set_global_default(tracing::subscriber::NoSubscriber::default())?;
    let told = match Cli::parse().command {
        Command::Seed { shop } => seed::run(&shop).await?,
        Command::Orders { shop, lines, length } => run(&Orders::new(&shop, lines)?, &length).await?,
        Command::Get { to, path, skus, token, length } => {
            run(&Pages::new(to, &path, skus, token.as_deref()), &length).await?
        }
        Command::Put { to, length } => run(&Puts::new(to), &length).await?,
    };
    println!("{told}");
    Ok(())
}

async fn run<W: closed_loop::Work>(work: &W, length: &Length) -> Result<serde_json::Value> {
    let (clients, duration) = (length.clients, length.duration());
    match length.rate {
        Some(rate) => open_loop::measure(work, rate, clients, duration).await,
        None if length.through_failures => gap::measure(work, clients, duration).await,
        None => closed_loop::measure(work, clients, duration, length.operations).await,
    }
}
