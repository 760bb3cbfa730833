//! Whether a kernel's f32 result agrees with its f64 twin, by named tolerances.

/// How far an f32 result may lie from its f64 twin.
///
/// Under every tolerance but [`Exact`](Self::Exact), element `a` agrees with `e` when
///
/// `|a - e| <= 1e-30 + relative * max(|e|, floor * max|e|)`
///
/// where `max|e|` is the largest magnitude in the expected tensor. The floor is there because sums cancel: an
/// output near zero carries the rounding of the large terms that made it. The absolute part forgives
/// subnormal floats that an adapter flushes to zero, and nothing else: second moments of 1e-12 are still
/// compared.
///
/// Because of the floor, compare one tensor at a time: in a packed `[R, P]` a small bias would hide behind a
/// large weight.
///
/// | name | relative | floor | for |
/// |---|---|---|---|
/// | `Exact` | - | - | copies, fills, gathers of bytes, random bits: the twin rounded to f32 |
/// | `Strict` | 2e-6 (17 f32 epsilons) | 0.1 | a few operations in a row: activations, one optimiser step |
/// | `Balanced` | 2e-5 | 1 | sums of up to some thousand terms, in any order |
/// | `Permissive` | 1e-3 | 1 | sums over a wide layer; several training steps in a row |
///
/// A float error grows like the root of the number of terms: for 784 of them about `28 * 6e-8 = 1.7e-6` of a
/// typical output, for 550,570 about 4.4e-5.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tolerance {
    /// Equal to the twin's value rounded to f32 (zeros of either sign are equal).
    Exact,
    /// For results of a few roundings.
    Strict,
    /// For sums.
    Balanced,
    /// For long sums, and for errors that many steps have compounded.
    Permissive,
}

impl Tolerance {
    /// Every tolerance, from the tightest to the loosest.
    pub const ALL: [Self; 4] = [Self::Exact, Self::Strict, Self::Balanced, Self::Permissive];

    /// How far an actual value may lie from `expected`, in a tensor of largest magnitude `largest`.
    fn limit(self, expected: f64, largest: f64) -> f64 {
        let (relative, floor) = match self {
            Self::Exact => return 0.0,
            Self::Strict => (2e-6, 0.1),
            Self::Balanced => (2e-5, 1.0),
            Self::Permissive => (1e-3, 1.0),
        };
        1e-30 + relative * expected.abs().max(floor * largest)
    }
}

/// Compares a kernel's result with its twin's, element by element.
///
/// The error names the tensor (`what`), how many elements disagree, and of the worst one its index, both
/// values, their distance and the limit. Tensors of unequal length, and any NaN or infinity on either side,
/// disagree. So do two empty tensors, because a test that compares nothing proves nothing.
pub fn compare(what: &str, actual: &[f32], expected: &[f64], tolerance: Tolerance) -> Result<(), String> {
    if actual.len() != expected.len() {
        return Err(format!("{what}: {} elements, expected {}", actual.len(), expected.len()));
    }
    if expected.is_empty() {
        return Err(format!("{what}: no elements, so nothing was compared"));
    }
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        if !a.is_finite() || !e.is_finite() {
            return Err(format!("{what}[{i}]: {a:e}, expected {e:e}; both have to be finite"));
        }
    }
    let largest = expected.iter().fold(0.0, |largest: f64, e| largest.max(e.abs()));
    let mut wrong = 0;
    let mut worst = (0, 0.0, 0.0);
    for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
        // An exact twin is the f64 value as f32 can hold it, and that may be off by half a unit in the last
        // place.
        let e = if tolerance == Tolerance::Exact { f64::from(e as f32) } else { e };
        let distance = (f64::from(a) - e).abs();
        let limit = tolerance.limit(e, largest);
        if distance > limit {
            wrong += 1;
            // How far beyond its own limit; where the limit is zero, how far at all.
            let excess = if limit > 0.0 { distance / limit } else { distance };
            if excess > worst.1 {
                worst = (i, excess, limit);
            }
        }
    }
    if wrong == 0 {
        return Ok(());
    }
    let (i, _, limit) = worst;
    let (a, e) = (actual[i], expected[i]);
    Err(format!(
        "{what}: {wrong} of {} elements beyond the {tolerance:?} tolerance; worst is {what}[{i}]: {a:e}, \
         expected {e:e}, off by {:e}, limit {limit:e}",
        actual.len(),
        (f64::from(a) - e).abs(),
    ))
}

/// Panics with the message of [`compare`] where a result does not agree with its twin.
#[track_caller]
pub fn assert_close(what: &str, actual: &[f32], expected: &[f64], tolerance: Tolerance) {
    if let Err(message) = compare(what, actual, expected, tolerance) {
        panic!("{message}");
    }
}
