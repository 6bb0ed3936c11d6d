//! Clients that ask again as soon as they are answered.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;
use tokio::task::LocalSet;

use crate::figures::Times;

/// What clients do.
pub trait Work {
    type Client: Client + 'static;

    /// How many servers there are.
    fn servers(&self) -> usize;

    /// Connects a client to one of the servers.
    async fn connect(&self, client: usize, server: usize) -> Result<Self::Client>;
}

/// One client, connected to one server.
pub trait Client {
    /// Does operation number `turn` of this client, and waits for the answer. Doing it again must do no harm.
    ///
    /// # Errors
    /// Anything but the success that was asked for.
    async fn operate(&mut self, turn: u64) -> Result<()>;
}

/// An operation that takes longer ends the measurement: a server that hangs must not hang the bench.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// All clients for `length`, or until they have done `operations` together. The first error ends it.
pub async fn measure<W: Work>(
    work: &W,
    clients: usize,
    length: Duration,
    operations: Option<u64>,
) -> Result<Value> {
    let mut connected = Vec::with_capacity(clients);
    for client in 0..clients {
        connected.push(work.connect(client, client % work.servers()).await?);
    }
    let left = Rc::new(std::cell::Cell::new(operations.unwrap_or(u64::MAX)));
    let local = LocalSet::new();
    let began = Instant::now();
    let tasks: Vec<_> = connected
        .into_iter()
        .map(|client| local.spawn_local(keep_asking(client, began + length, left.clone())))
        .collect();
    let all = local.run_until(async {
        let mut all = Times::default();
        for task in tasks {
            all.extend(task.await??);
        }
        anyhow::Ok(all)
    });
    let all = all.await?;
    Ok(all.told(began.elapsed()))
}

async fn keep_asking<C: Client>(
    mut client: C,
    until: Instant,
    left: Rc<std::cell::Cell<u64>>,
) -> Result<Times> {
    let mut times = Times::default();
    let mut now = Instant::now();
    for turn in 0.. {
        if now >= until || left.get() == 0 {
            break;
        }
        left.set(left.get() - 1);
        tokio::time::timeout(PATIENCE, client.operate(turn)).await.context("no answer within a minute")??;
        let done = Instant::now();
        times.add(done - now);
        now = done;
    }
    Ok(times)
}
