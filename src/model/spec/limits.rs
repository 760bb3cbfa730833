//! The largest models.

/// More parameters than this are a mistake: 16 GiB for one replica without its moments.
pub(super) const MOST_PARAMETERS: usize = 1 << 32;

/// Whether the product of these does not overflow, nor come near.
pub(super) fn fits_in_memory(lengths: &[usize]) -> bool {
    let product = lengths.iter().try_fold(1usize, |product, length| product.checked_mul(*length));
    product.is_some_and(|product| product <= MOST_PARAMETERS)
}
