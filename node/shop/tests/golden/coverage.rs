//! Nothing that is on a disk is without golden bytes: every command, event and outcome, and every table's value.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use shop::{broker, cart, catalog, cluster, inventory, notification, order, payment, sms, tables, user};
use storage::Table;

use crate::variants::variants;

/// Every golden line: what it is of, and the bytes in hexadecimal.
fn lines() -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = fs::read_dir(folder).expect("the folder is there").map(|file| file.expect("a file").path());
    // The logs have no names.
    let is_of_lines = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.ends_with(".txt") && !name.starts_with("log")
    };
    let texts = files.filter(is_of_lines).map(|path| fs::read_to_string(path).expect("a text"));
    let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    lines
        .filter_map(|line| line.rsplit_once(' ').map(|(name, hex)| (name.to_owned(), hex.to_owned())))
        .collect()
}

/// Demands a line `word …` for every variant of every slice's enum in `T`: its first two bytes are their positions.
fn check<T: DeserializeOwned>(word: &str) {
    let lines = lines();
    let slices = variants::<T>(None);
    assert!(slices.len() > 5, "{word}: the slices are not found");
    let mut found = 0;
    for (slice, slice_name) in (0..).zip(slices) {
        for (position, variant) in variants::<T>(Some(slice)).iter().enumerate() {
            let begins = format!("{slice:02x}{position:02x}");
            let is_it = |(name, hex): &(String, String)| {
                name.starts_with(&format!("{word} ")) && hex.starts_with(&begins)
            };
            assert!(lines.iter().any(is_it), "add golden bytes of the {word} {slice_name}::{variant}");
            found += 1;
        }
    }
    assert!(found > slices.len(), "{word}: the slices' variants are not found");
}

#[test]
fn every_command_has_golden_bytes() {
    check::<shop::Command>("command");
}

#[test]
fn every_event_has_golden_bytes() {
    check::<shop::Event>("event");
}

#[test]
fn every_outcome_has_golden_bytes() {
    check::<shop::Outcome>("outcome");
}

/// A stock movement's reason makes its event's kind.
#[test]
fn every_reason_of_a_movement_has_golden_bytes() {
    let names: BTreeSet<String> = lines().into_iter().map(|(name, _)| name).collect();
    for reason in variants::<inventory::Reason>(None) {
        let wanted = format!("reason {reason}");
        assert!(names.contains(&wanted), "add golden bytes of `{wanted}`");
    }
}

macro_rules! tables {
    ($($table:ty,)*) => {
        vec![$((<$table>::PREFIX, <$table>::NAME, std::any::type_name::<<$table as Table>::Value>()),)*]
    };
}

#[test]
fn every_table_s_value_has_golden_bytes() {
    let tables = tables![
        broker::Events,
        broker::Replies,
        broker::RepliesByEpoch,
        broker::Topics,
        broker::Groups,
        broker::Offsets,
        broker::SettingsTable,
        broker::Leases,
        broker::Jobs,
        user::Clients,
        user::ApiKeys,
        user::Customers,
        user::CustomersByEmail,
        user::CustomersByOwner,
        user::SigningKeys,
        catalog::Products,
        catalog::ProductsBySlug,
        catalog::ProductsByStatus,
        catalog::ProductsByCategory,
        catalog::Skus,
        catalog::Categories,
        inventory::Locations,
        inventory::Stock,
        cart::Carts,
        order::Orders,
        order::OrdersByStatus,
        order::OrdersByCustomer,
        payment::PaymentWork,
        payment::UnmatchedObjects,
        payment::PaymentsByState,
        payment::StatesIndexed,
        notification::Notifications,
        notification::NotificationsDue,
        notification::Cursor,
        notification::NotificationsByStatus,
        notification::StatusesIndexed,
        cluster::Nodes,
        cluster::JoinTokens,
        cluster::Authorities,
        cluster::ClusterSettingsTable,
        cluster::Raises,
        sms::Messages,
        sms::MessagesDue,
        sms::MessagesByStatus,
        sms::Cursor,
    ];
    let lines = lines();
    let has_line = |value: &str| {
        let wanted = format!("value {value}");
        lines.iter().any(|(name, _)| *name == wanted || name.starts_with(&format!("{wanted} ")))
    };
    for (_, table, value) in &tables {
        let value = value.rsplit("::").next().unwrap_or_default();
        assert!(has_line(value), "add golden bytes of `value {value}`, which {table} has");
    }
    let listed: BTreeSet<u8> = tables.iter().map(|(prefix, _, _)| *prefix).collect();
    let known: BTreeSet<u8> = tables::ALL.iter().copied().collect();
    assert_eq!((tables.len(), tables::ALL.len()), (listed.len(), known.len()), "a prefix is one table's own");
    assert_eq!(listed, known, "list the new table here, and add golden bytes of its value");
}
