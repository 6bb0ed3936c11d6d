//! The bytes of everything that is on a disk: commands, events, outcomes, stored values. Each slice's are in a text file
//! beside this one, a line each: a name and the bytes in hexadecimal.
//!
//! `SHOP_GOLDEN=append cargo test -p shop --test golden` adds the lines of new names. It never changes a line. Run the
//! tests once more behind it: what looks at all files may have done so before.

#![allow(clippy::expect_used, clippy::panic, reason = "all of this is a test: that is how it fails")]

mod broker;
mod cart;
mod catalog;
mod cluster;
mod coverage;
mod frame;
mod inventory;
mod notification;
mod order;
mod payment;
mod sms;
mod user;
mod variants;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::Serialize;
use storage::Value;

/// One thing that is on a disk.
struct Golden {
    name: String,
    bytes: Vec<u8>,
    /// Whether the bytes are read back as the same thing.
    is_read_back: bool,
}

/// A command, event or outcome, which is stored inside something with a version.
fn part<T>(name: &str, value: &T) -> Golden
where
    T: Serialize + serde::de::DeserializeOwned + PartialEq,
{
    let bytes = storage::encode(value).expect("it can be encoded");
    let is_read_back = storage::decode::<T>(&bytes).expect("it can be decoded") == *value;
    Golden { name: name.to_owned(), bytes, is_read_back }
}

/// A command, under its own name.
fn command(command: impl Into<shop::Command>) -> Golden {
    let command = command.into();
    part(&format!("command {}", command.name()), &command)
}

/// An event, under its CloudEvents type.
fn event(event: shop::Event) -> Golden {
    part(&format!("event {}", event.describe().kind()), &event)
}

/// A stored value, with its version.
fn value<T: Value + PartialEq>(name: &str, value: &T) -> Golden {
    let bytes = value.encode().expect("it can be encoded");
    let is_read_back = T::decode(&bytes).expect("it can be decoded") == *value;
    Golden { name: format!("value {name}"), bytes, is_read_back }
}

/// Compares a slice's bytes with its file, and demands a line for each of its commands.
fn check(slice: &str, commands: &[&str], found: Vec<Golden>) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{slice}.txt"));
    let text = fs::read_to_string(&path).unwrap_or_default();
    let mut kept: BTreeMap<&str, &str> = text.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    let append = std::env::var("SHOP_GOLDEN").is_ok_and(|mode| mode == "append");
    let mut added = String::new();
    for name in commands {
        let wanted = format!("command {name}");
        assert!(found.iter().any(|golden| golden.name == wanted), "{slice}: add golden bytes of `{wanted}`");
    }
    for Golden { name, bytes, is_read_back } in found {
        assert!(is_read_back, "{slice}: `{name}` is not read back as what was written");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match kept.remove(name.as_str()) {
            Some(expected) => assert_eq!(
                hex, expected,
                "{slice}: `{name}` has other bytes than on the disks of those who run it: this is a format on disk: \
                 append, never change"
            ),
            None if append => added.push_str(&format!("{name} {hex}\n")),
            None => {
                panic!("{slice}: `{name}` is new: run with SHOP_GOLDEN=append and commit {}", path.display())
            }
        }
    }
    let gone: Vec<&&str> = kept.keys().collect();
    assert!(
        gone.is_empty(),
        "{slice}: {gone:?} are on disks and no longer tested: a format is never removed"
    );
    if !added.is_empty() {
        fs::write(&path, text + &added).expect("the file can be written");
    }
}

/// An id of sixteen equal bytes.
fn sixteen(byte: u8) -> [u8; 16] {
    [byte; 16]
}
