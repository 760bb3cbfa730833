//! Linear decoders: parameters from codes, and the gradient of codes from that of the parameters.

use crate::optimizer::optimizers;
use crate::support::{gpu, posing_gpu, values, wide};
use fedfunnel::gpu::{Buffer, Gpu};
use fedfunnel::model::{Optimizer, ScheduleWriter};
use fedfunnel::ops::Arena;
use fedfunnel::ops::code::{self, BasisPart, Codes, PartialSums, Rounding, lanes_of};
use fedfunnel::reference::code as twin;
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};

/// What lies around what is written.
const GUARD: f32 = 77.0;

/// Values of a code, and the first vector of each part of its basis.
const CODES: [(usize, &[usize]); 8] = [
    (1, &[0]),
    (4, &[0]),
    (5, &[0]),
    (5, &[0, 4]),
    (10, &[0]),
    (10, &[0, 4, 8]),
    (33, &[0]),
    (33, &[0, 12, 16]),
];

/// Elements of a replica's parameters: less than one for each lane, a few, and those of the MNIST classifier.
const STRIDES: [usize; 4] = [4, 12, 772, 15_912];

/// More parameters than the most lanes take in one turn each.
const LONG_STRIDE: usize = 270_340;

/// A basis on the host: each part `[R, vectors, stride]`, or without R where all replicas share it.
struct Basis {
    stride: usize,
    firsts: &'static [usize],
    parts: Vec<Vec<f32>>,
    is_shared: bool,
}

impl Basis {
    fn new(replicas: usize, stride: usize, code: (usize, &'static [usize]), is_shared: bool) -> Self {
        let (floats, firsts) = code;
        let ends = firsts[1..].iter().copied().chain([floats]);
        let counts = firsts.iter().zip(ends).map(|(first, end)| end - first);
        let copies = if is_shared { 1 } else { replicas };
        let part = |(place, count)| values(copies * count * stride, 20 + place as u32);
        Self { stride, firsts, parts: counts.enumerate().map(part).collect(), is_shared }
    }

    /// Its parts on a device, each filled up with zeros to a multiple of four vectors.
    fn upload(&self, gpu: &Gpu, replicas: usize) -> Vec<BasisPart> {
        let copies = if self.is_shared { 1 } else { replicas };
        let part = |(part, &first): (&Vec<f32>, &usize)| {
            let own = part.len() / copies;
            let count = (own / self.stride).next_multiple_of(4);
            let mut padded = vec![0.0; copies * count * self.stride];
            for (into, part) in padded.chunks_mut(count * self.stride).zip(part.chunks(own)) {
                into[..own].copy_from_slice(part);
            }
            let vectors = gpu.upload("basis", &padded).unwrap();
            BasisPart { vectors, count, first, is_shared: self.is_shared }
        };
        self.parts.iter().zip(self.firsts).map(part).collect()
    }

    /// All vectors of one replica, `[Z, stride]`.
    fn of(&self, replica: usize, replicas: usize) -> Vec<f64> {
        let (copies, copy) = if self.is_shared { (1, 0) } else { (replicas, replica) };
        let own = self.parts.iter().flat_map(|part| {
            let length = part.len() / copies;
            wide(&part[copy * length..][..length])
        });
        own.collect()
    }
}

/// The same vectors in another order.
fn reordered(basis: &[f64], stride: usize) -> Vec<f64> {
    let mut other = basis.to_vec();
    other.rotate_left(stride);
    other
}

/// All shapes: R, the elements of a replica, the code with the parts of its basis, and whether that is shared.
fn shapes() -> impl Iterator<Item = (usize, usize, (usize, &'static [usize]), bool)> {
    let replicas = [(1, false), (3, false), (3, true)].into_iter();
    replicas.flat_map(|(replicas, is_shared)| {
        STRIDES.into_iter().flat_map(move |stride| CODES.map(|code| (replicas, stride, code, is_shared)))
    })
}

/// Codes of which only the shifts are set, `[R][Z]`.
fn shifted(gpu: &Gpu, shifts: &[Vec<f32>]) -> Codes {
    let codes = Codes::new(gpu, shifts.len(), shifts[0].len()).unwrap();
    for (replica, shifts) in shifts.iter().enumerate() {
        gpu.write(&codes.shifts, replica * codes.stride, shifts);
    }
    codes
}

/// The parameters that the codes decode to, all parts of the basis one after the other; `[R][stride]`. What lies
/// behind them is looked at.
fn decoded(gpu: &Gpu, stride: usize, base: &Buffer, parts: &[BasisPart], codes: &Codes) -> Vec<Vec<f32>> {
    let length = codes.replicas * stride;
    let arena = Arena { buffer: gpu.upload("arena", &vec![GUARD; length + 12]).unwrap(), stride };
    let plan: Vec<_> =
        parts.iter().map(|part| code::decode(gpu, &arena, base, part, codes).unwrap()).collect();
    gpu.run(&plan).unwrap();
    let all: Vec<f32> = gpu.read(&arena.buffer).unwrap();
    assert!(all[length..].iter().all(|&x| x == GUARD), "memory behind the parameters was written");
    all[..length].chunks(stride).map(<[f32]>::to_vec).collect()
}

#[test]
fn decoded_parameters_agree_with_their_twin() {
    for (replicas, stride, code, is_shared) in shapes() {
        let (floats, firsts) = code;
        let basis = Basis::new(replicas, stride, code, is_shared);
        let base = values(replicas * stride, 1);
        let shifts: Vec<_> = values(replicas * floats, 2).chunks(floats).map(<[f32]>::to_vec).collect();
        for gpu in [gpu(), posing_gpu()] {
            let codes = shifted(gpu, &shifts);
            let base_buffer = gpu.upload("base", &base).unwrap();
            let actual = decoded(gpu, stride, &base_buffer, &basis.upload(gpu, replicas), &codes);
            for (replica, actual) in actual.iter().enumerate() {
                let what =
                    format!("replica {replica} of {replicas}, {stride} by {floats}, {firsts:?}, {is_shared}");
                let (basis, base) = (basis.of(replica, replicas), wide(&base[replica * stride..][..stride]));
                let shifts = wide(&shifts[replica]);
                let expected = twin::decode(&base, &basis, &shifts);
                assert_close(&what, actual, &expected, Tolerance::Balanced);
                let refuse = |mistake: &str, wrong: &[f64]| {
                    let outcome = compare(&what, actual, wrong, Tolerance::Balanced);
                    assert!(outcome.is_err(), "{what}: {mistake} passes");
                };
                let mut other = shifts.clone();
                *other.last_mut().unwrap() += 0.1;
                refuse("another code", &twin::decode(&base, &basis, &other));
                refuse("no base", &twin::decode(&vec![0.0; stride], &basis, &shifts));
                if floats > 1 {
                    let other = reordered(&basis, stride);
                    refuse("another order of vectors", &twin::decode(&base, &other, &shifts));
                }
            }
        }
    }
}

/// Memory for the sums of so many lanes, with room behind each replica's, full of guards.
fn guarded_sums(gpu: &Gpu, replicas: usize, floats: usize, lanes: usize) -> PartialSums {
    let replica_stride = floats.next_multiple_of(4) * lanes + 5;
    let buffer = gpu.upload("sums", &vec![GUARD; replicas * replica_stride]).unwrap();
    PartialSums { buffer, replicas, replica_stride, lanes }
}

/// The sums that were written, `[R][Z]` of those of each lane; those of the vectors of zeros that fill a basis up are
/// zero, and everything else has to be what it was.
fn lane_sums(
    gpu: &Gpu,
    sums: &PartialSums,
    floats: usize,
    lanes: std::ops::Range<usize>,
) -> Vec<Vec<Vec<f32>>> {
    let all: Vec<f32> = gpu.read(&sums.buffer).unwrap();
    let replica = |line: &[f32]| {
        let (own, behind) = line.split_at(floats.next_multiple_of(4) * sums.lanes);
        let around = own.chunks(sums.lanes).flat_map(|line| [&line[..lanes.start], &line[lanes.end..]]);
        let around = around.flatten().chain(behind);
        assert!(around.into_iter().all(|&x| x == GUARD), "memory around the sums was written");
        let mut own: Vec<_> = own.chunks(sums.lanes).map(|line| line[lanes.clone()].to_vec()).collect();
        assert!(own.split_off(floats).iter().flatten().all(|&x| x == 0.0), "no vectors have sums");
        own
    };
    all.chunks(sums.replica_stride).map(replica).collect()
}

/// The gradient of a code from its lanes' sums, those of some lanes left out.
fn summed(lanes: &[Vec<f32>], left_out: usize) -> Vec<f32> {
    lanes.iter().map(|lanes| wide(&lanes[left_out..]).iter().sum::<f64>() as f32).collect()
}

#[test]
fn gradients_of_codes_agree_with_their_twin() {
    for (replicas, stride, code, is_shared) in shapes() {
        let (floats, firsts) = code;
        let basis = Basis::new(replicas, stride, code, is_shared);
        let slopes = values(replicas * stride, 3);
        for gpu in [gpu(), posing_gpu()] {
            let arena = Arena { buffer: gpu.zeros("arena", replicas * stride).unwrap(), stride };
            let (first_lane, lanes) = (3, lanes_of(&arena));
            let sums = guarded_sums(gpu, replicas, floats, first_lane + lanes + 2);
            let gradients = gpu.upload("gradients", &slopes).unwrap();
            let parts = basis.upload(gpu, replicas);
            let dispatch = |part| code::gradient(gpu, &arena, &gradients, part, &sums, first_lane).unwrap();
            gpu.run(&parts.iter().map(dispatch).collect::<Vec<_>>()).unwrap();
            let written = lane_sums(gpu, &sums, floats, first_lane..first_lane + lanes);
            for (replica, written) in written.iter().enumerate() {
                let what =
                    format!("replica {replica} of {replicas}, {floats} by {stride}, {firsts:?}, {is_shared}");
                let (basis, slopes) =
                    (basis.of(replica, replicas), wide(&slopes[replica * stride..][..stride]));
                let (actual, expected) = (summed(written, 0), twin::gradient(&basis, &slopes));
                assert_close(&what, &actual, &expected, Tolerance::Balanced);
                let short = summed(written, 1);
                let outcome = compare(&what, &short, &expected, Tolerance::Balanced);
                assert!(outcome.is_err(), "{what}: a lane less passes");
                if floats > 1 {
                    let wrong = twin::gradient(&reordered(&basis, stride), &slopes);
                    let outcome = compare(&what, &actual, &wrong, Tolerance::Balanced);
                    assert!(outcome.is_err(), "{what}: another order of vectors passes");
                }
            }
        }
    }
}

/// A step takes the sums of all arenas: those of dense and those of convolutional layers, say.
#[test]
fn a_step_goes_along_the_gradients_of_two_arenas() {
    let [sgd, ..] = optimizers();
    for (replicas, strides) in [(1, [12, 772]), (3, [772, 15_912])] {
        let code = (10, [0, 4].as_slice());
        let floats = code.0;
        let bases = strides.map(|stride| Basis::new(replicas, stride, code, false));
        let slopes = [4, 5].map(|tensor| values(replicas * strides[tensor as usize - 4], tensor));
        let arenas = strides.map(|stride| {
            let buffer = gpu().zeros("arena", replicas * stride).unwrap();
            Arena { buffer, stride }
        });
        let first_lanes = [0, lanes_of(&arenas[0])];
        let lanes = first_lanes[1] + lanes_of(&arenas[1]);
        let sums = guarded_sums(gpu(), replicas, floats, lanes);
        let mut plan = Vec::new();
        for place in 0..2 {
            let gradients = gpu().upload("gradients", &slopes[place]).unwrap();
            for part in bases[place].upload(gpu(), replicas) {
                let (arena, first_lane) = (&arenas[place], first_lanes[place]);
                let dispatch = code::gradient(gpu(), arena, &gradients, &part, &sums, first_lane).unwrap();
                plan.push(dispatch);
            }
        }
        // From zero against the gradient, at a rate of one.
        let codes = Codes::new(gpu(), replicas, floats).unwrap();
        let mut writer = ScheduleWriter::new(gpu(), Optimizer { lr: 1.0, ..sgd }, replicas, 1).unwrap();
        writer.write(gpu(), 1, |_, _| 1);
        plan.push(code::step(gpu(), &codes, &sums, writer.rule(), Rounding::None).unwrap());
        gpu().run(&plan).unwrap();
        let stepped = codes.read(gpu()).unwrap();
        for (replica, written) in lane_sums(gpu(), &sums, floats, 0..lanes).iter().enumerate() {
            let what = format!("replica {replica} of {replicas}, {strides:?}");
            let each = [0, 1].map(|place| {
                let own = replica * strides[place]..(replica + 1) * strides[place];
                twin::gradient(&bases[place].of(replica, replicas), &wide(&slopes[place][own]))
            });
            let both: Vec<f64> = each[0].iter().zip(&each[1]).map(|(x, y)| x + y).collect();
            assert_close(&what, &summed(written, 0), &both, Tolerance::Balanced);
            let against = |gradient: &[f64]| gradient.iter().map(|x| -x).collect::<Vec<_>>();
            assert_close(&what, &stepped[replica], &against(&both), Tolerance::Balanced);
            for one in each {
                let outcome = compare(&what, &stepped[replica], &against(&one), Tolerance::Permissive);
                assert!(outcome.is_err(), "{what}: one arena alone passes");
            }
        }
    }
}

/// What a code changes in the parameters, times a gradient of these, is the code times its gradient.
#[test]
fn gradients_go_back_the_way_that_codes_come() {
    for (replicas, stride, code) in
        [(1, 12, CODES[2]), (3, 772, CODES[7]), (3, 15_912, CODES[5]), (1, LONG_STRIDE, CODES[3])]
    {
        let floats = code.0;
        for gpu in [gpu(), posing_gpu()] {
            let parts = Basis::new(replicas, stride, code, false).upload(gpu, replicas);
            let base = gpu.zeros("base", replicas * stride).unwrap();
            let shifts: Vec<_> = values(replicas * floats, 6).chunks(floats).map(<[f32]>::to_vec).collect();
            let slopes = values(replicas * stride, 7);
            let changes = decoded(gpu, stride, &base, &parts, &shifted(gpu, &shifts));

            let arena = Arena { buffer: base, stride };
            let sums = guarded_sums(gpu, replicas, floats, lanes_of(&arena));
            let gradients = gpu.upload("gradients", &slopes).unwrap();
            let dispatch = |part| code::gradient(gpu, &arena, &gradients, part, &sums, 0).unwrap();
            gpu.run(&parts.iter().map(dispatch).collect::<Vec<_>>()).unwrap();
            let written = lane_sums(gpu, &sums, floats, 0..sums.lanes);

            let product =
                |x: &[f32], y: &[f32]| -> f64 { wide(x).iter().zip(wide(y)).map(|(x, y)| x * y).sum() };
            let forth: Vec<f64> =
                changes.iter().zip(slopes.chunks(stride)).map(|(x, y)| product(x, y)).collect();
            let back = |left_out| -> Vec<f32> {
                let pairs = shifts.iter().zip(&written);
                pairs.map(|(shifts, lanes)| product(shifts, &summed(lanes, left_out)) as f32).collect()
            };
            let what = format!("{replicas} by {floats} by {stride}");
            assert_close(&what, &back(0), &forth, Tolerance::Balanced);
            assert!(
                compare(&what, &back(1), &forth, Tolerance::Balanced).is_err(),
                "{what}: a lane less passes"
            );
        }
    }
}

/// Lanes fill workgroups of processors, and are few enough for the step that adds their sums.
#[test]
fn lanes_are_a_multiple_of_eight_and_at_most_1024() {
    let buffer = gpu().zeros("arena", 4).unwrap();
    let lanes = |stride| lanes_of(&Arena { buffer: buffer.clone(), stride });
    assert_eq!([4, 12, 772, 15_912].map(lanes), [8, 8, 8, 64]);
    assert_eq!([262_144, LONG_STRIDE, 550_572].map(lanes), [1024; 3]);
}
