use storage::Fault;

use super::{Message, Messages, MessagesByStatus, MessagesDue, State};
use crate::Ctx;
use crate::tables::Present;

crate::commands! {
    "sms":
    "enqueue" => enqueue::EnqueueMessages since 4,
    "begin" => begin::BeginMessages since 4,
    "report" => report::ReportMessages since 4,
    "retry" => retry::RetryMessage since 4,
    "trim" => trim::TrimMessages since 4,
}

pub use begin::MAX_BEGUN;
pub use enqueue::Item;
pub use report::{Ended, Finding};

/// Gives a message that is there another state, and its places in the queue and the list by status.
fn change(ctx: &mut Ctx<'_, '_>, seq: u64, message: &mut Message, state: State) -> Result<(), Fault> {
    unlist(ctx, seq, message)?;
    message.state = state;
    store(ctx, seq, message)
}

/// Stores a message that is in neither of them.
fn store(ctx: &mut Ctx<'_, '_>, seq: u64, message: &Message) -> Result<(), Fault> {
    if let Some(at) = message.state.due_at() {
        ctx.tx.put::<MessagesDue>(&(at, seq), &Present)?;
    }
    ctx.tx.put::<MessagesByStatus>(&(message.state.status().key(), seq), &Present)?;
    ctx.tx.put::<Messages>(&seq, message)
}

fn unlist(ctx: &mut Ctx<'_, '_>, seq: u64, message: &Message) -> Result<(), Fault> {
    if let Some(at) = message.state.due_at() {
        ctx.tx.delete::<MessagesDue>(&(at, seq))?;
    }
    ctx.tx.delete::<MessagesByStatus>(&(message.state.status().key(), seq))?;
    Ok(())
}
