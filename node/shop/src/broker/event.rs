//! What the broker itself tells (topic `platform`), and what partners publish (their topics).

use serde::{Deserialize, Serialize};

use crate::broker::JobStatus;
use crate::event::Describe;
use crate::ids::JobId;

/// Events of this slice. Stored by position: append only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// By somebody outside, to a topic of their own.
    Published {
        topic: String,
        kind: String,
        key: String,
        /// JSON.
        data: String,
    },
    TopicCreated {
        topic: String,
    },
    SettingsUpdated {
        revision: u64,
    },
    JobCompleted {
        job: JobId,
        status: JobStatus,
    },
}

impl Describe for Event {
    fn kind(&self) -> String {
        let kind = match self {
            Self::Published { kind, .. } => kind,
            Self::TopicCreated { .. } => "shopnode.topic.created.v1",
            Self::SettingsUpdated { .. } => "shopnode.settings.updated.v1",
            Self::JobCompleted { .. } => "shopnode.job.completed.v1",
        };
        kind.to_owned()
    }

    fn topic(&self) -> &str {
        match self {
            Self::Published { topic, .. } => topic,
            Self::TopicCreated { .. } | Self::SettingsUpdated { .. } | Self::JobCompleted { .. } => {
                "platform"
            }
        }
    }

    fn key(&self) -> String {
        match self {
            Self::Published { key, .. } => key.clone(),
            Self::TopicCreated { topic } => topic.clone(),
            Self::SettingsUpdated { .. } => "settings".to_owned(),
            Self::JobCompleted { job, .. } => job.to_string(),
        }
    }

    #[cfg(feature = "http")]
    fn data(&self) -> serde_json::Value {
        use serde_json::{Value, json};
        match self {
            // It was parsed before it was proposed.
            Self::Published { data, .. } => {
                serde_json::from_str(data).unwrap_or_else(|_| Value::String(data.clone()))
            }
            Self::TopicCreated { topic } => json!({"topic": topic}),
            Self::SettingsUpdated { revision } => json!({"revision": revision}),
            Self::JobCompleted { job, status } => json!({"job_id": job, "status": status}),
        }
    }
}
