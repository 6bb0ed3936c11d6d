//! What no program should do to a node's files: tests of recovery begin with it. The node must be stopped.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use shop::broker::{Settings, SettingsTable};
use storage::{Read, Scope, Store};

const CACHE_BYTES: u64 = 8 << 20;

/// Changes one record of the state, as a wrong apply would: together with its digest. Returns the shop's name as it is there now.
///
/// # Errors
/// When the state cannot be opened.
pub fn another_shop_name(data: &Path) -> Result<String> {
    let store = Store::open_dir(&data.join("state"), CACHE_BYTES)?;
    let mut txn = store.begin();
    txn.set_scope(Scope(1));
    let settings = txn.get::<SettingsTable>(&())?.unwrap_or_default();
    let settings = Settings { store_name: format!("{} astray", settings.store_name), ..settings };
    txn.put::<SettingsTable>(&(), &settings)?;
    store.commit(txn)?;
    store.flush()?;
    Ok(settings.store_name)
}

/// The engine's main file.
///
/// # Errors
/// When there is no state.
pub fn engine_file(data: &Path) -> Result<PathBuf> {
    let state = data.join("state");
    let generation = std::fs::read_to_string(state.join("CURRENT"))?;
    Ok(state.join(generation.trim()).join("db"))
}

/// Overwrites the engine's file, as a failing disk does.
///
/// # Errors
/// When it cannot be written.
pub fn scratch(data: &Path) -> Result<()> {
    let path = engine_file(data)?;
    let length = std::fs::metadata(&path)?.len();
    let mut file = OpenOptions::new().write(true).open(&path).context("the engine's file")?;
    file.write_all(&vec![0xa5; length as usize])?;
    Ok(file.sync_all()?)
}

/// Removes the engine's file.
///
/// # Errors
/// When it cannot be removed.
pub fn lose(data: &Path) -> Result<()> {
    Ok(std::fs::remove_file(engine_file(data)?)?)
}
