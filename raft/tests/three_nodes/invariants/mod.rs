//! What must hold at the end of every run.

pub mod digests_agree;
pub mod no_acked_write_lost;
pub mod progress_after_healing;
pub mod same_order_everywhere;
pub mod time_never_runs_back;
