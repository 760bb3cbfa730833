//! What else a user of the library meets: specs and their mistakes, settings, files, kinds of devices, runs. None
//! of it needs an adapter.

mod bench;
mod codec_state;
mod compare;
mod convolutions;
mod device;
mod documents;
mod experiments;
mod files;
mod hold_out;
mod identity;
mod linear;
mod misspelt;
mod models;
mod reference;
mod savings;
mod settings;
mod state;
