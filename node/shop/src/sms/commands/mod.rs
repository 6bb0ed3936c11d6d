use storage::Fault;

use super::{Message, Messages, MessagesDue, State};
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

/// Gives a message that is there another state, and its place in the queue.
fn change(ctx: &mut Ctx<'_, '_>, seq: u64, message: &mut Message, state: State) -> Result<(), Fault> {
    if let Some(at) = message.state.due_at() {
        ctx.tx.delete::<MessagesDue>(&(at, seq))?;
    }
    message.state = state;
    if let Some(at) = message.state.due_at() {
        ctx.tx.put::<MessagesDue>(&(at, seq), &Present)?;
    }
    ctx.tx.put::<Messages>(&seq, message)
}
