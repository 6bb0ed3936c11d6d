crate::commands! {
    "notification":
    "enqueue" => enqueue::Enqueue,
    "report" => report::Report,
    "trim" => trim::TrimNotifications,
    "retry" => retry::RetryNotification since 3,
}

pub use enqueue::Item;
pub use report::Delivery;
