//! Low-rank factors against singular values, which they take no part in computing.

use super::support::{
    assert_goes_on, assert_works_in_company, batch_through, distance, energy, layout, once, pipeline,
    refused, round, values,
};
use fedfunnel::Error;
use fedfunnel::codec::{Kept, Values};
use fedfunnel::model::Layout;

/// A matrix of a rank, by rows.
fn of_rank(rank: usize, rows: usize, columns: usize, tensor: u32) -> Vec<f32> {
    let (left, right) = (values(rows * rank, tensor), values(columns * rank, tensor + 1));
    let at = |i: usize, j: usize| (0..rank).map(|k| left[i * rank + k] * right[j * rank + k]).sum();
    (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j))).map(|(i, j)| at(i, j)).collect()
}

fn one(rows: usize, columns: usize) -> Layout {
    Layout::new([("0.weight".to_string(), vec![rows, columns])])
}

/// The squares of the singular values, the largest first: the eigenvalues of `M M^T`, one after the other by a power
/// iteration that takes out what it has found.
fn squared_singular_values(matrix: &[f32], rows: usize) -> Vec<f64> {
    let columns = matrix.len() / rows;
    let at = |i: usize, j: usize| f64::from(matrix[i * columns + j]);
    let mut gram: Vec<f64> = (0..rows * rows)
        .map(|place| (0..columns).map(|j| at(place / rows, j) * at(place % rows, j)).sum())
        .collect();
    let mut found = Vec::new();
    for turn in 0..rows {
        let mut vector: Vec<f64> = values(rows, 50 + turn as u32).into_iter().map(f64::from).collect();
        let mut value = 0.0;
        for _ in 0..2_000 {
            let next: Vec<f64> = gram
                .chunks_exact(rows)
                .map(|row| row.iter().zip(&vector).map(|(a, b)| a * b).sum())
                .collect();
            value = next.iter().map(|x| x * x).sum::<f64>().sqrt();
            vector = next.into_iter().map(|x| x / value.max(f64::MIN_POSITIVE)).collect();
        }
        for place in 0..rows * rows {
            gram[place] -= value * vector[place / rows] * vector[place % rows];
        }
        found.push(value);
    }
    found
}

#[test]
fn a_matrix_of_the_rank_arrives_whole_and_one_of_a_higher_does_not() {
    for (rows, columns) in [(12, 30), (30, 12), (9, 200)] {
        for rank in 1..=3 {
            let codec =
                pipeline(&format!("[{{stage=\"lowrank\",rank={rank}}}]"), &one(rows, columns)).unwrap();
            let matrix = of_rank(rank, rows, columns, 1);
            let (sent, got) = once(&codec, &round(1, 1, &matrix), &matrix);
            assert_eq!(sent.len(), 4 * rank * (rows + columns));
            assert!(distance(&got, &matrix) < 1e-10 * energy(&matrix), "{rows} {columns} {rank}");
            let higher = of_rank(rank + 1, rows, columns, 1);
            let (_, got) = once(&codec, &round(1, 1, &higher), &higher);
            assert!(distance(&got, &higher) > 1e-4 * energy(&higher), "{rows} {columns} {rank}");
        }
    }
}

#[test]
fn rounds_turn_the_factors_to_the_largest_singular_values() {
    let (rows, columns, rank) = (12, 30, 3);
    let codec = pipeline("[{stage=\"lowrank\",rank=3}]", &one(rows, columns)).unwrap();
    let matrix = values(rows * columns, 7);
    let squares = squared_singular_values(&matrix, rows);
    let total: f64 = squares.iter().sum();
    assert!((total - energy(&matrix)).abs() < 1e-9 * total, "the singular values are all");
    // The error of the best matrix of this rank (Eckart and Young 1936).
    let best: f64 = squares[rank..].iter().sum();
    let (mut kept, mut errors) = ([Kept::default()], Vec::new());
    for number in 1..=60 {
        let (_, got) =
            batch_through(&codec, &round(1, number, &matrix), &mut kept, std::slice::from_ref(&matrix));
        errors.push(distance(&got[0], &matrix));
    }
    assert!(errors.iter().all(|error| *error > best * (1.0 - 1e-6)), "{best} {errors:?}");
    assert!(errors.windows(2).all(|pair| pair[1] < pair[0] * (1.0 + 1e-6)), "{errors:?}");
    assert!(errors[59] < best * 1.01 && errors[0] > best * 1.05, "{best} {errors:?}");
    // The negative control: without what is kept, the last round is as good as the first.
    let (_, got) = once(&codec, &round(1, 60, &matrix), &matrix);
    assert!(distance(&got, &matrix) > best * 1.05);
}

#[test]
fn factors_are_orthonormal_and_the_best_there_are_for_them() {
    let (rows, columns, rank) = (12, 30, 3);
    let codec = pipeline("[{stage=\"lowrank\",rank=3}]", &one(rows, columns)).unwrap();
    let matrix = values(rows * columns, 9);
    let (sent, _) = once(&codec, &round(1, 1, &matrix), &matrix);
    let floats: Vec<f64> =
        sent.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]).into()).collect();
    let (p, q) = floats.split_at(rows * rank);
    for a in 0..rank {
        for b in 0..rank {
            let dot: f64 = (0..rows).map(|i| p[i * rank + a] * p[i * rank + b]).sum();
            assert!((dot - f64::from(u8::from(a == b))).abs() < 1e-6, "{a} {b}: {dot}");
        }
        for j in 0..columns {
            let due: f64 = (0..rows).map(|i| f64::from(matrix[i * columns + j]) * p[i * rank + a]).sum();
            assert!((q[j * rank + a] - due).abs() < 1e-5);
        }
    }
}

#[test]
fn biases_and_small_tensors_cross_whole() {
    let layout = layout();
    // 2 (12 + 30) and 2 (7 + 12) values in place of 360 and 84; 24 and all biases as they are: 2 (3 + 8) is one less.
    let codec = pipeline("[{stage=\"lowrank\",rank=2}]", &layout).unwrap();
    let left = 84 + 12 + 38 + 7 + 22 + 3;
    assert_eq!(codec.label(), "lowrank(2)");
    assert_eq!(codec.floats(layout.parameters(), &Kept::default()), Some(left));
    let update = values(layout.parameters(), 3);
    let (sent, got) = once(&codec, &round(1, 1, &update), &update);
    assert_eq!(sent.len(), 4 * left);
    for tensor in layout.tensors() {
        let is_whole = tensor.shape.len() == 1;
        assert_eq!(got[tensor.range.clone()] == update[tensor.range.clone()], is_whole, "{}", tensor.name);
    }
    // With three, the smallest of the matrices is whole too; the paper's rank is what goes without saying.
    let three = pipeline("[{stage=\"lowrank\",rank=3}]", &layout).unwrap();
    assert_eq!(three.floats(layout.parameters(), &Kept::default()), Some(126 + 12 + 57 + 7 + 24 + 3));
    assert_eq!(pipeline("[\"lowrank\"]", &layout).unwrap().label(), "lowrank(2)");
}

#[test]
fn a_direction_that_a_matrix_had_not_is_drawn_again() {
    let codec = pipeline("[{stage=\"lowrank\",rank=2}]", &one(12, 30)).unwrap();
    let mut kept = [Kept::default()];
    for number in 1..=2 {
        let zeros = vec![0.0; 360];
        let (_, got) =
            batch_through(&codec, &round(1, number, &zeros), &mut kept, std::slice::from_ref(&zeros));
        assert_eq!(got[0], zeros);
    }
    let matrix = of_rank(2, 12, 30, 4);
    let (_, got) = batch_through(&codec, &round(1, 3, &matrix), &mut kept, std::slice::from_ref(&matrix));
    assert!(distance(&got[0], &matrix) < 1e-10 * energy(&matrix));
}

#[test]
fn factors_work_in_company_and_are_gone_on_with_to_the_same_bits() {
    for stage in ["\"lowrank\"", "{stage=\"lowrank\",rank=1},\"f16\""] {
        assert_works_in_company(stage, &layout());
        assert_goes_on(stage, &layout());
    }
}

#[test]
fn what_is_kept_of_another_model_is_refused() {
    let codec = pipeline("[\"lowrank\"]", &layout()).unwrap();
    let width = layout().parameters();
    let mut kept = Kept::default();
    once(&codec, &round(1, 1, &vec![0.0; width]), &values(width, 1));
    kept.scope_mut("0").put("right factors", vec![0.0; 5]);
    let error = codec.check_kept(width, &[&kept], &[&Kept::default()]).unwrap_err();
    assert!(error.to_string().contains("right factors"), "{error}");
}

#[test]
fn what_cannot_be_factored_is_refused_in_words() {
    for (text, words) in [
        ("[{stage=\"lowrank\",rank=0}]", ["rank of 0", "1 or more"]),
        ("[{stage=\"lowrank\",rank=40}]", ["rank 40", "smaller rank"]),
        ("[{stage=\"lowrank\",ranks=4}]", ["ranks", "correct it"]),
    ] {
        let error = refused(text, &layout());
        words.iter().for_each(|word| assert!(error.contains(word), "{word}: {error}"));
    }
    let width = layout().parameters();
    let update = vec![1.0; width];
    let send = |text: &str, update: Vec<f32>| -> Error {
        let codec = pipeline(text, &layout()).unwrap();
        let global = vec![0.0; width];
        codec.send(&round(1, 1, &global), vec![(5, &mut Kept::default(), Values::Host(update))]).unwrap_err()
    };
    let error = send("[{stage=\"topk\",part=0.5},\"lowrank\"]", update.clone());
    assert!(error.is_usage() && error.to_string().contains("list it before"), "{error}");
    let mut wild = update;
    wild[3] = f32::NAN;
    let error = send("[\"lowrank\"]", wild);
    assert!(error.is_usage() && error.to_string().contains("collaborator 5"), "{error}");
    let error = {
        let codec = pipeline("[{stage=\"topk\",part=0.5},\"lowrank\"]", &layout()).unwrap();
        codec.receive(&round(1, 1, &vec![0.0; width]), vec![(5, &Kept::default(), &vec![0; 2 * width][..])])
    };
    assert!(matches!(error.unwrap_err(), Error::Message { .. }));
}
