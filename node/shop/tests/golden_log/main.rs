//! Logs that were once recorded, and the state and the answers that came of them. What apply computes is a format, like
//! the log itself: a change of it has to be gated on `active_version`, and shows here if it is not.
//!
//! Each log and its results are in a file of `golden/`. `SHOP_GOLDEN=append cargo test -p shop --test golden_log`
//! records the scripts below of which there is no file; it never changes one. Run the tests once more behind it: some may
//! have looked before the file was there.

#![allow(clippy::expect_used, clippy::panic, reason = "all of this is a test: that is how it fails")]

mod answers;
mod epochs;
mod indexes;
mod money;
mod retry;
mod script;
mod sms;
mod upgrade;
mod void;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use shop::command::Envelope;
use shop::level::FIRST_LEVEL;
use shop::{EntryInfo, Reply, Shop};
use storage::{MemoryEngine, Store};

/// One entry of the log.
struct Entry {
    info: EntryInfo,
    payload: Vec<u8>,
}

/// Plays what a log was recorded from.
type Script = fn() -> Vec<Entry>;

/// The logs: their files, and what was played to record them.
const LOGS: [(&str, Script); 8] = [
    ("log", script::play),
    ("log2", upgrade::play),
    ("log3", retry::play),
    ("log4", sms::play),
    ("log4_indexes", indexes::play),
    ("log5", void::play),
    ("log6", answers::play),
    ("log7", epochs::play),
];

/// A shop in memory that applies entries in runs of a given length, as a node does after a restart.
struct Replay {
    store: Store,
    shop: Shop,
    answers: Sha256,
    /// In force for the next entry: a log begins at the first level, and the rest is in its own raises.
    active_version: u32,
}

impl Replay {
    fn new() -> Self {
        let store = Store::open(Arc::new(MemoryEngine::new())).expect("an empty store");
        Self { store, shop: Shop::default(), answers: Sha256::new(), active_version: FIRST_LEVEL }
    }

    fn run(&mut self, entries: &[Entry]) -> Vec<Reply> {
        let mut tx = self.store.begin();
        let mut replies = Vec::new();
        for entry in entries {
            let info = EntryInfo { active_version: self.active_version, ..entry.info };
            let reply = self.shop.apply(&mut tx, &info, &entry.payload).expect("no fault");
            self.active_version = self.shop.take_raised().unwrap_or(self.active_version);
            self.answers.update(storage::encode(&reply).expect("a reply"));
            replies.push(reply);
        }
        self.store.commit(tx).expect("a commit");
        replies
    }

    /// What came of it, in text.
    fn results(self) -> String {
        let mut text = String::new();
        for (prefix, table) in self.store.digest().tables() {
            let _ = writeln!(text, "table {prefix:#04x} {} {:032x}", table.count, table.sum);
        }
        let _ = writeln!(text, "answers {}", hex(&self.answers.finalize()));
        text
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digit = |place: usize| u8::from_str_radix(&text[place..place + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(digit).collect()
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"))
}

fn read(text: &str) -> (Vec<Entry>, String) {
    let (mut entries, mut results) = (Vec::new(), String::new());
    for line in text.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields.as_slice() {
            ["entry", now_ms, seed, payload] => {
                let seed = unhex(seed).try_into().expect("16 bytes");
                let now_ms = now_ms.parse().expect("milliseconds");
                let index = entries.len() as u64 + 1;
                let info = EntryInfo { index, now_ms, seed, active_version: FIRST_LEVEL };
                entries.push(Entry { info, payload: unhex(payload) });
            }
            _ => {
                results.push_str(line);
                results.push('\n');
            }
        }
    }
    (entries, results)
}

fn record(name: &str, entries: &[Entry]) {
    let mut text = String::new();
    for entry in entries {
        let EntryInfo { now_ms, seed, .. } = entry.info;
        let _ = writeln!(text, "entry {now_ms} {} {}", hex(&seed), hex(&entry.payload));
    }
    let mut replay = Replay::new();
    replay.run(entries);
    fs::write(path(name), text + &replay.results()).expect("the file can be written");
}

#[test]
fn a_recorded_log_gives_the_recorded_state() {
    for (name, play) in LOGS {
        if !path(name).exists() && std::env::var("SHOP_GOLDEN").is_ok_and(|mode| mode == "append") {
            record(name, &play());
        }
        let text = fs::read_to_string(path(name)).expect("the log is there");
        let (entries, expected) = read(&text);
        for length in [1, 7, 64, usize::MAX] {
            let mut replay = Replay::new();
            for run in entries.chunks(length) {
                replay.run(run);
                // As a restarted node: it remembers nothing.
                replay.shop.forget();
            }
            assert_eq!(
                replay.results(),
                expected,
                "{name} in runs of {length}: apply computes something else than it did: gate the change on \
                 active_version, and record another log for the new version"
            );
        }
    }
}

/// The scripts go on playing a whole shop: each of their steps is carried out or refused as it says.
#[test]
fn the_scripts_still_play() {
    for (name, play) in LOGS {
        assert!(play().len() >= 40, "{name}");
    }
}

/// What the logs are there for: every kind of command that could have been in one is.
#[test]
fn every_command_is_in_a_log() {
    let mut played = BTreeSet::new();
    for (name, _) in LOGS {
        let text = fs::read_to_string(path(name)).expect("the log is there");
        let envelopes = read(&text).0.into_iter().map(|entry| Envelope::decode(&entry.payload));
        played.extend(envelopes.map(|envelope| envelope.expect("an envelope").command.name()));
    }
    let known = [
        shop::user::Command::NAMES,
        shop::catalog::Command::NAMES,
        shop::inventory::Command::NAMES,
        shop::cart::Command::NAMES,
        shop::order::Command::NAMES,
        shop::payment::Command::NAMES,
        shop::broker::Command::NAMES,
        shop::notification::Command::NAMES,
        shop::cluster::Command::NAMES,
        shop::sms::Command::NAMES,
    ];
    let missing: Vec<&str> = known.concat().into_iter().filter(|name| !played.contains(name)).collect();
    assert!(missing.is_empty(), "in no log: {missing:?}: record another one with them");
}
