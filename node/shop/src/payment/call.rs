//! One call to a payment provider, and the key under which the provider carries it out at most once.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::PaymentId;

/// What a provider is asked to do. Append-only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "http", derive(utoipa::ToSchema))]
pub enum Operation {
    /// Authorise the amount; capture it too where capture is automatic.
    Authorize,
    /// Take what was authorised.
    Capture,
    /// Let go of what was authorised.
    Void,
    /// Give up a payment that waits for its customer.
    Cancel,
    /// Give money back.
    Refund,
}

impl Operation {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Cancel => "cancel",
            Self::Refund => "refund",
        }
    }
}

/// One call. Its text is the provider's idempotency key, `{attempt}:{operation}:{sequence}`: whoever repeats the call,
/// on whichever node, sends the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    pub payment: PaymentId,
    pub operation: Operation,
    /// Counts the attempt's calls that were not repetitions, from 1; of a refund, its ordinal in the order.
    pub sequence: u16,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.payment, self.operation.as_str(), self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::{Call, Operation};
    use crate::ids::PaymentId;

    #[test]
    fn the_key_names_attempt_operation_and_sequence() {
        let call = Call { payment: PaymentId([0; 16]), operation: Operation::Capture, sequence: 2 };
        assert_eq!(call.to_string(), "pay_00000000000000000000000000:capture:2");
    }
}
