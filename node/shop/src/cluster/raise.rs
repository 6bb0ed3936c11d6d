//! Each raise of the active version: which program it took, and when. The version in force is the log's own record.

use serde::{Deserialize, Serialize};

use crate::table;
use crate::time::Timestamp;

table!(
    /// Raises, by the active version that they brought.
    Raises, RAISES, u32 => Raise
);

/// How the active version was raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Raise {
    /// The version of the program that proposed it: that one or a later one supports it.
    pub program: String,
    pub at: Timestamp,
}

storage::versioned!(Raise, 1);
