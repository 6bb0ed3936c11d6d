//! `shopnode compact`: gives a stopped node's state new, small files.

use std::ops::ControlFlow;

use anyhow::{Context, Result, bail};
use storage::Store;

use super::measure::Counted;
use super::space;
use crate::cli::CompactArguments;
use crate::data_dir::DataDir;
use crate::level::allow_blocks;

/// The page cache while it runs, of the old files and of the new ones each.
const CACHE_BYTES: u64 = 64 << 20;

/// Rebuilds the state. The old files are there until the new ones are whole.
///
/// # Errors
/// When the node runs, the disk has no room, or the state cannot be read or is damaged.
pub fn compact(arguments: &CompactArguments) -> Result<()> {
    let directory = DataDir::open(&arguments.data)?;
    let state = directory.state();
    let failed = || format!("cannot give the state in {} new files", state.display());
    let store = Store::open_dir(&state, CACHE_BYTES).with_context(failed)?;
    allow_blocks(&store, raft::active_version(&store.view()).with_context(failed)?);
    let without_rest = |_| ControlFlow::Continue(());
    let (live, files) = (store.live_bytes(without_rest).with_context(failed)?, store.size_bytes()?);
    if let Some(lacks) = space::lacking(&state, Counted::now(live, 0, files, None)) {
        bail!("{}: {lacks}", failed());
    }
    let rebuilt = store.rebuild(without_rest).with_context(failed)?;
    // The old files go away little by little where a node is running; nobody is held up by it here.
    drop(store);
    storage::finish_removal(&state)?;
    eprintln!(
        "{} records of {} bytes: files had {} bytes and have {}",
        rebuilt.records, rebuilt.bytes, rebuilt.size_before, rebuilt.size_after
    );
    Ok(())
}
