//! Codecs, strategies and rounds through the public API: by hand, by independent implementations, and with stages and
//! strategies of one's own.

mod about;
mod any_bytes;
mod asynchronous;
mod bits;
mod budget;
mod bytes;
mod checkpoint;
mod coded;
mod coded_hidden;
mod damaged;
mod downlink;
mod every_stage;
mod examples;
mod faults;
mod fedpm;
mod frl;
#[path = "../goldens/golden.rs"]
mod golden;
mod grouping;
mod hidenseek;
mod kept;
mod ledger;
mod local_rules;
mod loggers;
mod message;
mod own_parts;
mod own_systems;
mod participation;
mod presets;
mod privacy;
mod projections;
mod protocol;
mod selected;
mod spec;
mod stages;
mod strategies;
mod support;
mod systems;
mod ternary;
mod values;
