//! From a spec to a network: layers, initial values, checkpoints.

mod frozen;
mod initial;
mod mask_file;
mod network;
mod parameters;
mod ranking;
mod saliency;
mod spec;
pub mod state;
mod weights_file;
mod weights_of;

pub use crate::ops::{Activation, Moments, Optimizer, OptimizerKind, ScheduleWriter};
pub use frozen::{FrozenNetwork, frozen_weights, initial_scores, random_weights};
pub use mask_file::{MASK_ENDING, MaskFile};
pub use network::{Network, ReconstructionLoss, StepPlan, Workspace};
pub use parameters::{ParameterRun, ParameterTensor, Parameters, TensorPiece};
pub use ranking::{Ranking, kept_of};
pub use saliency::synaptic_saliency;
pub use spec::{
    AutoencoderSpec, ClassifierLayer, ClassifierSpec, ConvFunnel, ConvSpec, Filters, FunnelLayer,
    Initializer, LayerSpec, Layout, LayoutTensor, ModelSpec, NetworkLayer, Padding, Pair, Rates,
    built_in_autoencoders, built_in_names,
};
pub use weights_file::WeightsFile;
pub use weights_of::WeightsOf;
