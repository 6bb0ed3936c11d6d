//! Arrivals at a fixed rate, however long the answers take: when each is due is known in advance, and its time counts from then. A
//! server that hangs makes every arrival late that came meanwhile, which a closed loop would not have sent.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until, timeout};

use crate::closed_loop::{Client, PATIENCE, Work};
use crate::figures::Times;

/// What is sent later than this is told as late. Less would count the timer, which knows milliseconds.
const LATE: Duration = Duration::from_millis(5);
/// A connection that nobody needed for so long is not used again: servers close those that are idle, ours after 75 s.
const FRESH: Duration = Duration::from_secs(30);
const MOST_A_SECOND: f64 = 100_000.0;

/// Connections of one server that nobody uses, with when that began; the latest is last.
type Idle<C> = Vec<(C, Instant)>;

/// `rate` operations a second for `length`, or until SIGTERM, on at most so many connections. What was due by then is still sent
/// and waited for. The first error ends it.
pub async fn measure<W: Work>(work: &W, rate: f64, connections: usize, length: Duration) -> Result<Value> {
    ensure!(rate > 0.0 && rate <= MOST_A_SECOND && connections > 0, "a rate up to {MOST_A_SECOND}");
    let mut terminated = signal(SignalKind::terminate())?;
    let mut idle: Vec<Idle<W::Client>> = (0..work.servers()).map(|_| Idle::new()).collect();
    let (mut times, mut late, mut arrival) = (Times::default(), 0_u64, 0_u64);
    let mut under_way = FuturesUnordered::new();
    let began = Instant::now();
    let (mut due, mut end) = (began, began + length);
    while due < end || !under_way.is_empty() {
        tokio::select! {
            biased;
            _ = terminated.recv() => end = end.min(Instant::now()),
            Some(done) = under_way.next() => {
                let (client, server, took): (W::Client, usize, Duration) = done?;
                times.add(took);
                idle[server].push((client, Instant::now()));
            }
            () = sleep_until(due), if due < end && under_way.len() < connections => {
                late += u64::from(due.elapsed() > LATE);
                let server = arrival as usize % work.servers();
                under_way.push(operate(work, take(&mut idle[server]), server, arrival, due));
                arrival += 1;
                // From the beginning, not from the one before: what is rounded must not add up.
                due = began + Duration::from_secs_f64(arrival as f64 / rate);
            }
        }
    }
    let mut told = times.told(began.elapsed());
    told["late"] = late.into();
    Ok(told)
}

/// The connection that was used last: so there are only as many as are needed.
fn take<C>(idle: &mut Idle<C>) -> Option<C> {
    idle.pop().filter(|(_, since)| since.elapsed() < FRESH).map(|(client, _)| client)
}

/// One operation, on a new connection if no other is free; how long it took since it was due.
async fn operate<W: Work>(
    work: &W,
    free: Option<W::Client>,
    server: usize,
    arrival: u64,
    due: Instant,
) -> Result<(W::Client, usize, Duration)> {
    let whole = async {
        let mut client = match free {
            Some(client) => client,
            None => work.connect(arrival as usize, server).await?,
        };
        client.operate(arrival).await?;
        anyhow::Ok(client)
    };
    let client = timeout(PATIENCE, whole).await.context("no answer within a minute")??;
    Ok((client, server, due.elapsed()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Two servers that take `delay` for everything.
    struct Slow {
        delay: Duration,
        connected: Cell<u64>,
    }

    struct Waiting(Duration);

    impl Work for Slow {
        type Client = Waiting;

        fn servers(&self) -> usize {
            2
        }

        async fn connect(&self, _client: usize, _server: usize) -> Result<Waiting> {
            self.connected.set(self.connected.get() + 1);
            Ok(Waiting(self.delay))
        }
    }

    impl Client for Waiting {
        async fn operate(&mut self, _turn: u64) -> Result<()> {
            tokio::time::sleep(self.0).await;
            Ok(())
        }
    }

    fn slow(ms: u64) -> Slow {
        Slow { delay: Duration::from_millis(ms), connected: Cell::new(0) }
    }

    #[tokio::test]
    async fn what_waits_for_a_connection_waits_since_it_was_due() {
        // Ten are due within 90 ms, and the one connection takes 30 ms for each.
        let told = measure(&slow(30), 100.0, 1, Duration::from_millis(95)).await.unwrap();
        assert_eq!(told["operations"], 10);
        assert!(told["max_ms"].as_f64().unwrap() >= 200.0, "{told}");
        assert!(told["late"].as_u64().unwrap() >= 8, "{told}");
    }

    #[tokio::test]
    async fn connections_are_made_when_none_is_free_and_used_again() {
        let servers = slow(200);
        let told = measure(&servers, 100.0, 256, Duration::from_millis(95)).await.unwrap();
        assert_eq!((&told["operations"], servers.connected.get()), (&10.into(), 10));
        let servers = slow(0);
        let told = measure(&servers, 20.0, 256, Duration::from_millis(475)).await.unwrap();
        assert_eq!(told["operations"], 10);
        assert!((2..10).contains(&servers.connected.get()), "{}", servers.connected.get());
    }
}
