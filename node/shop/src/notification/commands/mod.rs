crate::commands! {
    "notification":
    "enqueue" => enqueue::Enqueue,
    "report" => report::Report,
    "trim" => trim::TrimNotifications,
}

pub use enqueue::Item;
pub use report::Delivery;
