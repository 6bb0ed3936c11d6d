//! This node's clock among the others'.

use prometheus::{Error, Gauge, IntGauge};

use super::Register;

#[derive(Debug)]
pub struct ClockMetrics {
    offset: Gauge,
    compared: IntGauge,
}

impl ClockMetrics {
    pub(super) fn new(register: &Register) -> Result<ClockMetrics, Error> {
        let offset =
            "How far this node's clock is ahead of the median of all that were compared; 0 while none were.";
        let compared =
            "Clocks compared lately, this node's own included; with fewer than 3 nothing is judged.";
        Ok(ClockMetrics {
            offset: register.seconds("clock_offset_seconds", offset)?,
            compared: register.gauge("clocks_compared", compared)?,
        })
    }

    /// Notes a comparison; without an offset there were too few clocks.
    pub fn compared(&self, clocks: usize, ahead_ms: Option<i64>) {
        self.compared.set(clocks as i64);
        self.offset.set(ahead_ms.unwrap_or(0) as f64 / 1_000.0);
    }
}
