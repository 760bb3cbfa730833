//! What a user of the command line sees: files, numbers, words and exit codes.
//!
//! One binary, so that all tests share the snapshots and the autoencoder that are prepared once. There
//! are no skips: without an adapter the tests fail, and say which package provides one.

mod autoencoder;
mod bad_input;
mod bench;
mod codecs;
mod coded;
mod coding;
mod compare;
mod completions;
mod damaged;
mod devices;
mod experiment;
mod export;
mod federation;
mod figures;
mod folder;
mod help;
mod hostile_files;
mod images;
mod init;
mod inspect;
mod lost;
mod new;
mod outputs;
mod partition;
mod resume;
mod room;
mod runs;
mod savings;
mod signals;
mod simulate;
mod span;
mod strategies;
mod support;
mod trace;
mod train;
mod vgg3;
