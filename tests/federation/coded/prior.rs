//! What a code cannot say comes from the global model.

use super::support::{Axes, Sides, floats_of, made_up_logs, made_up_weights};
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::random::uniform_tensor;

const P: usize = 61;
const Z: usize = 3;

/// `D(E(w))`, and `D(E(w)) + (g - D(E(g)))`.
fn by_hand(axes: &Axes, weights: &[f32], global: &[f32]) -> [Vec<f64>; 2] {
    let [own, known] = [weights, global].map(|values| axes.decoded(&axes.code(values)));
    let each = own.iter().zip(global).zip(known);
    let with_global = each.map(|((own, &global), known)| own + (f64::from(global) - known)).collect();
    [own, with_global]
}

#[test]
fn a_prior_adds_what_the_code_cannot_say_of_the_global_model() {
    let mut sides = Sides::new("[\"prior\", { stage = \"pca\", floats = 3 }]", &made_up_logs(2, 6, P));
    assert_eq!(sides.codec.label(), "prior+pca(3)");
    let axes: Vec<_> = sides.shipped.iter().map(|bytes| Axes::shipped(bytes, Z, P).0).collect();
    for number in 1..=3 {
        let (global, weights) = (uniform_tensor(P, 0, number, 17, 1.0), made_up_weights(2, P, number));
        let payloads = sides.send(number, &global, &weights, None);
        let arrived = sides.receive(number, &global, &payloads);
        for (who, axes) in axes.iter().enumerate() {
            let [plain, with_global] = by_hand(axes, &weights[who], &global);
            let [due, other] = if number == 1 { [plain, with_global] } else { [with_global, plain] };
            let what = format!("round {number} of {who}");
            assert_close(&what, &arrived[who], &due, Tolerance::Balanced);
            // The negative control: the other formula comes to something else.
            assert!(compare(&what, &arrived[who], &other, Tolerance::Permissive).is_err());
            // Not a byte more than a code has, and of the difference of two from the second round on.
            assert_eq!(payloads[who].len(), 4 * Z);
            let known = if number == 1 { vec![0.0; Z] } else { axes.code(&global) };
            let own = axes.code(&weights[who]).into_iter().zip(known);
            let code: Vec<_> = own.map(|(own, known)| own - known).collect();
            let sent: Vec<_> = floats_of(&payloads[who]).into_iter().map(|value| value as f32).collect();
            assert_close(&what, &sent, &code, Tolerance::Balanced);
        }
    }
}

#[test]
fn a_model_that_stays_where_it_is_sends_nothing_and_arrives_whole() {
    let mut sides =
        Sides::new("[\"prior\", { stage = \"pca\", floats = 3 }, \"f16\"]", &made_up_logs(2, 6, P));
    assert_eq!(sides.codec.label(), "prior+pca(3)+f16");
    let global = uniform_tensor(P, 0, 5, 17, 1.0);
    let payloads = sides.send(2, &global, &vec![global.clone(); 2], None);
    assert_eq!(payloads, vec![vec![0; 2 * Z]; 2]);
    assert_eq!(sides.receive(2, &global, &payloads), vec![global.clone(); 2]);
    // The negative control: in the first round there is no model to begin from.
    let arrived = sides.through(1, &global, &vec![global.clone(); 2]);
    assert!(arrived.iter().all(|arrived| arrived.iter().zip(&global).any(|(a, g)| (a - g).abs() > 0.1)));
}
