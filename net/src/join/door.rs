//! The side that answers: bounded in number, rate, size and time, because whoever asks has proved nothing.

use std::{
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use quinn::Connection;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::{MAX_REQUEST_BYTES, Registrar};
use crate::quic::{CLOSE_BUSY, CLOSE_UNWELCOME};

/// Exchanges at one time.
const AT_ONCE: usize = 8;
/// Exchanges in a row, and how long one more takes to be allowed after that.
const BURST: u32 = 20;
const REFILL: Duration = Duration::from_millis(250);
/// A request must have arrived by then.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);
/// An answer must have been found by then: a command goes through the log meanwhile.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// How long the answer may take to arrive.
const GOODBYE_LIMIT: Duration = Duration::from_secs(5);

/// Where those who have no certificate are answered.
pub(crate) struct Door {
    registrar: RwLock<Option<Arc<dyn Registrar>>>,
    slots: Semaphore,
    allowance: Mutex<Allowance>,
}

impl Default for Door {
    fn default() -> Door {
        let allowance = Mutex::new(Allowance { left: BURST, since: None });
        Door { registrar: RwLock::default(), slots: Semaphore::new(AT_ONCE), allowance }
    }
}

impl Door {
    /// Who answers from now on; `None`: nobody.
    pub(crate) fn open_to(&self, registrar: Option<Arc<dyn Registrar>>) {
        *self.registrar.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = registrar;
    }

    /// Serves one connection: one request, one answer, and the end.
    pub(crate) async fn serve(&self, connection: Connection) {
        let registrar = self.registrar.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        let Some(registrar) = registrar else {
            return connection.close(CLOSE_UNWELCOME.into(), b"this node enrols nobody");
        };
        let Some(_slot) = self.admit() else {
            tracing::warn!(from = %connection.remote_address(), "too many ask to join");
            return connection.close(CLOSE_BUSY.into(), b"busy");
        };
        if let Err(why) = answer(&connection, registrar.as_ref()).await {
            tracing::debug!(from = %connection.remote_address(), why, "join exchange failed");
            connection.close(CLOSE_UNWELCOME.into(), why.as_bytes());
        }
    }

    fn admit(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        let slot = self.slots.try_acquire().ok()?;
        let mut allowance = self.allowance.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        allowance.take(Instant::now()).then_some(slot)
    }
}

async fn answer(connection: &Connection, registrar: &dyn Registrar) -> Result<(), &'static str> {
    let request = async {
        let (tx, mut rx) = connection.accept_bi().await.map_err(|_| "no request came")?;
        let request =
            rx.read_to_end(MAX_REQUEST_BYTES).await.map_err(|_| "the request was cut off or too long")?;
        Ok::<_, &'static str>((tx, request))
    };
    let (mut tx, request) =
        timeout(REQUEST_LIMIT, request).await.map_err(|_| "no request came in time")??;
    let answer = registrar.register(connection.remote_address(), request.into());
    let answer = timeout(ANSWER_LIMIT, answer).await.map_err(|_| "no answer was found in time")?;
    let send = async {
        tx.write_chunk(answer).await.map_err(|_| "the answer was not taken")?;
        let _ = tx.finish();
        // The one who asked closes, once it has all.
        connection.closed().await;
        Ok(())
    };
    timeout(GOODBYE_LIMIT, send).await.map_err(|_| "the answer was not taken in time")?
}

/// A bucket of exchanges that fills up again.
struct Allowance {
    left: u32,
    /// When it was full last, or was last filled by one.
    since: Option<Instant>,
}

impl Allowance {
    fn take(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let refilled = now.saturating_duration_since(since).as_millis() / REFILL.as_millis();
        let refilled = u32::try_from(refilled).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(refilled).min(BURST);
        self.since = Some(if self.left == BURST { now } else { since + REFILL * refilled });
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{Allowance, BURST, REFILL};

    #[test]
    fn a_burst_and_then_a_trickle() {
        let begin = Instant::now();
        let mut allowance = Allowance { left: BURST, since: None };
        let taken = (0..100).filter(|_| allowance.take(begin)).count();
        assert_eq!(taken, BURST as usize);
        assert!(!allowance.take(begin + REFILL / 2));
        assert!(allowance.take(begin + REFILL) && !allowance.take(begin + REFILL));
        // What is not used is not kept beyond one burst.
        let later = begin + REFILL * 1_000;
        assert_eq!((0..100).filter(|_| allowance.take(later)).count(), BURST as usize);
    }
}
