//! How what is large is done beside what is urgent: in small pieces, with a rest after each, so that buyers notice nothing.

use std::time::Duration;

/// After each piece the disk is left to others for so many times as long as the piece took, and at most for so long.
const REST_FACTOR: u32 = 3;
pub const LONGEST_REST: Duration = Duration::from_millis(200);

/// How long to rest after a piece that took so long.
pub fn rest_after(took: Duration) -> Duration {
    (took * REST_FACTOR).min(LONGEST_REST)
}
