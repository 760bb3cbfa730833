//! Training in the span of the snapshots.
//!
//! Every gradient of an autoencoder's two wide matrices is a combination of the S snapshots (of the encoder's:
//! `X^T D`) or of the snapshots and the decoder's own columns (`E^T Z`, with `E^T = W_d Z^T + b 1^T - X^T`).
//! SGD, with momentum and weight decay, adds gradients up. So it never leaves the span of the snapshots and
//! of the initial weights, and training there is the same training in at most S + Z + 1 coordinates instead
//! of N ([`SmallTrainer`] with SGD: exact, up to rounding). The products of the vectors that span it are
//! taken once on the device, the steps are small matrix products on the host, and the weights are expanded
//! on the device at the end.
//!
//! Adam divides each weight's step by that weight's own history, which leads out of the span. In its place
//! there is `span-adam`, another optimiser: Adam on the coordinates in an orthonormal basis of the
//! snapshots' span, from initial weights in that span. Neither is for networks with hidden layers or an
//! output that is not linear: their gradients are no such combinations.
//!
//! What comes out of either is an autoencoder like any other, and a [`FactoredDecoder`]; out of span-adam,
//! [`EncoderFactors`] too.

mod coordinates;
mod encoder;
mod expand;
mod factored;
mod iterate;
mod space;
mod trainer;

pub use encoder::{EncoderFactors, FactoredEncoders};
pub use factored::{FactoredBank, FactoredDecoder, Precision};
pub use space::{Space, rates_refusal, refusal};
pub use trainer::{SmallState, SmallTrainer};
