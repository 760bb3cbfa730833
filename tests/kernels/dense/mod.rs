//! Dense layers: forward, input gradient and update, in both layouts, whole and sharded.

mod backward;
mod forward;
mod rig;
mod update;
