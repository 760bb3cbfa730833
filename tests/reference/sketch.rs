//! Count sketches by hand, and by what is known of them.

use fedfunnel::reference::random::uniform_tensor;
use fedfunnel::reference::sketch::{estimates, hash, table};

const KEY: [u32; 2] = [3, 4];

fn values(length: usize) -> Vec<f64> {
    uniform_tensor(length, 0, 0, 5, 1.0).into_iter().map(f64::from).collect()
}

#[test]
fn worked_by_hand() {
    // One row of one column adds all values up, each with its sign.
    let signs: Vec<_> = (0..4).map(|place| hash(0, place, 1, KEY).1).collect();
    let sum = 1.0 * signs[0] + 2.0 * signs[1] + 4.0 * signs[2] + 8.0 * signs[3];
    assert_eq!(table(&[1.0, 2.0, 4.0, 8.0], [1, 1], KEY), [sum]);
    let own: Vec<_> = signs.iter().map(|sign| sign * sum).collect();
    assert_eq!(estimates(&[sum], [1, 1], KEY, 4), own);
    // Of three rows of one column, the cell in the middle once it has the value's signs; of two, their mean.
    let signs: Vec<_> = (0..3).map(|row| hash(row, 7, 1, KEY).1).collect();
    let cells = [5.0 * signs[0], -signs[1], 2.0 * signs[2]];
    assert_eq!(estimates(&cells, [3, 1], KEY, 8)[7], 2.0);
    assert_eq!(estimates(&cells[..2], [2, 1], KEY, 8)[7], 2.0);
}

#[test]
fn a_value_alone_is_told_whole_by_every_shape() {
    for shape in [[1, 1], [2, 3], [3, 7], [5, 10]] {
        for place in [0, 1, 33] {
            let mut line = vec![0.0; 40];
            line[place] = -1.5;
            let cells = table(&line, shape, KEY);
            assert_eq!(cells.iter().filter(|cell| cell.abs() == 1.5).count(), shape[0]);
            assert_eq!(estimates(&cells, shape, KEY, 40)[place], -1.5);
            // The negative control: other hashes tell another value, in the end.
            let other = (0..20).any(|key| estimates(&cells, shape, [key, 9], 40)[place] != -1.5);
            assert!(other, "{shape:?}, {place}");
        }
    }
}

#[test]
fn sketches_of_sums_are_sums_of_sketches() {
    let (a, b) = (values(50), values(90)[40..].to_vec());
    let both: Vec<_> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
    let [a, b, both] = [a, b, both].map(|line| table(&line, [3, 7], KEY));
    for cell in 0..21 {
        assert!((a[cell] + b[cell] - both[cell]).abs() < 1e-12);
    }
}

#[test]
fn columns_and_signs_are_spread_evenly() {
    let mut counts = [0; 7];
    let mut minus = 0;
    for place in 0..7_000 {
        let (column, sign) = hash(2, place, 7, KEY);
        counts[column] += 1;
        minus += usize::from(sign < 0.0);
    }
    // Four deviations: sqrt(7,000 / 7) and sqrt(7,000) / 2.
    assert!(counts.iter().all(|count| (880..=1_120).contains(count)), "{counts:?}");
    assert!((3_330..=3_670).contains(&minus), "{minus}");
}
