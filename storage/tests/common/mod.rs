//! Tables for tests, and the whole contents of a store.

#![allow(dead_code, reason = "every test program uses some of it")]

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use serde::{Deserialize, Serialize};
use storage::{Direction, Export, Fault, KeyRange, Raw, ReadBytes, Store, Table, versioned};

/// Some bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body(pub String);
versioned!(Body, 1);

/// A counter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Count(pub u64);
versioned!(Count, 1);

macro_rules! table {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $key:ty => $value:ty) => {
        $(#[$doc])*
        pub struct $name;

        impl Table for $name {
            const PREFIX: u8 = $prefix;
            const NAME: &'static str = stringify!($name);
            type Key = $key;
            type Value = $value;
        }
    };
}

table!(
    /// Local: neither digested nor exported.
    Marks, 0x01, u8 => Count
);
table!(
    /// Replicated.
    Items, 0x20, (u16, String) => Body
);
table!(
    /// Replicated.
    Counters, 0x21, u64 => Count
);

/// How a directory is opened.
pub type Open = fn(&Path) -> Result<Store, Fault>;

/// The store of a directory, in blocks.
#[cfg(feature = "sled")]
pub fn open_in_blocks(directory: &Path) -> Result<Store, Fault> {
    let store = Store::open_dir(directory, 0)?;
    store.allow_blocks();
    if store.wants_blocks() {
        store.rebuild(|_| ControlFlow::Continue(()))?;
    }
    Ok(store)
}

/// Every record with a prefix from `from` on.
pub fn records(store: &Store, from: u8) -> Vec<(Raw, Raw)> {
    let view = store.view();
    let range = KeyRange { start: vec![from], end: None };
    view.scan_bytes(range, Direction::Forward).collect::<Result<_, _>>().unwrap()
}

/// Every replicated record.
pub fn replicated(store: &Store) -> Vec<(Raw, Raw)> {
    records(store, 0x10)
}

/// All frames of an export.
pub fn frames(export: &Export, note: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = export.reader(note).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        frames.push(frame);
    }
    frames
}

/// A line on standard output that test harnesses do not hold back.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}
