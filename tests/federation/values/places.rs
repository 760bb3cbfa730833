//! Each stage alone, behind others, beside a code, for several collaborators, and damaged on its way.

use super::{arrived, codec, sent, two_layers, values_of};
use crate::coded::support::{Sides, made_up_logs, made_up_weights};
use crate::support::{gpu, run, spec};
use fedfunnel::Error;
use fedfunnel::codec::{Kept, MessageKind, Round, Values};
use fedfunnel::federation::Parts;
use fedfunnel::reference::random::uniform_tensor;

/// The stages, and how far what arrives may be from values of at most 1.
const STAGES: [(&str, f32); 9] = [
    ("\"bf16\"", 0.01),
    ("\"f8\"", 0.1),
    ("{ stage = \"quantize\", bits = 1 }", 2.1),
    ("{ stage = \"quantize\", bits = 3 }", 0.5),
    ("{ stage = \"quantize\", bits = 8, per = 16, stochastic = false }", 0.01),
    ("{ stage = \"quantize\", bits = 5, per = \"row\" }", 0.1),
    ("\"sign\"", 1.1),
    ("{ stage = \"kmeans\", clusters = 16 }", 0.3),
    ("\"entropy\"", 1e-6),
];

#[test]
fn each_stage_works_alone_and_behind_others_for_several_collaborators() {
    let layout = two_layers();
    for (stage, most) in STAGES {
        // Behind a stage that writes the values there are none.
        let behind = if stage == "\"entropy\"" {
            format!("[\"f16\", {stage}]")
        } else {
            format!("[{stage}, \"f16\"]")
        };
        for text in
            [format!("[{stage}]"), format!("[\"delta\", {stage}]"), format!("[\"raw\", {stage}]"), behind]
        {
            let codec = codec(&layout, &text);
            let global: Vec<f32> = values_of(&layout, 9).iter().map(|value| value / 100.0).collect();
            let all: Vec<Vec<f32>> = (0..3)
                .map(|who| {
                    uniform_tensor(88, who, 5, 31, 0.9).iter().zip(&global).map(|(v, g)| v + g).collect()
                })
                .collect();
            let round = Round { number: 4, seed: 8, global: &global, gpu: gpu(), local: None };
            let mut kept = vec![Kept::default(); 3];
            let updates = (0..).zip(&mut kept).zip(&all);
            let updates = updates.map(|((who, kept), values)| (who, kept, Values::Host(values.clone())));
            let payloads =
                codec.send(&round, updates.collect()).unwrap_or_else(|error| panic!("{text}: {error}"));
            let nothing = Kept::default();
            let whose = (0..).zip(&payloads).map(|(who, bytes)| (who, &nothing, bytes.as_slice())).collect();
            let mut got = codec.receive(&round, whose).unwrap();
            let got = Values::take_all(gpu(), got.iter_mut().collect()).unwrap();
            for (who, (got, values)) in (0..).zip(got.iter().zip(&all)) {
                let off = got.iter().zip(values).map(|(g, v)| (g - v).abs()).fold(0.0, f32::max);
                assert!(off <= most + 0.01, "{text}: {off}");
                // By itself a collaborator sends the same.
                let mut own = Kept::default();
                let alone = codec.send(&round, vec![(who, &mut own, Values::Host(values.clone()))]).unwrap();
                assert_eq!(alone[0], payloads[who as usize], "{text}");
            }
        }
    }
}

#[test]
fn behind_feedback_what_was_sent_and_what_is_owed_is_all_that_there_was() {
    let layout = two_layers();
    for (stage, _) in STAGES.iter().filter(|(stage, _)| *stage != "\"entropy\"") {
        for end in ["", ", \"entropy\""] {
            let codec = codec(&layout, &format!("[\"delta\", \"feedback\", {stage}{end}]"));
            let (mut kept, global) = (Kept::default(), values_of(&layout, 9));
            let (mut given, mut got) = (vec![0f64; 88], vec![0f64; 88]);
            for number in 1..=12 {
                let weights: Vec<f32> =
                    values_of(&layout, number % 4).iter().zip(&global).map(|(v, g)| v * 0.1 + g).collect();
                let round = Round { number, seed: 2, global: &global, gpu: gpu(), local: None };
                let sent = codec.send(&round, vec![(1, &mut kept, Values::Host(weights.clone()))]).unwrap();
                let back = crate::support::receive(&codec, &global, &sent[0]).unwrap();
                for place in 0..88 {
                    given[place] += f64::from(weights[place] - global[place]);
                    got[place] += f64::from(back[place] - global[place]);
                }
            }
            let owed = kept.scope("1").get("error").expect("an error");
            for place in 0..88 {
                let left = given[place] - got[place];
                assert!((left - f64::from(owed[place])).abs() < 1e-4, "{stage}: {left} {}", owed[place]);
            }
        }
    }
}

#[test]
fn what_a_code_misses_goes_beside_it_by_each_stage() {
    const P: usize = 97;
    for (stage, _) in STAGES {
        for end in ["", ", \"entropy\""] {
            let residual = format!("{{ stage = \"residual\", stages = [{stage}] }}");
            let text = format!("[\"prior\", {{ stage = \"pca\", floats = 3 }}, {stage}, {residual}{end}]");
            if stage == "\"entropy\"" && !end.is_empty() {
                continue;
            }
            // Feedback has to have something to hold.
            let text = text.replace("stages = [\"entropy\"]", "stages = [\"raw\", \"entropy\"]");
            let mut sides = Sides::new(&text, &made_up_logs(2, 6, P));
            let mut left = vec![vec![0f64; P]; 2];
            for number in 1..=6 {
                let (global, weights) =
                    (uniform_tensor(P, 0, number, 17, 1.0), made_up_weights(2, P, number % 3));
                for (who, got) in sides.through(number, &global, &weights).iter().enumerate() {
                    let each = left[who].iter_mut().zip(&weights[who]).zip(got);
                    each.for_each(|((left, weight), got)| *left += f64::from(*weight) - f64::from(*got));
                }
            }
            // What never arrived is what the residual's feedback still owes.
            for (kept, left) in sides.senders.iter().zip(&left) {
                let owed = kept.scope("0").scope("residual").scope("0").get("error").expect("an error");
                let largest = owed.iter().fold(1f32, |most, owed| most.max(owed.abs()));
                for (left, owed) in left.iter().zip(owed) {
                    let off = (left - f64::from(*owed)).abs();
                    assert!(off < 1e-4 * f64::from(largest), "{text}: {left} {owed}");
                }
            }
        }
    }
}

#[test]
fn any_byte_of_a_message_changed_cut_off_or_added_is_refused_or_read() {
    let layout = two_layers();
    let mut texts: Vec<String> = STAGES.iter().map(|(stage, _)| format!("[{stage}]")).collect();
    texts.extend(STAGES[..8].iter().map(|(stage, _)| format!("[{stage}, \"entropy\"]")));
    texts.extend(STAGES.iter().filter(|(stage, _)| *stage != "\"entropy\"").map(|(stage, _)| {
        format!("[\"delta\", \"feedback\", {{ stage = \"topk\", part = 0.2 }}, {stage}, \"entropy\"]")
    }));
    for text in texts {
        let codec = codec(&layout, &text);
        let mut values = values_of(&layout, 3);
        values[20..80].fill(0.25);
        let whole = sent(&codec, (1, 0), 7, &values);
        let check = |bytes: &[u8], what: &str| match arrived(&codec, 88, bytes) {
            Ok(values) => assert_eq!(values.len(), 88),
            Err(Error::Message { .. }) => {}
            Err(error) => panic!("{text}: {what}: {error}"),
        };
        assert!(arrived(&codec, 88, &whole).is_ok());
        for place in 0..whole.len() {
            for change in [1, 2, 4, 8, 16, 32, 64, 128, 255, 0x55] {
                let mut bytes = whole.clone();
                bytes[place] ^= change;
                check(&bytes, "a byte changed");
            }
            let cut = arrived(&codec, 88, &whole[..place]);
            assert!(matches!(cut, Err(Error::Message { .. })), "{text}: cut at {place}");
            let without = [&whole[..place], &whole[place + 1..]].concat();
            check(&without, "a byte less");
            for byte in [0, 1, 0x7f, 0xff] {
                let more = [&whole[..place], &[byte], &whole[place..]].concat();
                check(&more, "a byte more");
            }
        }
        for byte in 0..=255 {
            let longer = [&whole[..], &[byte]].concat();
            assert!(matches!(arrived(&codec, 88, &longer), Err(Error::Message { .. })), "{text}");
        }
    }
}

#[test]
fn updates_in_whole_simulations_have_the_bytes_that_are_counted_by_hand() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let codecs = "codecs=[\"raw\",[\"delta\",\"bf16\"],[\"delta\",\"f8\"],[\"delta\",{stage=\"quantize\",bits=4}],\
                  [\"delta\",{stage=\"quantize\",bits=8,per=\"row\"}],[\"delta\",\"feedback\",\"sign\"],\
                  [\"delta\",{stage=\"kmeans\",clusters=16}],\
                  [\"delta\",\"feedback\",{stage=\"topk\",part=0.02},{stage=\"kmeans\",clusters=16},\"entropy\"]]";
    let outcome = run(folder.path(), &spec(&parts, &[codecs]), &parts);
    // A header of three bytes; 15,910 values in 4 tensors of 20 x 784, 20, 10 x 20 and 10.
    let due = [
        ("raw", 3 + 4 * 15_910),
        ("delta+bf16", 3 + 2 * 15_910),
        ("delta+f8", 3 + 16 + 15_910),
        ("delta+quantize(4)", 3 + 16 + 15_910 / 2),
        ("delta+quantize(8,per=row)", 3 + 4 * (20 + 1 + 10 + 1) + 15_910),
        ("delta+feedback+sign", 3 + 16 + 1_989),
    ];
    for (federation, (label, bytes)) in outcome.federations.iter().zip(due) {
        assert_eq!(federation.label, label);
        let updates: Vec<_> = federation
            .ledger
            .transfers
            .iter()
            .filter(|t| t.kind == MessageKind::Update)
            .map(|t| t.bytes)
            .collect();
        assert_eq!(updates, vec![bytes; 4], "{label}");
    }
    let [_, .., clustered, zipped] = outcome.federations.as_slice() else { panic!("federations") };
    assert_eq!(clustered.label, "delta+kmeans(16)");
    assert_eq!(zipped.label, "delta+feedback+topk(0.02)+kmeans(16)+entropy");
    for transfer in clustered.ledger.transfers.iter().filter(|t| t.kind == MessageKind::Update) {
        let most = 3 + 4 + 4 * (16 + 16 + 16 + 10) + 15_910 / 2;
        assert!((most / 2..=most).contains(&transfer.bytes), "{}", transfer.bytes);
    }
    for transfer in zipped.ledger.transfers.iter().filter(|t| t.kind == MessageKind::Update) {
        // 319 values of a centroid and a place: 64 bytes of a codebook, half a byte each, and about a byte each.
        assert!((300..3 + 1 + 64 + 160 + 500).contains(&transfer.bytes), "{}", transfer.bytes);
    }
}

#[test]
fn coded_bytes_change_no_model_up_or_down() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let shared = "\"prior\",{stage=\"pca\",floats=3,shared=true},\"f16\"";
    let codecs = format!(
        "codecs=[\"raw\",{{stages=[{shared}],downlink=\"code\"}},{{stages=[{shared},\"entropy\"],downlink=\"code\"}},\
         [\"raw\",\"entropy\"]]"
    );
    let outcome = run(folder.path(), &spec(&parts, &[&codecs]), &parts);
    let [raw, plain, coded, raw_coded] = outcome.federations.as_slice() else { panic!("four federations") };
    assert_eq!(coded.label, "prior+pca(3,shared)+f16+entropy, codes down");
    assert!(plain.model == coded.model && raw.model == raw_coded.model && raw.model != plain.model);
    let updates = |all: &[fedfunnel::federation::Transfer]| {
        let updates = all.iter().filter(|transfer| transfer.kind == MessageKind::Update);
        updates.map(|transfer| transfer.bytes).sum::<u64>()
    };
    assert!(updates(&raw_coded.ledger.transfers) < updates(&raw.ledger.transfers) * 95 / 100);
}
