//! What a code misses, through stages of its own.

use super::support::{Sides, made_up_logs, made_up_weights};
use crate::ternary::ternarised;
use fedfunnel::reference::random::uniform_tensor;

const P: usize = 97;
const COUNT: usize = 9;

#[test]
fn what_a_code_misses_is_sent_beside_it_and_what_that_leaves_is_made_up_for() {
    let (code, sent) = ("\"prior\", { stage = \"pca\", floats = 3 }", "{ stage = \"ternary\", count = 9 }");
    let mut alone = Sides::new(&format!("[{code}]"), &made_up_logs(2, 6, P));
    let mut both = Sides::new(
        &format!("[{code}, {{ stage = \"residual\", stages = [{sent}] }}]"),
        &made_up_logs(2, 6, P),
    );
    assert_eq!(both.codec.label(), "prior+pca(3)+residual(feedback+ternary(9))");
    assert_eq!(both.shipped, alone.shipped);
    let mut owed = vec![vec![0f32; P]; 2];
    let (mut missed_in_all, mut arrived_in_all) = (vec![vec![0f64; P]; 2], vec![vec![0f64; P]; 2]);
    let mut differs = false;
    for number in 1..=12 {
        let (global, weights) = (uniform_tensor(P, 0, number, 17, 1.0), made_up_weights(2, P, number % 3));
        let heads = alone.send(number, &global, &weights, None);
        let decoded = alone.receive(number, &global, &heads);
        let payloads = both.send(number, &global, &weights, None);
        let arrived = both.receive(number, &global, &payloads);
        for who in 0..2 {
            assert_eq!(payloads[who][..12], heads[who], "the code is the same");
            let missed: Vec<_> = weights[who].iter().zip(&decoded[who]).map(|(w, d)| w - d).collect();
            let with_owed: Vec<_> =
                missed.iter().zip(&owed[who]).map(|(missed, owed)| missed + owed).collect();
            let sent = ternarised(&with_owed, COUNT);
            let due: Vec<_> = decoded[who].iter().zip(&sent).map(|(decoded, sent)| decoded + sent).collect();
            assert_eq!(arrived[who], due, "round {number} of {who}");
            // The negative control: without what is owed, other values go.
            differs |= ternarised(&missed, COUNT) != sent;
            owed[who] = with_owed.iter().zip(&sent).map(|(whole, sent)| whole - sent).collect();
            for place in 0..P {
                missed_in_all[who][place] += f64::from(missed[place]);
                arrived_in_all[who][place] += f64::from(sent[place]);
            }
        }
    }
    assert!(differs);
    for who in 0..2 {
        let kept = both.senders[who].scope("0").scope("residual").scope("0");
        assert_eq!(kept.get("error"), Some(&owed[who][..]));
        for place in 0..P {
            let left = missed_in_all[who][place] - arrived_in_all[who][place];
            assert!((left - f64::from(owed[who][place])).abs() < 1e-5);
        }
    }
}

#[test]
fn a_residual_of_everything_brings_the_weights_as_they_are() {
    let text = "[{ stage = \"pca\", floats = 2 }, { stage = \"residual\", stages = \"raw\" }]";
    let mut sides = Sides::new(text, &made_up_logs(2, 5, P));
    for number in 1..=3 {
        let (global, weights) = (uniform_tensor(P, 0, number, 17, 1.0), made_up_weights(2, P, number));
        for (arrived, weights) in sides.through(number, &global, &weights).iter().zip(&weights) {
            let off = arrived.iter().zip(weights).map(|(a, w)| (a - w).abs()).fold(0.0, f32::max);
            assert!(off < 1e-6, "{off}");
        }
    }
    // Feedback that is listed stands there once.
    let text =
        "[{ stage = \"pca\", floats = 2 }, { stage = \"residual\", stages = [\"feedback\", \"f16\"] }]";
    assert_eq!(Sides::new(text, &made_up_logs(2, 5, P)).codec.label(), "pca(2)+residual(feedback+f16)");
}

#[test]
fn what_feedback_on_codes_owes_is_of_codes_that_were_sent() {
    // A residual makes a collaborator decode what it sends, once as often as there are updates.
    let tail = "[{ stage = \"pca\", floats = 4 }, \"feedback\", { stage = \"topk\", part = 0.5 }";
    let mut plain = Sides::new(&format!("{tail}]"), &made_up_logs(2, 6, P));
    let mut both = Sides::new(
        &format!("{tail}, {{ stage = \"residual\", stages = [{{ stage = \"topk\", part = 0.1 }}] }}]"),
        &made_up_logs(2, 6, P),
    );
    for number in 1..=4 {
        let (global, weights) = (uniform_tensor(P, 0, number, 17, 1.0), made_up_weights(2, P, number));
        let heads = plain.send(number, &global, &weights, None);
        for (head, whole) in heads.iter().zip(both.send(number, &global, &weights, None)) {
            assert_eq!(head[..], whole[..head.len()], "round {number}");
        }
    }
}
