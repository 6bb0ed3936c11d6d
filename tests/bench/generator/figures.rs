//! Times of operations, and what is told of them.

use std::time::Duration;

use serde_json::{Value, json};

/// The time of each operation, in microseconds.
#[derive(Default)]
pub struct Times(Vec<u32>);

impl Times {
    pub fn add(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    pub fn extend(&mut self, other: Times) {
        self.0.extend(other.0);
    }

    /// Throughput over `wall`, and the times that 50, 95 and 99 of 100 operations took at most.
    pub fn told(mut self, wall: Duration) -> Value {
        self.0.sort_unstable();
        json!({
            "operations": self.0.len(),
            "seconds": wall.as_secs_f64(),
            "per_second": self.0.len() as f64 / wall.as_secs_f64(),
            "p50_ms": self.at(0.50),
            "p95_ms": self.at(0.95),
            "p99_ms": self.at(0.99),
            "max_ms": self.at(1.0),
        })
    }

    /// Of sorted times.
    fn at(&self, share: f64) -> Option<f64> {
        let last = self.0.len().checked_sub(1)?;
        let place = ((self.0.len() as f64 * share) as usize).min(last);
        self.0.get(place).map(|micros| f64::from(*micros) / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_taken_from_sorted_times() {
        let mut times = Times::default();
        (1..=100).rev().for_each(|ms| times.add(Duration::from_millis(ms)));
        let told = times.told(Duration::from_secs(2));
        assert_eq!(told["per_second"], 50.0);
        assert_eq!(told["p50_ms"], 51.0);
        assert_eq!(told["p99_ms"], 100.0);
        assert_eq!(Times::default().told(Duration::from_secs(1))["p50_ms"], Value::Null);
    }
}
