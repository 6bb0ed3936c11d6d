//! Clients that go through failures of servers, and the longest time in which none of them had a success.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::closed_loop::{Client, Work};

/// What is not answered by then is asked at the next server.
const PATIENCE: Duration = Duration::from_millis(300);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(10);

/// The last success of any client, the longest time before one, and how many there were.
struct Watch {
    last: Cell<Instant>,
    longest: Cell<Duration>,
    successes: Cell<u64>,
    failures: Cell<u64>,
}

pub async fn measure<W: Work>(work: &W, clients: usize, length: Duration) -> Result<Value> {
    let watch = Watch {
        last: Cell::new(Instant::now()),
        longest: Cell::new(Duration::ZERO),
        successes: Cell::new(0),
        failures: Cell::new(0),
    };
    let until = Instant::now() + length;
    let all = (0..clients).map(|client| keep_asking(work, client, until, &watch));
    timeout(length + Duration::from_secs(60), futures::future::join_all(all))
        .await
        .context("clients do not end")?;
    watch.note();
    Ok(json!({
        "operations": watch.successes.get(),
        "failures": watch.failures.get(),
        "gap_ms": watch.longest.get().as_secs_f64() * 1e3,
    }))
}

async fn keep_asking<W: Work>(work: &W, client: usize, until: Instant, watch: &Watch) {
    let (mut server, mut connected, mut turn) = (client, None::<W::Client>, 0);
    while Instant::now() < until {
        let attempt = async {
            if connected.is_none() {
                connected = Some(work.connect(client, server % work.servers()).await?);
            }
            let client = connected.as_mut().context("connected above")?;
            client.operate(turn).await
        };
        match timeout(PATIENCE, attempt).await {
            Ok(Ok(())) => {
                watch.note();
                watch.successes.set(watch.successes.get() + 1);
                turn += 1;
            }
            Ok(Err(_)) | Err(_) => {
                watch.failures.set(watch.failures.get() + 1);
                (connected, server) = (None, server + 1);
                tokio::time::sleep(BETWEEN_ATTEMPTS).await;
            }
        }
    }
}

impl Watch {
    /// Somebody had a success, or the end has come.
    fn note(&self) {
        let now = Instant::now();
        self.longest.set(self.longest.get().max(now - self.last.get()));
        self.last.set(now);
    }
}
