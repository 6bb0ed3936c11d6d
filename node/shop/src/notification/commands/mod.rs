crate::commands! {
    "notification":
    "enqueue" => enqueue::Enqueue,
    "report" => report::Report,
    "trim" => trim::TrimNotifications,
    "retry" => retry::RetryNotification since 3,
    "index_statuses" => index_statuses::IndexStatuses since 4,
}

pub use enqueue::Item;
pub use report::Delivery;
