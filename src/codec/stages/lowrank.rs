//! Each matrix of the model as a product of two thin ones, by one step of a power iteration that goes on from the last
//! round's (PowerSGD, Vogels et al. 2019, arXiv 1905.13727, algorithm 1).
//!
//! For a matrix `M` of m rows and n columns, with `Q` of n rows and r columns from the last round:
//!
//! ```text
//! P  = orthogonalise(M Q)      [m, r]
//! Q  = M^T P                   [n, r], kept by the sender for the next round
//! M' = P Q^T                   what arrives
//! ```
//!
//! `M'` is the projection of `M` on the columns of `P`, which turn towards the r largest singular vectors as rounds go
//! by. The paper averages `P` and `Q` over workers that share them; here each collaborator has its own, and both cross.
//! A tensor that takes no fewer values as factors, `r (m + n) >= m n`, crosses whole: biases do.
//!
//! What is left for the next stage is, for each tensor in order, `P` and `Q` by rows, or the tensor.

use super::seeded::Draws;
use crate::codec::{
    About, Context, FreeOption, FreeRange, Incoming, Kept, Make, OptionAbout, Options, Outgoing, Round,
    Stage, StageKind, Values, expect_length,
};
use crate::ops::random::from_bits;
use crate::{Error, Result};
use serde::Deserialize;
use std::ops::Range;

pub(super) const KIND: StageKind = StageKind::new(
    "lowrank",
    Make::Plain(|context, options| {
        LowRank::new(context, options).map(|stage| Box::new(stage) as Box<dyn Stage>)
    }),
)
.about(About {
    summary: "each matrix of the model as a product of two thin ones; biases cross whole",
    source: "Vogels et al. 2019, PowerSGD (arXiv 1905.13727)",
    options: &[OptionAbout::new("rank", "2", "columns of each factor")],
    good_for: "wide layers; behind delta and feedback",
    example: "delta+feedback+lowrank(rank=1)",
})
.free(FreeOption { name: "rank", range: FreeRange::Between(1, 64), instead: &[] });

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    #[serde(default = "two")]
    rank: usize,
}

/// The paper's rank for image classifiers.
fn two() -> usize {
    2
}

/// How a tensor crosses.
enum Piece {
    Whole(Range<usize>),
    Factors(Matrix),
}

/// A tensor as a matrix, row by row.
struct Matrix {
    range: Range<usize>,
    rows: usize,
    columns: usize,
}

/// Leaves factors of the model's matrices.
struct LowRank {
    rank: usize,
    pieces: Vec<Piece>,
    /// P
    parameters: usize,
}

/// The right factors of the last round, those of all matrices one behind the other.
const RIGHT: &str = "right factors";
/// What the first right factors are drawn for.
const PURPOSE: u32 = 0x6c6f_7772;

impl LowRank {
    fn new(context: &Context<'_>, options: &Options) -> Result<Self> {
        let Given { rank } = options.parse()?;
        if rank == 0 {
            return Err(options.refuse("a rank of 0", "set rank to 1 or more, such as 2"));
        }
        let pieces: Vec<_> = context
            .layout
            .tensors()
            .iter()
            .map(|tensor| {
                let ([rows, columns], range) = (tensor.matrix(), tensor.range.clone());
                if rank.saturating_mul(rows + columns) < rows * columns {
                    Piece::Factors(Matrix { range, rows, columns })
                } else {
                    Piece::Whole(range)
                }
            })
            .collect();
        if pieces.iter().all(|piece| matches!(piece, Piece::Whole(_))) {
            let problem = format!("no matrix of the model takes fewer values as factors of rank {rank}");
            return Err(options.refuse(problem, "set a smaller rank, or leave lowrank out"));
        }
        Ok(Self { rank, pieces, parameters: context.parameters() })
    }

    fn matrices(&self) -> impl Iterator<Item = &Matrix> {
        self.pieces
            .iter()
            .filter_map(|piece| if let Piece::Factors(matrix) = piece { Some(matrix) } else { None })
    }

    /// Values of an update's factors and of what crosses whole.
    fn left(&self) -> usize {
        let of = |piece: &Piece| match piece {
            Piece::Whole(range) => range.len(),
            Piece::Factors(matrix) => self.rank * (matrix.rows + matrix.columns),
        };
        self.pieces.iter().map(of).sum()
    }

    /// Values of all right factors.
    fn right(&self) -> usize {
        self.matrices().map(|matrix| self.rank * matrix.columns).sum()
    }

    /// Of values of a model, what is left of them, and the right factors for the next round.
    fn factors(&self, draws: Draws, values: &[f32], kept: &Kept) -> (Vec<f32>, Vec<f32>) {
        let (mut left, mut right) = (Vec::with_capacity(self.left()), Vec::with_capacity(self.right()));
        let begun = kept.get(RIGHT).filter(|right| right.len() == self.right());
        for (line, piece) in (0..).zip(&self.pieces) {
            match piece {
                Piece::Whole(range) => left.extend(&values[range.clone()]),
                Piece::Factors(matrix) => {
                    let place = right.len()..right.len() + self.rank * matrix.columns;
                    let begun = match begun {
                        Some(right) => right[place].to_vec(),
                        None => vec![0.0; place.len()],
                    };
                    let begun = refilled(begun, self.rank, draws, line);
                    let (p, q) = matrix.step(&values[matrix.range.clone()], &begun, self.rank);
                    left.extend(p);
                    left.extend(&q);
                    right.extend(q);
                }
            }
        }
        (left, right)
    }
}

impl Matrix {
    /// `P` and `Q` of the values, given the last `Q`.
    fn step(&self, values: &[f32], begun: &[f32], rank: usize) -> (Vec<f32>, Vec<f32>) {
        let mut p = vec![0f64; self.rows * rank];
        for (row, p) in values.chunks_exact(self.columns).zip(p.chunks_exact_mut(rank)) {
            for (value, q) in row.iter().zip(begun.chunks_exact(rank)) {
                p.iter_mut().zip(q).for_each(|(p, q)| *p += f64::from(*value) * f64::from(*q));
            }
        }
        orthogonalise(&mut p, rank);
        // What is sent is what the other factor is for.
        let p: Vec<f32> = p.into_iter().map(|value| value as f32).collect();
        let mut q = vec![0f64; self.columns * rank];
        for (row, p) in values.chunks_exact(self.columns).zip(p.chunks_exact(rank)) {
            for (value, q) in row.iter().zip(q.chunks_exact_mut(rank)) {
                q.iter_mut().zip(p).for_each(|(q, p)| *q += f64::from(*value) * f64::from(*p));
            }
        }
        (p, q.into_iter().map(|value| value as f32).collect())
    }

    /// `P Q^T`
    fn product(&self, p: &[f32], q: &[f32], rank: usize, into: &mut [f32]) {
        for (row, p) in into.chunks_exact_mut(self.columns).zip(p.chunks_exact(rank)) {
            for (value, q) in row.iter_mut().zip(q.chunks_exact(rank)) {
                *value = p.iter().zip(q).map(|(p, q)| p * q).sum();
            }
        }
    }
}

/// Right factors with a direction drawn for each column that has none: before the first round, and where a matrix had a
/// lower rank than its factors, which would otherwise have it for ever.
fn refilled(mut right: Vec<f32>, rank: usize, draws: Draws, line: u32) -> Vec<f32> {
    for column in 0..rank {
        let is_direction = |norm: f32| norm > 0.0 && norm.is_finite();
        if !is_direction(right.iter().skip(column).step_by(rank).map(|value| value.abs()).sum()) {
            for (place, value) in right.iter_mut().enumerate().skip(column).step_by(rank) {
                *value = from_bits(draws.words(line, place)[0], 1.0);
            }
        }
    }
    right
}

/// Makes the columns of a matrix of so many of them orthonormal, from the first on (Gram-Schmidt, twice over: after one
/// time nearly parallel columns are still far from orthogonal). A column that the others span becomes zeros.
fn orthogonalise(matrix: &mut [f64], columns: usize) {
    let dot = |matrix: &[f64], a: usize, b: usize| -> f64 {
        matrix.chunks_exact(columns).map(|row| row[a] * row[b]).sum()
    };
    for own in 0..columns {
        let before = dot(matrix, own, own);
        for other in (0..own).chain(0..own) {
            let along = dot(matrix, own, other);
            matrix.chunks_exact_mut(columns).for_each(|row| row[own] -= along * row[other]);
        }
        let after = dot(matrix, own, own);
        // What is left of a column is rounding where it is ten digits smaller.
        let factor = if after > 1e-20 * before { 1.0 / after.sqrt() } else { 0.0 };
        matrix.chunks_exact_mut(columns).for_each(|row| row[own] *= factor);
    }
}

impl Stage for LowRank {
    fn label(&self) -> String {
        format!("lowrank({})", self.rank)
    }

    fn leaves(&self, count: usize, _: &Kept) -> Option<usize> {
        // Of other values than a model's there is nothing to be made, which encoding and decoding say.
        Some(if count == self.parameters { self.left() } else { count })
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        const FIELD: &str = "codecs: lowrank";
        let draws = Draws::of_round(round, PURPOSE);
        for outgoing in batch {
            let values = outgoing.values.take(round.gpu)?;
            if values.len() != self.parameters {
                let problem = format!("it is given {} values of {} weights", values.len(), self.parameters);
                return Err(Error::setting(FIELD, problem, "list it before stages that leave fewer values"));
            }
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                let problem = format!("collaborator {} has a value of {value} to send", outgoing.who);
                return Err(Error::diverged(FIELD, problem, "use a smaller optimizer.lr"));
            }
            let (left, right) = self.factors(draws, &values, outgoing.kept);
            outgoing.kept.put(RIGHT, right);
            outgoing.values = Values::Host(left);
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        for incoming in batch {
            let left = incoming.values.take(round.gpu)?;
            if (incoming.due, left.len()) != (self.parameters, self.left()) {
                let problem = format!(
                    "an update of {} values has {} of factors where {} are due for {}",
                    incoming.due,
                    left.len(),
                    self.left(),
                    self.parameters
                );
                return Err(Error::message(problem, "use the same model and codec on both sides"));
            }
            let (mut values, mut rest) = (vec![0.0; self.parameters], left.as_slice());
            let mut next = |count: usize| {
                let (own, behind) = rest.split_at(count);
                rest = behind;
                own
            };
            for piece in &self.pieces {
                match piece {
                    Piece::Whole(range) => values[range.clone()].copy_from_slice(next(range.len())),
                    Piece::Factors(matrix) => {
                        let (p, q) = (next(self.rank * matrix.rows), next(self.rank * matrix.columns));
                        matrix.product(p, q, self.rank, &mut values[matrix.range.clone()]);
                    }
                }
            }
            incoming.values = Values::Host(values);
        }
        Ok(())
    }

    fn check_senders(&self, _: Option<usize>, kept: &[&Kept]) -> Result<()> {
        let mut each = kept.iter().filter_map(|kept| kept.get(RIGHT));
        each.try_for_each(|right| expect_length(RIGHT, right.len(), self.right()))
    }
}
