//! Rules for the global model by hand.

use super::{assert_close, refusal, strategy};
use crate::support::strategy_round;
use fedfunnel::codec::Kept;
use fedfunnel::federation::{Momentum, Replace, Server, StrategyRound};

#[test]
fn momentum_is_as_counted_by_hand() {
    let mut server = Momentum::new(0.5, 0.25);
    let mut global = [1.0, -2.0];
    // d = (-1, -2), v = d, and a quarter of it is taken off.
    let round = strategy_round(&[]);
    server.step(&round, &mut global, &[2.0, 0.0]);
    assert_eq!(global, [1.25, -1.5]);
    // d = (1.25, 0.5), v = (-0.5, -1) + d = (0.75, -0.5).
    server.step(&round, &mut global, &[0.0, -2.0]);
    assert_eq!(global, [1.0625, -1.375]);
    assert_eq!(server.kept().get("velocity"), Some(&[0.75f32, -0.5][..]));
    // Without momentum and at rate one it is FedAvg.
    let (mut plain, mut replaced) = ([1.0, -2.0], [1.0, -2.0]);
    Momentum::new(0.0, 1.0).step(&round, &mut plain, &[0.5, 4.0]);
    Replace::default().step(&round, &mut replaced, &[0.5, 4.0]);
    assert_eq!(plain, replaced);
}

/// What a server makes of a model of one weight, round by round.
fn rounds(server: &str, start: f32, combined: &[f32]) -> Vec<f32> {
    let mut server = strategy(&format!("{{server={server}}}")).unwrap().server;
    let mut global = [start];
    let round = |(number, combined): (u32, &f32)| {
        let round = StrategyRound { number, ..strategy_round(&[]) };
        server.step(&round, &mut global, &[*combined]);
        global[0]
    };
    (1..).zip(combined).map(round).collect()
}

#[test]
fn adam_is_as_counted_by_hand() {
    let options = "rate=0.75,beta1=0.5,beta2=0.75,tau=0.5";
    // d = 2: m = 0.5 * 2 = 1, v = 0.25 * 4 = 1, and 0.75 * 1 / (1 + 0.5) = 0.5.
    // d = 0.5 - 1.5 = -1: m = 0.5 - 0.5 = 0, so that the weight stays, and v = 0.75 + 0.25 = 1.
    // d = 2: m = 1, v = 0.75 + 1 = 1.75, and 0.75 / (1.322876 + 0.5) = 0.411438.
    let plain = rounds(&format!("{{kind=\"adam\",{options},bias_correction=false}}"), 1.0, &[3.0, 0.5, 3.5]);
    assert_close(&plain, &[1.5, 1.5, 1.911438]);
    // In round 1 by sqrt(1 - 0.75^2) / (1 - 0.5^2) = 0.661438 / 0.75 = 0.881917.
    let corrected = rounds(&format!("{{kind=\"adam\",{options}}}"), 1.0, &[3.0]);
    assert_close(&corrected, &[1.0 + 0.5 * 0.881917]);
}

#[test]
fn yogi_is_as_counted_by_hand() {
    let yogi = "{kind=\"yogi\",eta=0.75,beta1=0.5,beta2=0.75,tau=0.5}";
    // d = 2: the sign of 0 - 4 is -1, so that v = 0 + 0.25 * 4 = 1; m = 1, and 0.75 / 1.5 = 0.5.
    // d = -1: v - d^2 = 0 has no sign, v = 1; m = 0.
    // d = 0.5: v = 1 - 0.25 * 0.25 = 0.9375; m = 0.25, and 0.75 * 0.25 / (0.968246 + 0.5) = 0.127703.
    assert_close(&rounds(yogi, 1.0, &[3.0, 0.5, 2.0]), &[1.5, 1.5, 1.627703]);
}

#[test]
fn adagrad_is_as_counted_by_hand() {
    // d = 3: v = 9, and 3 / (3 + 1) = 0.75. d = 4: v = 9 + 16 = 25, and 4 / (5 + 1) = 0.666667.
    let adagrad = "{kind=\"adagrad\",rate=1,tau=1}";
    assert_close(&rounds(adagrad, 1.0, &[4.0, 5.75]), &[1.75, 2.416667]);
}

const ADAPTIVE: [&str; 3] = ["adam", "yogi", "adagrad"];

#[test]
fn a_server_that_is_resumed_goes_on_with_the_same_bits() {
    for name in ["momentum"].iter().chain(&ADAPTIVE) {
        let make = || strategy(&format!("{{server=\"{name}\"}}")).unwrap().server;
        let step = |server: &mut dyn Server, number: u32, global: &mut [f32]| {
            let to: Vec<f32> = (1..=9).map(|at| ((at * number) as f32).sin()).collect();
            server.step(&StrategyRound { number, ..strategy_round(&[]) }, global, &to);
        };
        let (mut whole, mut global) = (make(), vec![0.25f32; 9]);
        (1..=3).for_each(|number| step(&mut *whole, number, &mut global));
        let (mut resumed, mut again) = (make(), global.clone());
        resumed.kept().clone_from(whole.kept());
        resumed.check_kept(9).unwrap();
        let (mut forgetful, mut other) = (make(), global.clone());
        for number in 4..=6 {
            step(&mut *whole, number, &mut global);
            step(&mut *resumed, number, &mut again);
            step(&mut *forgetful, number, &mut other);
        }
        assert_eq!(global, again, "{name}");
        // The negative control: without what was kept it is another model.
        assert_ne!(global, other, "{name}");
        assert!(
            whole.check_kept(10).unwrap_err().to_string().contains("9 values where 10 are due"),
            "{name}"
        );
    }
}

#[test]
fn a_weight_that_nobody_changes_stays_where_it_is() {
    for name in ADAPTIVE {
        assert_eq!(rounds(&format!("\"{name}\""), 0.5, &[0.5, 0.5]), [0.5, 0.5], "{name}");
    }
}

#[test]
fn options_that_cannot_work_are_refused_in_words() {
    for (server, words) in [
        ("{kind=\"adam\",rate=0}", "a rate of 0"),
        ("{kind=\"adam\",eta=-1}", "a rate of -1"),
        ("{kind=\"adam\",beta1=1}", "a decay of 1"),
        ("{kind=\"yogi\",beta2=-0.1}", "a decay of -0.1"),
        ("{kind=\"yogi\",tau=0}", "a tau of 0"),
        ("{kind=\"adagrad\",tau=inf}", "a tau of inf"),
        ("{kind=\"adagrad\",beta2=0.5}", "unknown field `beta2`"),
        ("\"adamm\"", "did you mean adam?"),
    ] {
        let refused = refusal(&format!("{{server={server}}}"));
        assert!(refused.contains("strategy.server") && refused.contains(words), "{refused}");
    }
    assert_eq!(*strategy("\"fedadam\"").unwrap().server.kept(), Kept::default());
}
