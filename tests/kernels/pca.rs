//! Principal components: what they are, what they leave, and what crosses the wire.

use crate::small::{WIDTH, snapshots};
use crate::support::{gpu, slices, small_gpu, wide};
use fedfunnel::codec::pca::{Pca, PcaDecoder, PcaEncoder, PcaState};
use fedfunnel::codec::{UpdateDecoder, UpdateEncoder, bytes_to_floats};
use fedfunnel::gpu::Gpu;
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Rows there and back, through the bytes of the decoder's message.
fn back(gpu: &Gpu, state: &PcaState, rows: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let sent = PcaState::from_bytes(state.floats, WIDTH, &state.to_bytes()).unwrap();
    let mut encoder = PcaEncoder::new(gpu, std::slice::from_ref(state)).unwrap();
    let decoder = PcaDecoder::new(gpu, &[sent]).unwrap();
    let through = |row: &Vec<f32>| {
        let payload = encoder.encode(std::slice::from_ref(row)).unwrap().swap_remove(0);
        assert_eq!(payload.len(), 4 * state.floats);
        decoder.weights(&bytes_to_floats(&payload, state.floats, "a code").unwrap()).unwrap()
    };
    rows.iter().map(through).collect()
}

/// Error of what came back relative to what the mean of the training rows leaves.
fn relative(rows: &[Vec<f32>], back: &[Vec<f32>], means: &[f64]) -> f64 {
    let (mut error, mut spread) = (0.0, 0.0);
    for (row, back) in rows.iter().zip(back) {
        for ((&w, &b), mean) in row.iter().zip(back).zip(means) {
            error += (f64::from(w) - f64::from(b)).powi(2);
            spread += (f64::from(w) - mean).powi(2);
        }
    }
    (error / spread).sqrt()
}

fn means(rows: &[Vec<f32>]) -> Vec<f64> {
    let mean = |n: usize| rows.iter().map(|row| f64::from(row[n])).sum::<f64>() / rows.len() as f64;
    (0..WIDTH).map(mean).collect()
}

#[test]
fn axes_are_orthonormal_and_what_they_leave_is_the_tail() {
    let all = snapshots(9);
    let (rows, held_out) = all.split_at(7);
    let means = means(rows);
    for gpu in [gpu(), small_gpu()] {
        let pca = Pca::fit(gpu, &slices(rows), &slices(held_out)).unwrap();
        // Seven snapshots around their mean.
        assert_eq!(pca.rank(), 6);
        let nothing = pca.error(0);
        assert_eq!((nothing.relative_l2, nothing.validation_relative_l2), (1.0, Some(1.0)));
        for floats in 1..=6 {
            let what = format!("{floats} floats");
            let state = pca.state(floats).unwrap();
            assert_eq!(state.to_bytes().len() + 3, PcaState::message_bytes(floats, WIDTH), "{what}");
            assert_close(&what, &state.means, &means, Tolerance::Balanced);
            let axes: Vec<&[f32]> = state.rows.chunks_exact(WIDTH).collect();
            for (j, a) in axes.iter().enumerate() {
                for (k, b) in axes.iter().enumerate() {
                    let due = if j == k { 1.0 } else { 0.0 };
                    assert!((dot(a, b) - due).abs() < 1e-4, "{what}: {j} {k} {}", dot(a, b));
                }
            }
            let said = pca.error(floats);
            let came_back = back(gpu, &state, rows);
            let measured = relative(rows, &came_back, &means);
            match floats {
                6 => {
                    assert!(said.relative_l2 == 0.0 && measured < 1e-4, "{what}: {measured}");
                    let flat: Vec<f32> = came_back.concat();
                    assert_close(&what, &flat, &wide(&rows.concat()), Tolerance::Balanced);
                }
                _ => assert!((measured / said.relative_l2 - 1.0).abs() < 1e-3, "{what}: {measured} {said:?}"),
            }
            let measured = relative(held_out, &back(gpu, &state, held_out), &means);
            let said = said.validation_relative_l2.unwrap();
            assert!((measured / said - 1.0).abs() < 1e-3, "{what}, held out: {measured} {said}");
        }
    }
}

/// Axes that are not the first ones leave more, and another mean does too: the measure can tell.
#[test]
fn other_axes_leave_more() {
    let rows = snapshots(7);
    let means = means(&rows);
    let pca = Pca::fit(gpu(), &slices(&rows), &[]).unwrap();
    assert_eq!(pca.error(3).validation_relative_l2, None);
    let all = pca.state(6).unwrap();
    let last = PcaState { floats: 3, rows: all.rows[3 * WIDTH..].to_vec(), means: all.means.clone() };
    let shifted =
        PcaState { means: all.means.iter().map(|mean| mean + 0.1).collect(), ..pca.state(3).unwrap() };
    for wrong in [last, shifted] {
        let measured = relative(&rows, &back(gpu(), &wrong, &rows), &means);
        assert!(measured > 1.5 * pca.error(3).relative_l2, "{measured}");
    }
    let came_back = back(gpu(), &pca.state(3).unwrap(), &rows).concat();
    assert!(compare("3 floats", &came_back, &wide(&rows.concat()), Tolerance::Permissive).is_err());
}

#[test]
fn collaborators_average_through_their_own_axes() {
    let (one, two) = (snapshots(5), snapshots(6));
    let state =
        |rows: &[Vec<f32>], floats| Pca::fit(gpu(), &slices(rows), &[]).unwrap().state(floats).unwrap();
    let states = [state(&one, 4), state(&two, 4)];
    let mut encoder = PcaEncoder::new(gpu(), &states).unwrap();
    let mut decoder = PcaDecoder::new(gpu(), &states).unwrap();
    let payloads = encoder.encode(&[one[2].clone(), two[3].clone()]).unwrap();
    let average = decoder.average(&payloads, &[1, 3]).unwrap();
    let alone = |state: &PcaState, row: &Vec<f32>| back(gpu(), state, std::slice::from_ref(row)).concat();
    let (first, second) = (alone(&states[0], &one[2]), alone(&states[1], &two[3]));
    let due = |weights: [f64; 2]| -> Vec<f64> {
        let both = wide(&first).into_iter().zip(wide(&second));
        both.map(|(a, b)| weights[0] * a + weights[1] * b).collect()
    };
    assert_close("average", &average, &due([0.25, 0.75]), Tolerance::Balanced);
    assert!(compare("average", &average, &due([0.75, 0.25]), Tolerance::Permissive).is_err());
    assert!(PcaEncoder::new(gpu(), &[state(&one, 4), state(&two, 3)]).unwrap_err().is_usage());
    assert!(PcaState::from_bytes(4, WIDTH, &states[0].to_bytes()[4..]).is_err());
    for wrong in [0, 5] {
        let error = Pca::fit(gpu(), &slices(&one), &[]).unwrap().state(wrong).unwrap_err().to_string();
        assert!(error.contains("use 1 to 4"), "{error}");
    }
}
