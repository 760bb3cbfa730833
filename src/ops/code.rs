//! Training of codes through their decoders: from a code to the parameters of a classifier, from their gradients back,
//! and the optimiser's step on the code.

use super::{Activation, Arena, UpdateRule};
use crate::Result;
use crate::gpu::{Buffer, Dispatch, Gpu, Grid, Kernel, SHARING_LANES, immediates};

/// Fours of parameters that a lane decodes.
const EACH: u32 = 16;

immediates! {
    struct Decode {
        u32: stride4, vectors, first4, floats4, basis_stride4, accumulate;
    }
}

immediates! {
    struct Gradient {
        u32: stride4, first, replica_stride, value_stride, first_lane, lanes, basis_stride4;
    }
}

immediates! {
    struct CodeStep {
        u32: floats, stride, replica_stride, value_stride, steps, step, halves;
        f32: rate, beta1, beta2, epsilon, weight_decay;
        u32: decoupled;
    }
}

immediates! {
    struct Spread {
        u32: count, source, width, destination, stride, activation;
    }
}

/// Groups of four parameters that a lane sums up before it hands its sums on.
const FOURS_OF_A_LANE: usize = 64;
/// Lanes that share the parameters of an arena at most.
const MOST_LANES: usize = 1024;
/// Lanes of a workgroup that spreads or collects a run.
const RUN_LANES: usize = 64;
/// Vectors that a lane takes at a time.
const VECTORS_OF_A_LANE: u32 = 4;

/// What becomes of a code's values on the wire, numbered as the kernels know it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rounding {
    /// They arrive as they are.
    #[default]
    None,
    /// They arrive as the nearest values of half precision.
    F16,
    /// They arrive as the nearest values that the upper half of an f32 can be.
    Bf16,
}

/// The codes of R replicas in training.
#[derive(Clone, Debug)]
pub struct Codes {
    /// R
    pub replicas: usize,
    /// Z
    pub floats: usize,
    /// Elements of each replica: Z, rounded up to a multiple of four where linear decoders take them.
    pub stride: usize,
    /// The codes.
    pub values: Buffer,
    /// What they started from, as it arrives; zeros where decoders take them whole.
    pub starts: Buffer,
    /// By how much what arrives of them differs from that.
    pub shifts: Buffer,
    /// Moments of the optimiser.
    pub moments: [Buffer; 2],
    /// Whether decoders take them whole, so that the shifts are what arrives to the bit.
    pub are_whole: bool,
    /// What the schedule's rate is multiplied by for them.
    pub rate: f32,
}

impl Codes {
    /// Zeros, for linear decoders: these take by how much codes differ from where they started.
    pub fn new(gpu: &Gpu, replicas: usize, floats: usize) -> Result<Self> {
        Self::with_stride(gpu, replicas, floats, floats.next_multiple_of(4), false)
    }

    /// Zeros, for decoders that take what arrives of codes whole: the shifts, `[R, Z]`.
    pub fn whole(gpu: &Gpu, replicas: usize, floats: usize) -> Result<Self> {
        Self::with_stride(gpu, replicas, floats, floats, true)
    }

    fn with_stride(
        gpu: &Gpu,
        replicas: usize,
        floats: usize,
        stride: usize,
        are_whole: bool,
    ) -> Result<Self> {
        let zeros = |label| gpu.zeros(label, replicas * stride);
        Ok(Self {
            replicas,
            floats,
            stride,
            values: zeros("codes")?,
            starts: zeros("starts of codes")?,
            shifts: zeros("shifts of codes")?,
            moments: [zeros("first moments of codes")?, zeros("second moments of codes")?],
            are_whole,
            rate: 1.0,
        })
    }

    /// The same at this many times the schedule's rate.
    pub fn at_rate(self, rate: f32) -> Self {
        Self { rate, ..self }
    }

    /// Starts all replicas from these codes, `[R][Z]`, with a new optimiser. `arrive` is what arrives of them.
    pub fn restart<C: AsRef<[f32]>>(&self, gpu: &Gpu, codes: &[C], arrive: &[C]) {
        let padded = |codes: &[C]| {
            let mut values = vec![0.0; self.replicas * self.stride];
            for (line, code) in values.chunks_exact_mut(self.stride).zip(codes) {
                let code = code.as_ref();
                line[..code.len()].copy_from_slice(code);
            }
            values
        };
        let (arrived, zeroed) =
            if self.are_whole { (&self.shifts, &self.starts) } else { (&self.starts, &self.shifts) };
        gpu.write(&self.values, 0, &padded(codes));
        gpu.write(arrived, 0, &padded(arrive));
        for zeroed in [zeroed, &self.moments[0], &self.moments[1]] {
            gpu.write(zeroed, 0, &vec![0f32; self.replicas * self.stride]);
        }
    }

    /// The codes of all replicas, `[R][Z]`.
    pub fn read(&self, gpu: &Gpu) -> Result<Vec<Vec<f32>>> {
        let values: Vec<f32> = gpu.read(&self.values)?;
        Ok(values.chunks_exact(self.stride).map(|line| line[..self.floats].to_vec()).collect())
    }
}

/// Vectors of a linear decoder's basis, each laid out as an arena of the classifier is.
#[derive(Clone, Debug)]
pub struct BasisPart {
    /// `[R, vectors, stride]`, or without R where all replicas have the same.
    pub vectors: Buffer,
    /// How many: a multiple of four, with zeros beyond those of the code.
    pub count: usize,
    /// The first of them among the values of a code; a multiple of four.
    pub first: usize,
    /// Whether all replicas have the same.
    pub is_shared: bool,
}

impl BasisPart {
    fn stride4(&self, arena: &Arena) -> u32 {
        if self.is_shared { 0 } else { (self.count * arena.stride / 4) as u32 }
    }
}

/// Where the sums lie that the gradient of a code is made of: `[R, Z, lanes]`.
#[derive(Clone, Debug)]
pub struct PartialSums {
    /// The memory.
    pub buffer: Buffer,
    /// R
    pub replicas: usize,
    /// Elements from one replica to the next.
    pub replica_stride: usize,
    /// Lanes whose sums make up a value.
    pub lanes: usize,
}

/// Lanes that share the parameters of an arena.
pub fn lanes_of(arena: &Arena) -> usize {
    let lanes = (arena.stride / 4).div_ceil(FOURS_OF_A_LANE);
    lanes.clamp(1, MOST_LANES).next_multiple_of(SHARING_LANES as usize)
}

/// `arena[r, i] = base[r, i] + sum over k of basis[r, k, i] shifts[r, k]`, or added to what is there where it is not the
/// first part. `base` is laid out as the arena.
pub fn decode(gpu: &Gpu, arena: &Arena, base: &Buffer, part: &BasisPart, codes: &Codes) -> Result<Dispatch> {
    let stride4 = (arena.stride / 4) as u32;
    let immediates = Decode {
        stride4,
        vectors: part.count as u32,
        first4: (part.first / 4) as u32,
        floats4: (codes.stride / 4) as u32,
        basis_stride4: part.stride4(arena),
        accumulate: u32::from(part.first > 0),
    };
    let buffers =
        [("base4", base), ("basis4", &part.vectors), ("shifts4", &codes.shifts), ("decoded4", &arena.buffer)];
    let kernel = Kernel::new("code", "code_decode").for_class(gpu.class());
    let values = codes.replicas * arena.stride;
    let grid = Grid(stride4.div_ceil(EACH), codes.replicas as u32, 1);
    let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, grid)?;
    Ok(dispatch.with_traffic(values * (2 + part.count), 2 * values * part.count))
}

/// The lanes' sums of `basis[r, k, i] gradients[r, i]`, which lie as the arena's parameters do, from lane `first_lane` on.
pub fn gradient(
    gpu: &Gpu,
    arena: &Arena,
    gradients: &Buffer,
    part: &BasisPart,
    into: &PartialSums,
    first_lane: usize,
) -> Result<Dispatch> {
    let lanes = lanes_of(arena) as u32;
    let immediates = Gradient {
        stride4: (arena.stride / 4) as u32,
        first: part.first as u32,
        replica_stride: into.replica_stride as u32,
        value_stride: into.lanes as u32,
        first_lane: first_lane as u32,
        lanes,
        basis_stride4: part.stride4(arena),
    };
    let buffers = [("slopes4", gradients), ("basis4", &part.vectors), ("partial_sums", &into.buffer)];
    let kernel = Kernel::new("code", "code_gradient").for_class(gpu.class());
    let grid = Grid(lanes, (part.count as u32).div_ceil(VECTORS_OF_A_LANE), into.replicas as u32);
    let values = into.replicas * arena.stride;
    let dispatch = gpu.dispatch(&kernel, &immediates, &buffers, grid)?;
    Ok(dispatch.with_traffic(values * (1 + part.count), 2 * values * part.count))
}

/// The optimiser's step on codes, whose gradients are the sums of `sums`; afterwards the shifts are those of what
/// arrives. A replica without samples in this step rests.
pub fn step(
    gpu: &Gpu,
    codes: &Codes,
    sums: &PartialSums,
    rule: UpdateRule<'_>,
    rounding: Rounding,
) -> Result<Dispatch> {
    let UpdateRule { optimizer, schedule } = rule;
    let immediates = CodeStep {
        floats: codes.floats as u32,
        stride: codes.stride as u32,
        replica_stride: sums.replica_stride as u32,
        value_stride: sums.lanes as u32,
        steps: schedule.steps as u32,
        step: 0,
        halves: rounding as u32,
        rate: codes.rate,
        beta1: optimizer.first_decay(),
        beta2: optimizer.beta2,
        epsilon: optimizer.epsilon,
        weight_decay: optimizer.weight_decay,
        decoupled: optimizer.is_decoupled().into(),
    };
    let [first_moments, second_moments] = &codes.moments;
    let mut buffers = vec![
        ("summed", &sums.buffer),
        ("schedule", &schedule.buffer),
        ("starts", &codes.starts),
        ("codes", &codes.values),
        ("shifts", &codes.shifts),
        ("first_moments", first_moments),
    ];
    let entry = if optimizer.is_adaptive() {
        buffers.push(("second_moments", second_moments));
        "code_adam"
    } else {
        "code_sgd"
    };
    let kernel = Kernel::new("code", entry).for_class(gpu.class());
    gpu.dispatch(&kernel, &immediates, &buffers, Grid(codes.floats as u32, codes.replicas as u32, 1))
}

/// A run of decoded values, and where it lies among the parameters of a classifier.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// How many values.
    pub count: usize,
    /// The first of them among those of a replica in its buffer.
    pub source: usize,
    /// Values of a replica in that buffer.
    pub width: usize,
    /// The first of them among the parameters of a replica in its arena.
    pub destination: usize,
}

impl Run {
    /// How many values a run has at most: those of one dispatch.
    pub fn most(gpu: &Gpu) -> usize {
        gpu.max_workgroups() as usize * RUN_LANES
    }

    fn immediates(&self, arena: &Arena, activation: Activation) -> Spread {
        Spread {
            count: self.count as u32,
            source: self.source as u32,
            width: self.width as u32,
            destination: self.destination as u32,
            stride: arena.stride as u32,
            activation: activation.code(),
        }
    }
}

/// The memory of a decoder's values.
#[derive(Clone, Copy, Debug)]
pub struct Decoded<'a> {
    /// `[R]`: what turns them into weights.
    pub scales: &'a Buffer,
    /// `[R, width]`: those of the code now.
    pub now: &'a Buffer,
    /// Those of the code that it started from.
    pub before: &'a Buffer,
}

/// `arena = base + scale (now - before)` for a run of values. `base` is laid out as the arena.
pub fn spread(
    gpu: &Gpu,
    arena: &Arena,
    base: &Buffer,
    decoded: Decoded<'_>,
    run: Run,
    replicas: usize,
) -> Result<Dispatch> {
    let buffers = [
        ("scales", decoded.scales),
        ("decoded_now", decoded.now),
        ("decoded_before", decoded.before),
        ("base", base),
        ("parameters", &arena.buffer),
    ];
    let grid = Grid(run.count as u32, replicas as u32, 1);
    gpu.dispatch(
        &Kernel::new("code", "code_spread"),
        &run.immediates(arena, Activation::Linear),
        &buffers,
        grid,
    )
}

/// Where the gradients of a decoder's values go.
#[derive(Clone, Copy, Debug)]
pub struct Collected<'a> {
    /// `[R]`: what turns the values into weights.
    pub scales: &'a Buffer,
    /// `[R, width]`: the values, as they came out of the activation.
    pub values: &'a Buffer,
    /// That of the decoder's last layer.
    pub activation: Activation,
    /// `[R, width]`: the gradients before it.
    pub into: &'a Buffer,
}

/// The way back: `into = scale gradients`, times the activation's derivative, for a run of values, whose gradients lie
/// as the arena's parameters do.
pub fn collect(
    gpu: &Gpu,
    arena: &Arena,
    gradients: &Buffer,
    collected: Collected<'_>,
    run: Run,
    replicas: usize,
) -> Result<Dispatch> {
    let Collected { scales, values, activation, into } = collected;
    let buffers = [("scales", scales), ("decoded_now", values), ("slopes", gradients), ("collected", into)];
    let grid = Grid(run.count as u32, replicas as u32, 1);
    gpu.dispatch(&Kernel::new("code", "code_collect"), &run.immediates(arena, activation), &buffers, grid)
}
