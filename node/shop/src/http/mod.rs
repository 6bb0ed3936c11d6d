//! What all routes share: lists, problems, entity tags, merge patches, events as the outside sees them. Types only: the
//! gateway serves them, `shopctl` reads them.

mod body;
mod checks;
mod cloud_event;
mod etag;
mod list;
mod merge_patch;
mod objects;
mod problem;

pub use body::{from_value, parse_body};
pub use checks::{Checks, item, member};
pub use cloud_event::CloudEvent;
pub use etag::{etag, if_match};
pub use list::{Cursor, DEFAULT_LIMIT, Limit, Page, Sort};
pub use merge_patch::merge_patch;
pub use objects::ObjectsOnly;
pub use problem::{Problem, ProblemAt};
