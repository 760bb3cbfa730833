//! Stages that send some of the values: which, in how many bytes, and what becomes of the others.

use crate::support::{gpu, pipeline, receive, through};
use crate::ternary::{paper_rest, ternarised};
use fedfunnel::Error;
use fedfunnel::codec::{Kept, Pipeline, Round, Values};
use fedfunnel::federation::Parts;
use fedfunnel::gpu::{DeviceClass, Gpu, GpuOptions, Tensor};
use fedfunnel::reference::random::uniform_tensor;

fn made(text: &str, parameters: usize) -> Pipeline {
    pipeline(&Parts::default(), text, parameters).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// An update of a collaborator there and back in a round of a federation.
fn in_round(
    codec: &Pipeline,
    [number, who, seed]: [u32; 3],
    kept: &mut Kept,
    values: &[f32],
) -> (Vec<u8>, Vec<f32>) {
    let global = vec![0.0; values.len()];
    let round = Round { number, seed: u64::from(seed), global: &global, gpu: gpu(), local: None };
    let sent = codec.send(&round, vec![(who, kept, Values::Host(values.to_vec()))]).unwrap();
    let received = codec.receive(&round, vec![(who, &Kept::default(), &sent[0])]).unwrap();
    (sent[0].clone(), received.into_iter().next().unwrap().take(gpu()).unwrap())
}

/// Bytes of places in a Golomb code.
fn place_bytes(places: &[usize], of: usize) -> usize {
    let (mut next, rest) = (0, paper_rest(places.len(), of) as usize);
    let bits = places.iter().map(|&place| {
        let distance = place - next;
        next = place + 1;
        (distance >> rest) + 1 + rest
    });
    bits.sum::<usize>().div_ceil(8)
}

#[test]
fn topk_takes_a_count_and_writes_its_places_in_bits() {
    let codec = made("[{ stage = \"topk\", count = 2 }]", 8);
    assert_eq!((codec.label(), codec.floats(8, &Kept::default())), ("topk(2)", Some(2)));
    let values = [0.0, 0.5, 0.0, -3.0, 0.0, 1.0, 0.0, 0.0];
    let (sent, got) = through(&codec, &mut Kept::default(), &[0.0; 8], &values);
    // One bit of rest: distance 3 is 10 1, and distance 1 is 0 1.
    let floats = [-3f32, 1.0].map(f32::to_le_bytes).concat();
    assert_eq!(sent, [&floats[..], &[0b0001_0101]].concat());
    assert_eq!(got, [0.0, 0.0, 0.0, -3.0, 0.0, 1.0, 0.0, 0.0]);
    assert_ne!(
        made("[{ stage = \"topk\", part = 1.0 }]", 8).label(),
        made("[{ stage = \"topk\", count = 1 }]", 8).label()
    );
    let error = receive(&codec, &[0.0], &sent).unwrap_err();
    assert!(matches!(error, Error::Message { .. }) && error.to_string().contains("2 values of 1"), "{error}");
}

#[test]
fn a_warm_up_sends_a_quarter_as_much_in_each_round() {
    const P: usize = 4_096;
    let codec = made("[{ stage = \"topk\", part = 0.001, warmup = 4 }]", P);
    assert_eq!(codec.label(), "topk(0.001,warmup=4)");
    let values = uniform_tensor(P, 0, 0, 3, 1.0);
    for (number, count) in [(1, 1_024), (2, 256), (3, 64), (4, 16), (5, 5), (6, 5), (1_000_000, 5)] {
        let (sent, got) = in_round(&codec, [number, 7, 0], &mut Kept::default(), &values);
        let places: Vec<_> = (0..P).filter(|&place| got[place] != 0.0).collect();
        assert_eq!(places.len(), count, "round {number}");
        assert!(places.iter().all(|&place| got[place] == values[place]));
        // How many there are is said in one byte or two.
        let said = if count < 128 { 1 } else { 2 };
        assert_eq!(sent.len(), said + 4 * count + place_bytes(&places, P), "round {number}");
    }
    // Another number of values than the round's is refused.
    let (sent, _) = in_round(&codec, [5, 7, 0], &mut Kept::default(), &values);
    let error = receive(&codec, &[0.0; P], &sent).unwrap_err();
    assert!(error.to_string().contains("5 values where 1024 are due"), "{error}");
}

#[test]
fn randk_sends_values_without_places_and_other_ones_each_time() {
    const P: usize = 300;
    let codec = made("[{ stage = \"randk\", count = 30 }]", P);
    assert_eq!(codec.label(), "randk(30)");
    let values: Vec<f32> = (0..P).map(|place| place as f32 + 1.0).collect();
    let draw = |what| {
        let (sent, got) = in_round(&codec, what, &mut Kept::default(), &values);
        assert_eq!(sent.len(), 4 * 30);
        let places: Vec<_> = (0..P).filter(|&place| got[place] != 0.0).collect();
        assert!(places.len() == 30 && places.iter().all(|&place| got[place] == values[place]));
        places
    };
    let first = draw([1, 7, 0]);
    assert_eq!(first, draw([1, 7, 0]));
    for other in [[2, 7, 0], [1, 8, 0], [1, 7, 1]] {
        assert_ne!(first, draw(other));
    }
    let all = made("[{ stage = \"randk\", part = 1.0 }]", P);
    assert_eq!(in_round(&all, [1, 7, 0], &mut Kept::default(), &values).1, values);
}

#[test]
fn unbiased_randk_is_right_in_the_mean_over_draws() {
    const DRAWS: u32 = 4_000;
    let values = uniform_tensor(20, 0, 0, 3, 1.0);
    let mean = |text: &str| {
        let codec = made(text, 20);
        let mut sums = [0f64; 20];
        for number in 1..=DRAWS {
            let (_, got) = in_round(&codec, [number, number % 5, 0], &mut Kept::default(), &values);
            sums.iter_mut().zip(got).for_each(|(sum, value)| *sum += f64::from(value));
        }
        sums.map(|sum| sum / f64::from(DRAWS))
    };
    let unbiased = mean("[{ stage = \"randk\", count = 5, unbiased = true }]");
    let biased = mean("[{ stage = \"randk\", count = 5 }]");
    // The standard error of the mean of (n/k) v with a chance of k/n, and 0 otherwise: |v| sqrt((n/k - 1) / draws).
    let error = (3.0 / f64::from(DRAWS)).sqrt();
    for ((unbiased, biased), value) in unbiased.iter().zip(biased).zip(&values) {
        let value = f64::from(*value);
        assert!((unbiased - value).abs() < 4.0 * error * value.abs(), "{unbiased} {value}");
        // The negative control, and each place is as likely as any other.
        assert!((biased - value / 4.0).abs() < error * value.abs(), "{biased} {value}");
    }
}

#[test]
fn threshold_sends_what_is_large_enough_and_says_how_many() {
    const P: usize = 1_234;
    let values = uniform_tensor(P, 0, 0, 3, 1.0);
    let rms = (values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / P as f64).sqrt();
    for (options, label, least) in [
        ("value = 0.75", "threshold(0.75)", 0.75),
        ("of = \"rms\", multiple = 1.5", "threshold(1.5rms)", 1.5 * rms),
        ("value = 2.0", "threshold(2)", 2.0),
        ("value = 1e-30", "threshold(0.000000000000000000000000000001)", 1e-30),
    ] {
        let codec = made(&format!("[{{ stage = \"threshold\", {options} }}]"), P);
        assert_eq!((codec.label(), codec.floats(P, &Kept::default())), (label, None));
        let (sent, got) = through(&codec, &mut Kept::default(), &values, &values);
        let places: Vec<_> = (0..P).filter(|&place| f64::from(values[place]).abs() >= least).collect();
        let mut due = vec![0.0; P];
        places.iter().for_each(|&place| due[place] = values[place]);
        assert_eq!(got, due, "{options}");
        let said = if places.len() < 128 { 1 } else { 2 };
        assert_eq!(sent.len(), said + 4 * places.len() + place_bytes(&places, P), "{options}");
    }
    // Nothing is larger than nothing.
    let codec = made("[{ stage = \"threshold\", of = \"rms\", multiple = 1.0 }]", P);
    let (sent, got) = through(&codec, &mut Kept::default(), &values, &[0.0; P]);
    assert_eq!((sent, got), (vec![0], vec![0.0; P]));
    let round = Round { number: 1, seed: 0, global: &values, gpu: gpu(), local: None };
    let wrong = Values::Host(vec![f32::NAN; P]);
    let error = codec.send(&round, vec![(5, &mut Kept::default(), wrong)]).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("collaborator 5"), "{error}");
}

#[test]
fn feedback_forgets_as_its_decay_says() {
    let codec = made("[{ stage = \"feedback\", decay = 0.5 }, { stage = \"topk\", count = 1 }]", 4);
    assert_eq!(codec.label(), "feedback(decay=0.5)+topk(1)");
    let (mut kept, global) = (Kept::default(), [0.0; 4]);
    let step = |kept: &mut Kept, values: [f32; 4]| through(&codec, kept, &global, &values).1;
    assert_eq!(step(&mut kept, [3.0, -1.0, 2.0, 0.0]), [3.0, 0.0, 0.0, 0.0]);
    // e = (0, -1, 2, 0), of which half is added: (0, -2.5, 1, 1).
    assert_eq!(step(&mut kept, [0.0, -2.0, 0.0, 1.0]), [0.0, -2.5, 0.0, 0.0]);
    // e = (0, 0, 1, 1).
    assert_eq!(step(&mut kept, [0.0; 4]), [0.0, 0.0, 0.5, 0.0]);
}

/// Lines on the device are chosen from where they lie, and come to the same bytes.
#[test]
fn lines_on_a_gpu_are_sent_as_those_of_the_host_are() {
    const P: usize = 5_003;
    let options = GpuOptions { posing: Some(DeviceClass::Gpu), ..Default::default() };
    gpu();
    let posing = Gpu::open(&options).unwrap();
    let lines: Vec<_> = (0..3).map(|line| uniform_tensor(P, 0, line, 3, 1.0)).collect();
    let tensor = Tensor::zeros(&posing, "updates", 3, 1, P).unwrap();
    tensor.write(&posing, &lines.concat());
    for text in ["[{ stage = \"topk\", part = 0.02 }, \"f16\"]", "[{ stage = \"ternary\", count = 90 }]"] {
        let codec = made(text, P);
        let round = Round { number: 1, seed: 0, global: &lines[0], gpu: &posing, local: None };
        let sent = |values: &dyn Fn(usize) -> Values| {
            let mut kept = vec![Kept::default(); 3];
            let updates = kept.iter_mut().enumerate().map(|(line, kept)| (line as u32, kept, values(line)));
            codec.send(&round, updates.collect()).unwrap()
        };
        let host = sent(&|line| Values::Host(lines[line].clone()));
        assert_eq!(sent(&|line| Values::Device { tensor: tensor.clone(), line }), host, "{text}");
        // The negative control: the lines differ.
        assert_ne!(host[0], host[1]);
        if text.contains("ternary") {
            let got = receive(&codec, &lines[1], &host[1]).unwrap();
            assert_eq!(got, ternarised(&lines[1], 90));
        }
    }
}

/// Every byte changed in each of its bits, every cut, and bytes added: refused in words, or decoded to as many values.
#[test]
fn damaged_messages_are_refused_or_decoded_and_never_more() {
    let global = uniform_tensor(40, 0, 1, 3, 1.0);
    let weights = uniform_tensor(40, 0, 2, 3, 1.0);
    for text in [
        "[{ stage = \"topk\", count = 5 }]",
        "[{ stage = \"topk\", part = 0.1, warmup = 2 }]",
        "[{ stage = \"randk\", part = 0.1, unbiased = true }]",
        "[\"delta\", { stage = \"threshold\", value = 0.5 }]",
        "[{ stage = \"threshold\", of = \"rms\", multiple = 1.2 }, \"f16\"]",
        "[{ stage = \"stc\", count = 7 }]",
        "[{ stage = \"dgc\", part = 0.05 }, \"f16\"]",
    ] {
        let codec = made(text, 40);
        let (whole, _) = through(&codec, &mut Kept::default(), &global, &weights);
        let check = |bytes: &[u8]| match receive(&codec, &global, bytes) {
            Ok(values) => assert_eq!(values.len(), 40, "{text}"),
            Err(error) => assert!(matches!(error, Error::Message { .. }), "{text}: {error}"),
        };
        for place in 0..whole.len() {
            for bit in 0..8 {
                let mut bytes = whole.clone();
                bytes[place] ^= 1 << bit;
                check(&bytes);
            }
            assert!(receive(&codec, &global, &whole[..place]).is_err(), "{text}");
            for added in [0, 1, 0x80, 0xff] {
                check(&[&whole[..place], &[added], &whole[place..]].concat());
            }
        }
        assert!(receive(&codec, &global, &[&whole[..], &[0]].concat()).is_err(), "{text}");
    }
}
