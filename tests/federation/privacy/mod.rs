//! Differential privacy: what the accountant says, and what is done to updates for it.

mod accountant;
