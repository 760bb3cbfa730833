//! What a run leaves for people and machines: JSON lines, CSV, HTML with plots.
