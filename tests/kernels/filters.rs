//! `shaders/filters.wgsl`: what values of filters add to parameters, and their gradients.

use crate::support::{gpu, posing_gpu, values, wide};
use fedfunnel::gpu::Gpu;
use fedfunnel::ops::Arena;
use fedfunnel::ops::code::{Codes, PartialSums};
use fedfunnel::ops::filters::{self, FilterPart, lanes_of_a_filter};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::filters as twin;

/// What lies around what is written.
const GUARD: f32 = 77.0;

/// R, the rows of a replica's parameters, and how many of them each has; a row is a filter.
const CASES: [(usize, &[usize]); 5] = [
    (1, &[1]),
    (3, &[5, 3, 1, 1, 2]),
    (1, &[27, 27, 27, 1, 1, 1]),
    (3, &[300, 1, 7, 0, 64]),
    (3, &[2049, 2049, 33]),
];

/// Rows that lie one after the other in an arena, in another order than their numbers.
struct Rows {
    replicas: usize,
    stride: usize,
    count: usize,
    /// `[stride]`
    filters: Vec<Option<u32>>,
    /// `[R, stride]`
    coefficients: Vec<f32>,
}

impl Rows {
    fn new(replicas: usize, rows: &[usize]) -> Self {
        let count = rows.len();
        let mut filters: Vec<_> = (0..count)
            .flat_map(|place| {
                let row = (place * 2 + 1) % count;
                let row = if count.is_multiple_of(2) { place } else { row };
                std::iter::repeat_n(Some(row as u32), rows[row])
            })
            .collect();
        let used = filters.len();
        let stride = used.next_multiple_of(4);
        filters.resize(stride, None);
        let mut coefficients = values(replicas * stride, 1);
        for line in coefficients.chunks_mut(stride) {
            line[used..].fill(0.0);
        }
        Self { replicas, stride, count, filters, coefficients }
    }

    fn upload(&self, gpu: &Gpu) -> FilterPart {
        let part = FilterPart::new(gpu, &self.filters, self.count, self.replicas).unwrap();
        gpu.write(&part.coefficients, 0, &self.coefficients);
        part
    }

    /// The filter of each element; padding takes nothing, whichever it is.
    fn numbers(&self) -> Vec<usize> {
        self.filters.iter().map(|filter| filter.unwrap_or(0) as usize).collect()
    }
}

fn line(values: &[f32], replica: usize, width: usize) -> Vec<f64> {
    wide(&values[replica * width..][..width])
}

#[test]
fn applied_values_agree_with_their_twin() {
    for (replicas, rows) in CASES {
        let rows = Rows::new(replicas, rows);
        let Rows { stride, count, .. } = rows;
        let (base, code) = (values(replicas * stride, 2), values(replicas * count, 3));
        for gpu in [gpu(), posing_gpu()] {
            let codes = Codes::whole(gpu, replicas, count).unwrap();
            gpu.write(&codes.shifts, 0, &code);
            let guarded = [&base[..], &[GUARD; 12]].concat();
            let arena = Arena { buffer: gpu.upload("arena", &guarded).unwrap(), stride };
            gpu.run(&[filters::apply(gpu, &arena, &rows.upload(gpu), &codes).unwrap()]).unwrap();
            let all: Vec<f32> = gpu.read(&arena.buffer).unwrap();
            assert!(
                all[base.len()..].iter().all(|&x| x == GUARD),
                "memory behind the parameters was written"
            );
            for replica in 0..replicas {
                let what = format!("replica {replica} of {replicas}, {count} filters, {stride} parameters");
                let actual = &all[replica * stride..][..stride];
                let (base, own) = (line(&base, replica, stride), line(&code, replica, count));
                let coefficients = line(&rows.coefficients, replica, stride);
                let expected = twin::apply(&base, &coefficients, &rows.numbers(), &own);
                assert_close(&what, actual, &expected, Tolerance::Balanced);
                let mut other = own.clone();
                other.rotate_left(1);
                other[0] += 0.1;
                let wrong = twin::apply(&base, &coefficients, &rows.numbers(), &other);
                assert!(compare(&what, actual, &wrong, Tolerance::Balanced).is_err(), "{what}: others pass");
            }
        }
    }
}

#[test]
fn gradients_of_values_agree_with_their_twin() {
    for (replicas, rows) in CASES {
        let rows = Rows::new(replicas, rows);
        let Rows { stride, count, .. } = rows;
        let slopes = values(replicas * stride, 4);
        for gpu in [gpu(), posing_gpu()] {
            let (first_lane, lanes) = (3, lanes_of_a_filter(gpu, replicas * count));
            let value_stride = first_lane + lanes + 2;
            let replica_stride = count * value_stride + 5;
            let buffer = gpu.upload("sums", &vec![GUARD; replicas * replica_stride]).unwrap();
            let sums = PartialSums { buffer, replicas, replica_stride, lanes: value_stride };
            let arena = Arena { buffer: gpu.zeros("arena", replicas * stride).unwrap(), stride };
            let gradients = gpu.upload("gradients", &slopes).unwrap();
            let part = rows.upload(gpu);
            gpu.run(&[filters::gradient(
                gpu,
                &arena,
                &gradients,
                &part,
                &sums,
                first_lane..first_lane + lanes,
            )
            .unwrap()])
                .unwrap();
            let all: Vec<f32> = gpu.read(&sums.buffer).unwrap();
            for replica in 0..replicas {
                let what = format!("replica {replica} of {replicas}, {count} filters, {stride} parameters");
                let (own, behind) =
                    all[replica * replica_stride..][..replica_stride].split_at(count * value_stride);
                let around = own.chunks(value_stride);
                let around =
                    around.flat_map(|sums| [&sums[..first_lane], &sums[first_lane + lanes..]]).flatten();
                assert!(
                    around.chain(behind).all(|&x| x == GUARD),
                    "{what}: memory around the sums was written"
                );
                let summed = |left_out: usize| -> Vec<f32> {
                    let lanes = own
                        .chunks(value_stride)
                        .map(|sums| &sums[first_lane + left_out..][..lanes - left_out]);
                    lanes.map(|lanes| wide(lanes).iter().sum::<f64>() as f32).collect()
                };
                let (coefficients, slopes) =
                    (line(&rows.coefficients, replica, stride), line(&slopes, replica, stride));
                let expected = twin::gradient(&coefficients, &rows.numbers(), &slopes, count);
                assert_close(&what, &summed(0), &expected, Tolerance::Balanced);
                let outcome = compare(&what, &summed(1), &expected, Tolerance::Balanced);
                assert!(outcome.is_err(), "{what}: a lane less passes");
            }
        }
    }
}
