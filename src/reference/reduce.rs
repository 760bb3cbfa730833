//! Averages over replicas.

/// `[P]` from `x [R, P]` and `weights [R]`: federated averaging (McMahan et al. 2017, algorithm 1) with the
/// weights, usually sample counts, divided by their sum.
pub fn weighted_average(x: &[f64], weights: &[f64]) -> Vec<f64> {
    let replicas = weights.len();
    assert!(replicas > 0 && x.len().is_multiple_of(replicas), "{} elements in {replicas} rows", x.len());
    let parameters = x.len() / replicas;
    let total: f64 = weights.iter().sum();
    assert!(total > 0.0, "the weights of an average sum to {total}");
    let mut average = vec![0.0; parameters];
    for r in 0..replicas {
        for p in 0..parameters {
            average[p] += weights[r] / total * x[r * parameters + p];
        }
    }
    average
}
