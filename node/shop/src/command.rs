//! What goes through the log: an envelope with one command. All of it is a format on disk: append-only, positional.

use serde::{Deserialize, Serialize};

use crate::actor::Actor;
use crate::ids::RequestId;
use crate::{broker, cart, catalog, cluster, inventory, notification, order, payment, sms, user};

/// How a repeated command is recognised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dedupe {
    /// Repeating it does no harm: the command checks the state it expects (workers' commands).
    Idempotent,
    /// By the request id, kept 10 minutes: a retry inside the cluster is answered, not repeated.
    Request,
    /// By the client's `Idempotency-Key`, kept 7 days.
    Key {
        /// SHA-256 of principal, method, path and key.
        scope: [u8; 32],
        /// SHA-256 of the request's body.
        fingerprint: [u8; 32],
    },
}

/// The W3C trace context that a command carries (`traceparent`): trace id, parent span id, flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
    pub flags: u8,
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The store it is for: 1 until there are more.
    pub store: u32,
    pub request: RequestId,
    pub actor: Actor,
    pub trace: Option<Trace>,
    pub dedupe: Dedupe,
    pub command: Command,
}

/// The version byte before an encoded envelope.
pub const ENVELOPE_VERSION: u8 = 1;

impl Envelope {
    pub fn encode(&self) -> Result<Vec<u8>, storage::Fault> {
        let mut bytes = vec![ENVELOPE_VERSION];
        bytes.extend(storage::encode(self)?);
        Ok(bytes)
    }

    /// The encoded form of any version up to this one. A newer one is a fault, and so is a command that is not known here:
    /// this node is too old for the log. The log guards its bytes with checksums, so that damage is found before.
    pub fn decode(bytes: &[u8]) -> Result<Self, storage::Fault> {
        match bytes.split_first() {
            Some((&ENVELOPE_VERSION, body)) => storage::decode(body).map_err(|fault| match fault {
                storage::Fault::Corrupt { detail, .. } => {
                    storage::Fault::NewerKind { what: "a command in the log", detail }
                }
                fault => fault,
            }),
            Some((&newer, _)) => Err(storage::Fault::NewerVersion {
                what: "command envelope",
                found: newer,
                known: ENVELOPE_VERSION,
            }),
            None => Err(storage::Fault::corrupt("a command envelope", "it is empty")),
        }
    }
}

/// Every command, by slice. Append-only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    User(user::Command),
    Catalog(catalog::Command),
    Inventory(inventory::Command),
    Cart(cart::Command),
    Order(order::Command),
    Payment(payment::Command),
    Broker(broker::Command),
    Notification(notification::Command),
    Cluster(cluster::Command),
    Sms(sms::Command),
}

impl Command {
    /// A stable name for metrics, logs and spans, like `order.place`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::User(command) => command.name(),
            Self::Catalog(command) => command.name(),
            Self::Inventory(command) => command.name(),
            Self::Cart(command) => command.name(),
            Self::Order(command) => command.name(),
            Self::Payment(command) => command.name(),
            Self::Broker(command) => command.name(),
            Self::Notification(command) => command.name(),
            Self::Cluster(command) => command.name(),
            Self::Sms(command) => command.name(),
        }
    }
}

impl Command {
    /// The level from which on this kind of command can be in the log: older programs do not know it, and stop at it.
    /// Whoever proposes looks at the active version first; apply refuses it below that, everywhere alike.
    pub fn needs_level(&self) -> u32 {
        match self {
            Self::User(command) => command.needs_level(),
            Self::Catalog(command) => command.needs_level(),
            Self::Inventory(command) => command.needs_level(),
            Self::Cart(command) => command.needs_level(),
            Self::Order(command) => command.needs_level(),
            Self::Payment(command) => command.needs_level(),
            Self::Broker(command) => command.needs_level(),
            Self::Notification(command) => command.needs_level(),
            Self::Cluster(command) => command.needs_level(),
            Self::Sms(command) => command.needs_level(),
        }
    }
}

macro_rules! from_slices {
    ($($variant:ident: $slice:ident,)*) => {
        $(impl From<$slice::Command> for Command {
            fn from(command: $slice::Command) -> Self {
                Self::$variant(command)
            }
        })*
    };
}

from_slices! {
    User: user,
    Catalog: catalog,
    Inventory: inventory,
    Cart: cart,
    Order: order,
    Payment: payment,
    Broker: broker,
    Notification: notification,
    Cluster: cluster,
    Sms: sms,
}

/// What every command can do: check its guards, then change the state through `ctx`. An `Err` changes nothing.
pub trait Execute {
    fn execute(&self, ctx: &mut crate::Ctx<'_, '_>) -> Result<crate::Outcome, crate::Halt>;
}

/// Declares a slice's command enum from its list of `name => module::Type` lines, in stored order. A command that came
/// later than the first level says so: `name => module::Type since 2`.
#[macro_export]
macro_rules! commands {
    ($slice:literal: $($name:literal => $module:ident::$command:ident $(since $level:literal)?,)*) => {
        $(const _: () = assert!(
            $crate::level::declared(&[$($level)?]) <= $crate::LEVELS.most,
            "a command of a level that this program does not support"
        );)*

        $(mod $module;)*
        $(pub use $module::$command;)*

        /// The commands of this slice. Stored by position: append only.
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum Command { $($command($command),)* }

        $(impl From<$command> for $crate::Command {
            fn from(command: $command) -> Self {
                Command::$command(command).into()
            }
        })*

        impl Command {
            /// The names of all commands of this slice, in stored order.
            pub const NAMES: &'static [&'static str] = &[$(concat!($slice, ".", $name),)*];

            /// A stable name for metrics, logs and spans.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$command(_) => concat!($slice, ".", $name),)* }
            }

            /// The level from which on it can be in the log.
            pub fn needs_level(&self) -> u32 {
                match self { $(Self::$command(_) => $crate::level::declared(&[$($level)?]),)* }
            }
        }

        impl $crate::command::Execute for Command {
            fn execute(&self, ctx: &mut $crate::Ctx<'_, '_>) -> Result<$crate::Outcome, $crate::Halt> {
                match self { $(Self::$command(command) => $crate::command::Execute::execute(command, ctx),)* }
            }
        }
    };
}
