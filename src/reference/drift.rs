//! What a strategy adds to a step of local training.

use super::expect_len;

/// Takes `pull[r] * (w - start) + correction` off the weights `w`, `[R, P]` like `correction`, of each replica that does
/// not rest. `start` is `[P]` where all replicas began alike, or `[R, P]`; `pull` and `rests` are `[R]`.
pub fn apply(w: &mut [f64], start: &[f64], correction: &[f64], pull: &[f64], rests: &[bool]) {
    let replicas = pull.len();
    let count = w.len() / replicas;
    expect_len("w", w.len(), replicas * count);
    expect_len("correction", correction.len(), w.len());
    expect_len("rests", rests.len(), replicas);
    let begin_alike = start.len() == count;
    if !begin_alike {
        expect_len("start", start.len(), w.len());
    }
    for r in 0..replicas {
        if rests[r] {
            continue;
        }
        for p in 0..count {
            let at = r * count + p;
            let begun = start[if begin_alike { p } else { at }];
            w[at] -= pull[r] * (w[at] - begun) + correction[at];
        }
    }
}
