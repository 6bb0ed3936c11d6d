//! A refusal: deterministic, from apply, the same on every replica. It becomes a 4xx and changes nothing.

use serde::{Deserialize, Serialize};

use crate::codes::Code;

/// Where in the request the trouble is: a JSON Pointer (RFC 6901) into its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    pub pointer: String,
    pub code: Code,
    pub detail: String,
}

/// Why a command was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    pub code: Code,
    /// What failed, on which object, for a person. Never a secret, never personal data.
    pub detail: String,
    pub errors: Vec<At>,
}

impl Rejection {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), errors: Vec::new() }
    }

    /// The same, pointing at one member of the body.
    pub fn at(code: Code, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(code, detail).and(pointer)
    }

    /// Adds a place, with this rejection's own code and detail.
    pub fn and(mut self, pointer: impl Into<String>) -> Self {
        self.errors.push(At { pointer: pointer.into(), code: self.code, detail: self.detail.clone() });
        self
    }

    /// One rejection of several places; `None` if there is none. At most 100 places are told.
    pub fn of_all(code: Code, detail: &str, mut errors: Vec<At>) -> Option<Self> {
        errors.truncate(100);
        (!errors.is_empty()).then(|| Self { code, detail: detail.to_owned(), errors })
    }
}

/// Why a command's execution stopped: refused (the state is rolled back, the log goes on) or a fault (the node stops).
#[derive(Debug)]
pub enum Halt {
    Rejected(Rejection),
    Fault(storage::Fault),
}

impl From<Rejection> for Halt {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl From<storage::Fault> for Halt {
    fn from(fault: storage::Fault) -> Self {
        Self::Fault(fault)
    }
}
