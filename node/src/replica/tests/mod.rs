mod alone;
pub(crate) mod cluster;
mod failover;
mod fence;
mod forwarding;
mod membership;
mod reads;
mod timekeeping;
