use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::CloudEvent;
use crate::ids::RequestId;
use crate::notification::http::NotificationView;
use crate::order::queries::Step;
use crate::sms::http::SmsView;
use crate::time::Timestamp;

/// A step of an order's history: what one command did to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TimelineStepView {
    /// The index of the log entry that did it.
    pub index: u64,
    pub at: Timestamp,
    /// `system`, `guest`, `worker`, `provider`, or the id of a client or an API key.
    pub actor: String,
    pub request_id: RequestId,
    pub events: Vec<CloudEvent>,
    /// The mails that follow from these events, and what became of each until now.
    #[serde(default)]
    #[schema(required)]
    pub notifications: Vec<NotificationView>,
    /// The text messages that follow from them.
    #[serde(default)]
    #[schema(required)]
    pub sms: Vec<SmsView>,
}

impl TimelineStepView {
    /// The view of a step in a store.
    pub fn of(store: u32, step: &Step) -> Self {
        Self {
            index: step.index,
            at: step.at,
            actor: step.actor.to_string(),
            request_id: step.request,
            events: step.events.iter().map(|recorded| CloudEvent::of(store, recorded)).collect(),
            notifications: step.mails.iter().map(|(seq, mail)| (*seq, mail).into()).collect(),
            sms: step.texts.iter().map(|(seq, text)| (*seq, text).into()).collect(),
        }
    }
}
