//! Dense layers: forward, input gradient and update, in both layouts, whole and sharded.

mod backward;
mod carry;
mod forward;

mod residual;
mod rig;
mod update;
