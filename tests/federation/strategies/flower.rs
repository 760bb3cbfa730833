//! Rounds of Flower's own strategies, which `tests/goldens/make_strategy_goldens.py` has stored.

use super::strategy;
use crate::golden::Golden;
use crate::support::strategy_round;
use fedfunnel::codec::Values;
use fedfunnel::federation::{Arrived, StrategyRound};

/// How far a value may lie from Flower's float64, relative to the largest of a round. What a round leaves is rounded to
/// f32, by 6e-8, and Adam's division by small second moments makes more of that.
const TOLERANCE: f64 = 2e-6;

/// The largest error in any round, relative to the largest value of that round.
fn error(name: &str, text: &str) -> f64 {
    let golden = Golden::open("strategies");
    let (samples, losses) = (golden.f64("samples"), golden.losses());
    let mut global = golden.f32("global");
    let (count, width) = (samples.len(), global.len());
    let (updates, due) = (golden.f32("updates"), golden.f64(name));
    let mut strategy = strategy(text).unwrap();
    let mut worst = 0f64;
    for (number, (due, updates)) in
        due.chunks_exact(width).zip(updates.chunks_exact(width * count)).enumerate()
    {
        let arrived =
            updates.chunks_exact(width).zip(&samples).enumerate().map(|(who, (update, samples))| Arrived {
                who: who as u32,
                samples: *samples as usize,
                steps: 1,
                update: Values::Host(update.to_vec()),
                loss: Some(losses[number * count + who]),
                staleness: 0,
            });
        let arrived: Vec<_> = arrived.collect();
        let start = global.clone();
        let round = StrategyRound {
            number: number as u32 + 1,
            asked: count,
            collaborators: count,
            ..strategy_round(&start)
        };
        let combined = strategy.combine.combine(&round, &arrived).unwrap();
        strategy.server.step(&round, &mut global, &combined);
        let largest = due.iter().fold(0f64, |largest, value| largest.max(value.abs()));
        let far = global.iter().zip(due).map(|(found, due)| (f64::from(*found) - due).abs());
        worst = far.fold(worst, |worst, far| worst.max(far / largest));
    }
    worst
}

/// Flower's strategies, and ours with the same options.
const ALIKE: [(&str, &str); 14] = [
    ("fedavg", "\"fedavg\""),
    ("fedavgm", "{preset=\"fedavgm\",server={rate=0.7}}"),
    ("fedadam", "\"fedadam\""),
    ("fedadam_other", "{preset=\"fedadam\",server={beta1=0.5,beta2=0.75,tau=0.25}}"),
    ("fedyogi", "\"fedyogi\""),
    ("fedadagrad", "\"fedadagrad\""),
    ("fedmedian", "\"fedmedian\""),
    ("fedtrimmedavg", "\"fedtrimmedavg\""),
    ("fedtrimmedavg_other", "{preset=\"fedtrimmedavg\",combine={part=0.45}}"),
    ("krum", "{preset=\"krum\",combine={byzantine=2}}"),
    ("multikrum", "{preset=\"multikrum\",combine={byzantine=1,keep=4}}"),
    ("qfedavg", "\"qfedavg\""),
    ("qfedavg_other", "{preset=\"qfedavg\",combine={q=2,rate=0.1}}"),
    ("principal", "\"fedld\""),
];

#[test]
fn five_rounds_come_to_what_flower_comes_to() {
    for (name, text) in ALIKE {
        let error = error(name, text);
        println!("{name}: {error:.2e}");
        assert!(error <= TOLERANCE, "{name}: {error}");
    }
}

#[test]
fn the_comparison_tells_rules_and_options_apart() {
    for (name, text) in [
        ("fedavg", "\"fedmedian\""),
        ("fedavg", "{preset=\"fedavg\",combine=\"nova\",server={kind=\"momentum\",momentum=0.001}}"),
        ("fedavgm", "{preset=\"fedavgm\",server={rate=0.7,momentum=0.899}}"),
        // The paper's Adam, whose rate is not corrected.
        ("fedadam", "{preset=\"fedadam\",server={bias_correction=false}}"),
        ("fedadam", "{preset=\"fedadam\",server={tau=0.00101}}"),
        ("fedyogi", "{preset=\"fedyogi\",server={kind=\"adam\",rate=0.01,bias_correction=false}}"),
        ("fedadagrad", "{preset=\"fedadagrad\",server={beta1=0.001}}"),
        ("fedtrimmedavg", "\"fedmedian\""),
        ("fedtrimmedavg_other", "\"fedtrimmedavg\""),
        ("krum", "\"multikrum\""),
        ("multikrum", "{preset=\"multikrum\",combine={byzantine=1,keep=4,weighted=false}}"),
        ("multikrum", "{preset=\"multikrum\",combine={byzantine=1,keep=5}}"),
        ("qfedavg", "{preset=\"qfedavg\",combine={q=0.101}}"),
        ("principal", "{preset=\"fedld\",combine={part=0.7}}"),
    ] {
        let error = error(name, text);
        assert!(error > 5.0 * TOLERANCE, "{name} by {text}: {error}");
    }
}
