//! The async runtime that openraft runs on: tokio, with a random source that a simulation can seed.
//!
//! Election timeouts are the only thing that openraft draws at random. In production each draw starts from the
//! operating system's randomness; [`seed_this_thread`] makes every later draw on one thread a function of a seed,
//! which, with the clock paused and everything on that thread, makes a run repeatable.

use std::{
    cell::Cell,
    future::Future,
    hash::{BuildHasher, RandomState},
    time::Duration,
};

use futures::FutureExt;
use openraft::{AsyncRuntime, OptionalSend, impls::TokioRuntime, rt::deterministic_rng::DeterministicRng};

thread_local! {
    static SEED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Makes every election timeout drawn on this thread from now on follow from `seed`.
pub fn seed_this_thread(seed: u64) {
    SEED.with(|cell| cell.set(Some(seed)));
}

fn next_seed() -> u64 {
    SEED.with(|cell| match cell.get() {
        Some(seed) => {
            cell.set(Some(splitmix(seed)));
            seed
        }
        // Each `RandomState` is keyed afresh from a per-thread random start.
        None => RandomState::new().hash_one(0u8),
    })
}

/// SplitMix64 (Steele, Lea, Flood 2014).
fn splitmix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

type Seeded = DeterministicRng<TokioRuntime>;

/// Tokio, but for the random source.
#[derive(Debug)]
pub struct Runtime(TokioRuntime);

impl AsyncRuntime for Runtime {
    type JoinError = <TokioRuntime as AsyncRuntime>::JoinError;
    type JoinHandle<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::JoinHandle<T>;
    type Sleep = <TokioRuntime as AsyncRuntime>::Sleep;
    type Instant = <TokioRuntime as AsyncRuntime>::Instant;
    type TimeoutError = <TokioRuntime as AsyncRuntime>::TimeoutError;
    type Timeout<R, T: Future<Output = R> + OptionalSend> = <TokioRuntime as AsyncRuntime>::Timeout<R, T>;
    type ThreadLocalRng = <Seeded as AsyncRuntime>::ThreadLocalRng;
    type Mpsc = <TokioRuntime as AsyncRuntime>::Mpsc;
    type Watch = <TokioRuntime as AsyncRuntime>::Watch;
    type Oneshot = <TokioRuntime as AsyncRuntime>::Oneshot;
    type Mutex<T: OptionalSend + 'static> = <TokioRuntime as AsyncRuntime>::Mutex<T>;

    fn spawn<T>(future: T) -> Self::JoinHandle<T::Output>
    where
        T: Future + OptionalSend + 'static,
        T::Output: OptionalSend + 'static,
    {
        TokioRuntime::spawn(future)
    }

    fn sleep(duration: Duration) -> Self::Sleep {
        TokioRuntime::sleep(duration)
    }

    fn sleep_until(deadline: Self::Instant) -> Self::Sleep {
        TokioRuntime::sleep_until(deadline)
    }

    fn timeout<R, F: Future<Output = R> + OptionalSend>(
        duration: Duration,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout(duration, future)
    }

    fn timeout_at<R, F: Future<Output = R> + OptionalSend>(
        deadline: Self::Instant,
        future: F,
    ) -> Self::Timeout<R, F> {
        TokioRuntime::timeout_at(deadline, future)
    }

    fn is_panic(join_error: &Self::JoinError) -> bool {
        TokioRuntime::is_panic(join_error)
    }

    fn thread_rng() -> Self::ThreadLocalRng {
        // The scope exists only to hand the seed to the generator; its future is ready at the first poll.
        match Seeded::scope(next_seed(), async { Seeded::thread_rng() }).now_or_never() {
            Some(rng) => rng,
            None => unreachable!("a future without an await is ready when polled"),
        }
    }

    fn new(threads: usize) -> Self {
        Runtime(TokioRuntime::new(threads))
    }

    fn block_on<F, T>(&mut self, future: F) -> T
    where
        F: Future<Output = T>,
    {
        self.0.block_on(future)
    }
}

#[cfg(test)]
mod tests {
    use super::{next_seed, seed_this_thread};

    #[test]
    fn a_seed_repeats_and_its_absence_does_not() {
        let free = (next_seed(), next_seed());
        assert_ne!(free.0, free.1);
        seed_this_thread(7);
        let first = (next_seed(), next_seed());
        seed_this_thread(7);
        assert_eq!(first, (next_seed(), next_seed()));
    }
}
