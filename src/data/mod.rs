//! Image data sets: readers, the embedded sample, downloads, partitioners.
