//! Which snapshots are held out for validation: every Nth.

/// Holds every Nth snapshot out, the Nth first; 0 holds none out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HoldOut(pub usize);

impl HoldOut {
    /// Those to train on, and those that are held out, each in their order.
    pub fn split<T>(self, snapshots: impl IntoIterator<Item = T>) -> (Vec<T>, Vec<T>) {
        let (mut train, mut held_out) = (Vec::new(), Vec::new());
        for (place, snapshot) in snapshots.into_iter().enumerate() {
            if self.0 > 0 && (place + 1).is_multiple_of(self.0) {
                held_out.push(snapshot)
            } else {
                train.push(snapshot)
            }
        }
        (train, held_out)
    }
}
