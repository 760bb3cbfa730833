//! Codecs, strategies and rounds through the public API: by hand, by independent implementations, and with stages and
//! strategies of one's own.

mod checkpoint;
mod grouping;
mod own_parts;
mod stages;
mod support;
