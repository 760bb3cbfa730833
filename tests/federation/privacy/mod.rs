//! Differential privacy: what the accountant says, what is done to updates for it, and which codecs' messages can be
//! added up unseen.

mod accountant;
mod linear;
mod private_mean;
