//! The principal directions of what the updates change.

use super::vectors::{moved, on_host, pairwise};
use crate::Result;
use crate::codec::{Kept, OptionAbout, Options};
use crate::federation::strategy::{Arrived, Combine, CombineKind, PartAbout, StrategyRound};
use nalgebra::DMatrix;
use serde::Deserialize;

/// As specs name it.
pub const PRINCIPAL: CombineKind = CombineKind {
    name: "principal",
    about: PartAbout {
        summary: "the mean of what is left of each change along the principal directions of all of them",
        source: "Zeng et al. 2024, the aggregation of FedLD (arXiv 2408.12300)",
        options: &[OptionAbout::new(
            "part",
            "0.8",
            "how many directions count, as a part of the number of updates, rounded down to whole ones",
        )],
        good_for: "shares that differ, so that updates are at odds in directions of their own",
        ..PartAbout::NOTHING
    },
    make,
};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Principal {
    part: f64,
    #[serde(skip)]
    kept: Kept,
}

impl Default for Principal {
    fn default() -> Self {
        Self { part: 0.8, kept: Kept::default() }
    }
}

fn make(options: &Options) -> Result<Box<dyn Combine>> {
    let rule: Principal = options.parse()?;
    if !(rule.part > 0.0 && rule.part <= 1.0) {
        return Err(options.refuse(format!("a part of {}", rule.part), "use above 0 to 1, such as 0.8"));
    }
    Ok(Box::new(rule))
}

/// The reading of the authors' published code, with whole updates in the place of its single tensors, and the same in
/// all rounds, where its first takes the plain mean. With the changes `g_i` of `m` updates, and the eigenvectors `e_j`
/// and eigenvalues `s_j` of their inner products, the directions are `u_j = sum of e_j[i] g_i`. A change becomes
/// `sum over j of s_j / s * |g_i| * sign(g_i . u_j) * u_j / |u_j|`, where `j` runs over the first `part * m` (one at
/// least) and `s` is the sum of all eigenvalues. The result is the plain mean of these.
///
/// Everything follows from the inner products: `|u_j|^2 = s_j` and `g_i . u_j = s_j e_j[i]`, so that the result is a sum
/// of the changes with one factor each. Which of both signs a direction has makes no difference.
impl Combine for Principal {
    fn combine(&mut self, round: &StrategyRound<'_>, arrived: &[Arrived]) -> Result<Vec<f32>> {
        let updates = on_host(round.gpu, arrived)?;
        let count = updates.len();
        let products = pairwise(round.global, &updates, |a, b| a * b);
        if !products.iter().flatten().all(|product| product.is_finite()) {
            // Where there are no directions, what is no number shows in the mean.
            return Ok(moved(round.global, &updates, &vec![1.0 / count as f64; count]));
        }
        let lengths: Vec<_> = (0..count).map(|place| products[place][place].sqrt()).collect();
        let eigen = DMatrix::from_fn(count, count, |row, column| products[row][column]).symmetric_eigen();
        let total: f64 = eigen.eigenvalues.iter().map(|value| value.max(0.0)).sum();
        let mut order: Vec<_> = (0..count).collect();
        order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
        let directions = ((self.part * count as f64) as usize).clamp(1, count);
        let mut factors = vec![0.0; count];
        for &place in &order[..directions] {
            let (value, vector) = (eigen.eigenvalues[place], eigen.eigenvectors.column(place));
            // What rounding leaves of a direction that no update has.
            if value <= total * f64::EPSILON * count as f64 {
                continue;
            }
            let signed =
                |(length, along): (&f64, &f64)| if *along == 0.0 { 0.0 } else { length * along.signum() };
            let mean = lengths.iter().zip(&vector).map(signed).sum::<f64>() / count as f64;
            let scale = value / total * mean / value.sqrt();
            factors.iter_mut().zip(&vector).for_each(|(factor, along)| *factor += scale * along);
        }
        Ok(moved(round.global, &updates, &factors))
    }

    fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }
}
