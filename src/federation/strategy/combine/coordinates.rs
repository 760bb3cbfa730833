//! Rules that look at each weight by itself.

use super::vectors::{Update, threads};

/// Coordinates that are turned around at a time, so that the values of one lie together.
const BLOCK: usize = 256;

/// Gives each coordinate what `rule` makes of the values that the updates have there. They are
/// [keys](key), which stand in the order of the values, in any order.
pub(super) fn of_each(updates: &[Update<'_>], rule: impl Fn(&mut [i32]) -> f64 + Sync) -> Vec<f32> {
    let width = updates.first().map_or(0, |update| update.len());
    let mut result = vec![0f32; width];
    let part = width.div_ceil(threads(width * updates.len())).max(1);
    let fill = |start: usize, part: &mut [f32]| {
        let mut keys = vec![0i32; BLOCK * updates.len()];
        for (block, out) in part.chunks_mut(BLOCK).enumerate() {
            let from = start + block * BLOCK;
            for (place, update) in updates.iter().enumerate() {
                let values = &update[from..from + out.len()];
                let column = keys.iter_mut().skip(place).step_by(updates.len());
                column.zip(values).for_each(|(key_, value)| *key_ = key(*value));
            }
            for (out, column) in out.iter_mut().zip(keys.chunks_exact_mut(updates.len())) {
                *out = rule(column) as f32;
            }
        }
    };
    std::thread::scope(|scope| {
        let fill = &fill;
        let mut parts = result.chunks_mut(part).enumerate();
        let own = parts.next();
        for (number, values) in parts {
            scope.spawn(move || fill(number * part, values));
        }
        own.into_iter().for_each(|(_, values)| fill(0, values));
    });
    result
}

/// A number in the order of the value: as [`f32::total_cmp`] has it, so that what is not a number stands at an end.
fn key(value: f32) -> i32 {
    turned(value.to_bits() as i32)
}

/// The value of a key.
pub(super) fn value(key: i32) -> f64 {
    f64::from(f32::from_bits(turned(key) as u32))
}

/// Turns the order of negative numbers around, and back.
fn turned(bits: i32) -> i32 {
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::federation::strategy::combine::vectors::WORTH_A_THREAD;
    use std::borrow::Cow;

    #[test]
    fn keys_stand_in_the_order_of_values() {
        let ordered = [f32::NEG_INFINITY, -2.5, -1e-40, -0.0, 0.0, 1e-40, 1.0, 3.0, f32::INFINITY];
        assert!(ordered.map(key).is_sorted_by(|a, b| a < b));
        assert_eq!(ordered.map(|v| value(key(v))), ordered.map(f64::from));
        assert!(key(f32::NAN) > key(f32::INFINITY) && key(-f32::NAN) < key(f32::NEG_INFINITY));
    }

    #[test]
    fn every_coordinate_is_reached_whatever_the_width() {
        // Below, at and over a block, and enough for threads.
        for width in [1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7, WORTH_A_THREAD / 2 + 5] {
            let line = |sign: f32| Cow::Owned((0..width).map(|at| sign * at as f32).collect::<Vec<_>>());
            let highest = of_each(&[line(-1.0), line(1.0)], |column| value(column[0].max(column[1])));
            assert!(highest.iter().enumerate().all(|(at, value)| *value == at as f32), "{width}");
        }
    }
}
