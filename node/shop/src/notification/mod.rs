//! Notifications: which mails follow from which events, and what became of each. The mail itself is made and sent by a
//! worker outside; here is only what every replica must agree on.

mod commands;
mod event;
#[cfg(feature = "http")]
pub mod http;
mod model;
pub mod queries;
mod record;
#[cfg(test)]
mod tests;

pub use commands::{
    Command, Delivery, Enqueue, IndexStatuses, Item, Report, RetryNotification, TrimNotifications,
};
pub use event::Event;
pub use model::{
    Cursor, IndexProgress, Kind, Notification, Notifications, NotificationsByStatus, NotificationsDue,
    Position, State, Status, StatusesIndexed,
};

/// The queue whose lease the notification worker holds.
pub const QUEUE: &str = "notifications";
