//! The machine of these tests: it writes down what it was told, in order.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use raft::{Entry, Host, Machine};
use storage::{Fault, Read, Span, Table, Txn, versioned};

/// One line for each command, by its index in the log.
pub struct Lines;

impl Table for Lines {
    const PREFIX: u8 = 0x20;
    const NAME: &'static str = "lines";
    type Key = u64;
    type Value = Line;
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Line {
    pub command: Vec<u8>,
    pub now_ms: u64,
    pub seed: [u8; 16],
}
versioned!(Line, 1);

/// How many lines there are: makes the answer to a command depend on all before it.
pub struct Count;

impl Table for Count {
    const PREFIX: u8 = 0x21;
    const NAME: &'static str = "counts";
    type Key = ();
    type Value = Number;
}

#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Number(pub u64);
versioned!(Number, 1);

pub struct Journal {
    /// Snapshots installed, over all lives of all nodes.
    pub installs: Arc<AtomicU64>,
}

impl Machine for Journal {
    fn apply(&mut self, tx: &mut Txn<'_>, entry: &Entry<'_>) -> Result<Vec<u8>, Fault> {
        let count = tx.get::<Count>(&())?.map_or(0, |number| number.0) + 1;
        tx.put::<Count>(&(), &Number(count))?;
        let line = Line { command: entry.payload.to_vec(), now_ms: entry.now_ms, seed: entry.seed };
        tx.insert::<Lines>(&entry.index, &line)?;
        Ok(count.to_be_bytes().to_vec())
    }

    fn committed(&mut self, _index: u64) {}

    fn restored(&mut self, _index: u64) {
        self.installs.fetch_add(1, Ordering::Relaxed);
    }
}

/// Everything that a node has written down.
pub fn lines(host: &Host) -> Vec<(u64, Line)> {
    let view = host.view();
    view.scan::<Lines>(Span::all()).collect::<Result<_, _>>().unwrap()
}

pub fn line(host: &Host, index: u64) -> Option<Line> {
    host.view().get::<Lines>(&index).unwrap()
}
