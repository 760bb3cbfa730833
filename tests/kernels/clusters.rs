//! Clusters of lines on the device, in any number, of any part of lines, and cut into shards.

use crate::support::{gpu, posing_gpu, small_gpu, values, wide};
use fedfunnel::gpu::{Gpu, Tensor};
use fedfunnel::ops::clusters::{BINS, Clusters, LIMIT, Span};
use fedfunnel::reference::clusters as twin;
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use std::ops::Range;

fn lines(count: usize, width: usize) -> Vec<Vec<f32>> {
    (0..count as u32)
        .map(|line| values(width, line + 1).iter().map(|value| value.powi(3)).collect())
        .collect()
}

/// Centroids to begin at, which lie evenly.
fn even(clusters: usize) -> Vec<f32> {
    (0..clusters).map(|place| (2 * place + 1) as f32 / clusters as f32 - 1.0).collect()
}

fn span(gpu: &Gpu, lines: &[Vec<f32>], range: Range<usize>) -> Span {
    let source = Tensor::zeros(gpu, "lines", lines.len(), 1, lines[0].len()).unwrap();
    source.write(gpu, &lines.concat());
    Span::new(&source, range).unwrap()
}

type Found = (Vec<Vec<f32>>, Vec<Vec<u8>>);

fn found(gpu: &Gpu, span: Span, starts: &[Vec<f32>], iterations: usize) -> Found {
    let clusters = Clusters::new(gpu, span, starts).unwrap();
    let plan = clusters.plan(gpu, iterations).unwrap();
    // A plan can be run any number of times.
    gpu.run(&plan).unwrap();
    clusters.restart(gpu);
    gpu.run(&plan).unwrap();
    (clusters.centroids(gpu).unwrap(), clusters.numbers(gpu).unwrap())
}

#[track_caller]
fn assert_found(what: &str, gpu: &Gpu, lines: &[Vec<f32>], range: Range<usize>, starts: &[Vec<f32>]) {
    for iterations in [0, 1, 4] {
        let (centroids, numbers) = found(gpu, span(gpu, lines, range.clone()), starts, iterations);
        for line in 0..lines.len() {
            let what = format!("{what}: {iterations} iterations, line {line}");
            let own = &lines[line][range.clone()];
            let mut expected = wide(&starts[line]);
            twin::lloyd(own, &mut expected, iterations);
            assert_close(&what, &centroids[line], &expected, Tolerance::Balanced);
            assert_eq!(numbers[line].len(), own.len(), "{what}");
            // Where a value lies in the middle, rounding decides.
            let got = wide(&centroids[line]);
            for (&value, &number) in own.iter().zip(&numbers[line]) {
                let off = |place: usize| (got[place] - f64::from(value)).abs();
                let best = off(twin::nearest(&got, value.into()));
                assert!(off(number.into()) <= best + 1e-7, "{what}: {value} is at {number}");
            }
        }
    }
}

#[test]
fn clusters_agree_with_their_twin() {
    for replicas in [1, 3] {
        for (width, range) in [(1, 0..1), (7, 0..7), (700, 3..598), (1_031, 0..1_031), (4_099, 5..4_098)] {
            for clusters in [1, 2, 7, 8, 9, 16, 29] {
                let what = format!("{clusters} clusters of {range:?}");
                let starts = vec![even(clusters); replicas];
                assert_found(&what, gpu(), &lines(replicas, width), range.clone(), &starts);
            }
        }
    }
    assert_found("as on a GPU", posing_gpu(), &lines(3, 9_001), 2..9_001, &vec![even(256); 3]);
    // The negative controls: of another start, and without the last iteration, something else comes out.
    let (line, begin) = (lines(1, 1_031), even(7));
    let (centroids, numbers) = found(gpu(), span(gpu(), &line, 0..1_031), std::slice::from_ref(&begin), 4);
    for (start, iterations) in [(begin.clone(), 3), (vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6], 4)] {
        let mut other = wide(&start);
        twin::lloyd(&line[0], &mut other, iterations);
        assert!(compare("another", &centroids[0], &other, Tolerance::Balanced).is_err());
        let off = line[0]
            .iter()
            .zip(&numbers[0])
            .filter(|(value, number)| twin::nearest(&other, f64::from(**value)) != usize::from(**number));
        assert!(off.count() > 0);
    }
}

#[test]
fn lines_that_are_cut_are_clustered_as_a_whole() {
    for (replicas, shards) in [(1, 3), (3, 8)] {
        let tensor = Tensor::zeros(small_gpu(), "lines", replicas, 1, 40_001).unwrap();
        assert_eq!(tensor.shards.len(), shards);
        for range in [0..40_001, 9_999..30_002, 38_000..38_005] {
            let what = format!("{shards} shards, {range:?}");
            assert_found(&what, small_gpu(), &lines(replicas, 40_001), range, &vec![even(9); replicas]);
        }
    }
}

#[test]
fn lines_have_as_many_clusters_as_they_begin_with() {
    let starts = [even(3), even(17), even(1)];
    assert_found("several", gpu(), &lines(3, 2_003), 1..2_002, &starts);
    let (centroids, numbers) = found(gpu(), span(gpu(), &lines(3, 2_003), 0..2_003), &starts, 2);
    assert_eq!(centroids.iter().map(Vec::len).collect::<Vec<_>>(), [3, 17, 1]);
    assert!(numbers[2].iter().all(|&number| number == 0));
    assert_eq!(numbers[1].iter().max(), Some(&16));
}

#[test]
fn of_two_that_are_as_near_the_lower_one_is_taken_and_equal_values_keep_their_centroid() {
    let line = vec![vec![0.5, -0.5, 0.0, 2.0, 1.5, 0.75]];
    let (centroids, numbers) = found(gpu(), span(gpu(), &line, 0..6), &[vec![-1.0, 1.0, 2.0]], 0);
    assert_eq!((centroids, numbers), (vec![vec![-1.0, 1.0, 2.0]], vec![vec![1, 0, 0, 2, 1, 1]]));
    // A tenth has no exact half of bits; and nothing is near 7.
    let equal = vec![vec![0.1f32; 5_003]];
    let (centroids, numbers) = found(gpu(), span(gpu(), &equal, 0..5_003), &[vec![0.1, 7.0]], 4);
    assert_eq!((centroids, numbers), (vec![vec![0.1, 7.0]], vec![vec![0; 5_003]]));
    // The largest values that there may be.
    let [less, most] = [0.5, 0.999].map(|part| part * LIMIT);
    let large = vec![vec![most, -most, less, -less]];
    let (_, numbers) = found(gpu(), span(gpu(), &large, 0..4), &[vec![-most, -less, less, most]], 1);
    assert_eq!(numbers, [[3, 0, 2, 1]]);
}

#[test]
fn bins_agree_with_their_twin_to_the_last_one() {
    for replicas in [1, 3] {
        let mut all = lines(replicas, 9_001);
        all[0][3..9].copy_from_slice(&[0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-40]);
        for range in [0..9_001, 2..8_000, 4..5] {
            let span = span(gpu(), &all, range.clone());
            let (bins, plan) = span.tally(gpu()).unwrap();
            gpu().run(&plan).unwrap();
            gpu().run(&plan).unwrap();
            let bins: Vec<u32> = gpu().read(&bins).unwrap();
            for (line, bins) in all.iter().zip(bins.chunks_exact(2 * BINS)) {
                assert!(bins == twin::tally(&line[range.clone()]).as_flattened(), "{range:?}");
                // The negative control.
                assert!(bins != twin::tally(&line[..range.end - 1]).as_flattened(), "{range:?}");
            }
        }
    }
}

#[test]
fn what_there_is_none_of_cannot_be_clustered() {
    let tensor = Tensor::zeros(gpu(), "lines", 2, 1, 9).unwrap();
    for range in [3..3, 4..10] {
        let error = Span::new(&tensor, range.clone()).unwrap_err();
        assert!(error.to_string().contains(&format!("values {range:?} of 9")), "{error}");
    }
    let span = Span::new(&tensor, 1..9).unwrap();
    assert!(span.fits(gpu(), 256) && !span.fits(small_gpu(), 2));
    for (starts, words) in [
        (vec![even(2)], "[2] clusters"),
        (vec![even(2), vec![]], "[2, 0] clusters"),
        (vec![even(257), even(2)], "[257, 2] clusters"),
    ] {
        let error = Clusters::new(gpu(), span.clone(), &starts).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}
