//! Centroids of values on a line.
//!
//! On a line the best clusters are runs of the sorted values, and the best of these are found without iterating: the
//! best c clusters of the first j values are the best c - 1 of the first i, and one of those between i and j, and the
//! best i never falls as j grows (Wang and Song 2011, "Ckmeans.1d.dp"). Many values are put together into points first.

/// Values that are looked at one by one.
const POINTS: usize = 2048;

/// Bins of values whose upper 16 bits are the same.
const BINS: usize = 1 << 16;

/// Values that stay together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Point {
    /// How many.
    pub count: f64,
    /// What they add up to.
    pub sum: f64,
}

/// At most `most` centroids of finite values, in ascending order, that have the least sum of squared distances. That is
/// exact for up to 2048 values; of more it is for so many points that they are put together to.
pub(super) fn centroids(values: &[f32], most: usize) -> Vec<f32> {
    let points = if values.len() <= POINTS { each(values) } else { together(binned(values)) };
    centroids_of_points(&points, most)
}

/// The same of values of which no more is known than how many of each upper 16 bits there are, in the order of the
/// values, and what these add up to.
pub(super) fn centroids_of_bins(bins: Vec<Point>, most: usize) -> Vec<f32> {
    centroids_of_points(&together(bins), most)
}

fn centroids_of_points(points: &[Point], most: usize) -> Vec<f32> {
    let clusters = most.min(points.len());
    let sums = Sums::new(points);
    let ends = sums.best_ends(clusters);
    let mut first = 0;
    let centroid = |end: usize| {
        let centroid = sums.mean(first, end);
        first = end;
        centroid as f32
    };
    ends.into_iter().map(centroid).collect()
}

/// The place of the nearest of ascending centroids, of two that are as near the lower one.
pub(super) fn nearest(centroids: &[f32]) -> impl Fn(f32) -> usize + use<> {
    let middles: Vec<f32> = centroids.windows(2).map(|pair| pair[0] / 2.0 + pair[1] / 2.0).collect();
    move |value| middles.partition_point(|middle| *middle < value)
}

/// A point for each value that there is.
fn each(values: &[f32]) -> Vec<Point> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let mut points: Vec<Point> = Vec::with_capacity(sorted.len());
    let mut last = f32::NAN;
    for value in sorted {
        if value != last {
            points.push(Point::default());
            last = value;
        }
        if let Some(point) = points.last_mut() {
            point.count += 1.0;
            point.sum += f64::from(value);
        }
    }
    points
}

/// How many values there are of each upper 16 bits, and their sums.
fn binned(values: &[f32]) -> Vec<Point> {
    let mut bins = vec![Point::default(); BINS];
    for &value in values {
        let bits = value.to_bits();
        // As a whole number, the bits have the order of the values.
        let order = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
        let bin = &mut bins[(order >> 16) as usize];
        bin.count += 1.0;
        bin.sum += f64::from(value);
    }
    bins
}

/// Points of bins, put together where they lie densely.
fn together(mut bins: Vec<Point>) -> Vec<Point> {
    bins.retain(|bin| bin.count > 0.0);
    // The best of many levels lie as densely as the cube root of the values' own density. A bin is as wide as a part of
    // its value; of its share, two square roots make the fourth root, and round alike on all machines.
    let share = |bin: &Point| {
        let width = (bin.sum / bin.count).abs();
        (bin.count * width * width * width).sqrt().sqrt()
    };
    let whole: f64 = bins.iter().map(share).sum();
    let mut points: Vec<Point> = Vec::with_capacity(POINTS);
    let (mut done, mut last) = (0.0, usize::MAX);
    for bin in &bins {
        let place = ((done / whole * POINTS as f64) as usize).min(POINTS - 1);
        done += share(bin);
        if place != last {
            points.push(Point::default());
            last = place;
        }
        if let Some(point) = points.last_mut() {
            point.count += bin.count;
            point.sum += bin.sum;
        }
    }
    points
}

/// Sums over the points before each place. They are of distances from the mean, which lose less to rounding.
struct Sums {
    mean: f64,
    counts: Vec<f64>,
    sums: Vec<f64>,
}

impl Sums {
    fn new(points: &[Point]) -> Self {
        let count: f64 = points.iter().map(|point| point.count).sum();
        let mean = points.iter().map(|point| point.sum).sum::<f64>() / count.max(1.0);
        let (mut counts, mut sums) = (vec![0.0], vec![0.0]);
        let mut all = Point::default();
        for point in points {
            all.count += point.count;
            all.sum += point.sum - mean * point.count;
            counts.push(all.count);
            sums.push(all.sum);
        }
        Self { mean, counts, sums }
    }

    fn mean(&self, first: usize, end: usize) -> f64 {
        self.mean + (self.sums[end] - self.sums[first]) / (self.counts[end] - self.counts[first])
    }

    /// By how much a cluster of these points lessens the sum of squares.
    fn gain(&self, first: usize, end: usize) -> f64 {
        let sum = self.sums[end] - self.sums[first];
        sum * sum / (self.counts[end] - self.counts[first])
    }

    /// Where the clusters of the least sum of squares end.
    fn best_ends(&self, clusters: usize) -> Vec<usize> {
        let points = self.counts.len() - 1;
        let mut best: Vec<f64> =
            (0..=points).map(|end| if end > 0 { self.gain(0, end) } else { 0.0 }).collect();
        let mut firsts: Vec<Vec<u16>> = Vec::new();
        for cluster in 1..clusters {
            let mut layer =
                Layer { sums: self, before: &best, best: best.clone(), first: vec![0; points + 1] };
            // With `cluster` clusters before it, this one begins at that place or later.
            layer.fill(cluster + 1, points, cluster, points);
            let Layer { best: now, first, .. } = layer;
            best = now;
            firsts.push(first);
        }
        let mut ends = vec![points];
        for first in firsts.iter().rev() {
            ends.push(usize::from(first[ends[ends.len() - 1]]));
        }
        ends.reverse();
        ends
    }
}

/// The best of one cluster more.
struct Layer<'a> {
    sums: &'a Sums,
    before: &'a [f64],
    best: Vec<f64>,
    first: Vec<u16>,
}

impl Layer<'_> {
    /// For all ends from `low` to `high`, whose last clusters begin at `from` to `to`.
    fn fill(&mut self, low: usize, high: usize, from: usize, to: usize) {
        if low > high {
            return;
        }
        let end = low.midpoint(high);
        let (mut best, mut first) = (f64::NEG_INFINITY, from);
        for start in from..=to.min(end - 1) {
            let gain = self.before[start] + self.sums.gain(start, end);
            if gain > best {
                (best, first) = (gain, start);
            }
        }
        (self.best[end], self.first[end]) = (best, first as u16);
        self.fill(low, end - 1, from, first);
        self.fill(end + 1, high, first, to);
    }
}
