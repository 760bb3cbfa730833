//! Data sets as a user of the library meets them: what is read and dealt out, and what is said of broken files.

mod cifar10;
mod cifar100;
mod cifar10_sample;
mod class_folders;
mod colours;
mod dataset;
mod emnist;
mod fetch;
mod folder;
mod groups;
mod idx;
mod leaf;
mod load;
mod mnist_sample;
mod numpy;
mod order;
mod partition;
mod populations;
mod routes;
mod source;
mod store;
mod support;
mod verified;
