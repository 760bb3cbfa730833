//! Dense layers: forward, input gradient and update, in both layouts, whole and sharded.

mod backward;
mod carry;
mod forward;
mod moments_bf16;
mod residual;
mod rig;
mod update;
