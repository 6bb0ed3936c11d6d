//! Notifications: which mails follow from which events, and what became of each. The mail itself is made and sent by a
//! worker outside; here is only what every replica must agree on.

mod commands;
mod event;
#[cfg(feature = "http")]
pub mod http;
mod model;
pub mod queries;
#[cfg(test)]
mod tests;

pub use commands::{Command, Delivery, Enqueue, Item, Report, RetryNotification, TrimNotifications};
pub use event::Event;
pub use model::{Cursor, Kind, Notification, Notifications, NotificationsDue, Position, State, Status};

/// The queue whose lease the notification worker holds.
pub const QUEUE: &str = "notifications";
