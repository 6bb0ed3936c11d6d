//! Long work that a request begins: a job is made, the request is answered (202), and the node that took it does the work.
//!
//! Every kind of work is a function of [`Running`]. What is done goes through the log, so that a crash loses nothing that
//! was told; what is left of a job after a crash is ended as failed at the next start.

mod lost;
mod run;
mod track;

pub use lost::end_lost_jobs;
pub(super) use run::{Running, Verdict, accept};
pub use track::Jobs;
