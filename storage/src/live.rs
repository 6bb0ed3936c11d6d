//! How much there is: the bytes of all keys and values, against which the size of the files is held.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::engine::{Direction, KeyRange};
use crate::fault::Fault;
use crate::store::Store;

/// A piece of the walk ends after so many records, or so many bytes.
const PIECE_RECORDS: usize = 2_048;
const PIECE_BYTES: u64 = 256 << 10;

impl Store {
    /// Counts the bytes of all keys and values by walking over them, while commits go on: what changes meanwhile is counted as
    /// the walk meets it. It blocks on the disk; `rest` is as in [`Store::rebuild`].
    ///
    /// # Errors
    /// [`Fault::BrokenOff`], and whatever keeps the records from being read.
    pub fn live_bytes(&self, mut rest: impl FnMut(Duration) -> ControlFlow<()>) -> Result<u64, Fault> {
        // The engine of this moment: an install meanwhile makes the figure that of the state before.
        let engine = self.engine();
        let (mut total, mut start) = (0, Vec::new());
        loop {
            let began = Instant::now();
            let (mut piece, mut last) = (0, None);
            let range = KeyRange { start, end: None };
            for record in engine.scan(range, Direction::Forward).take(PIECE_RECORDS) {
                let (key, value) = record?;
                piece += (key.len() + value.len()) as u64;
                last = Some(key);
                if piece >= PIECE_BYTES {
                    break;
                }
            }
            let Some(last) = last else { return Ok(total) };
            total += piece;
            // The smallest key behind the last one.
            start = [&*last, &[0]].concat();
            if rest(began.elapsed()).is_break() {
                return Err(Fault::BrokenOff);
            }
        }
    }
}
