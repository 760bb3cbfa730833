//! A network of R replicas: its layers, and the dispatches of a forward pass or a training step.

mod reconstruction;

pub use reconstruction::{ReconstructionLoss, StepPlan};

use super::parameters::ParameterPlan;
use super::state::{StateFile, StateWriter, TensorShape};
use super::{Activation, ConvSpec, Moments, NetworkLayer, Optimizer, Parameters};
use crate::gpu::{Buffer, Dispatch, Gpu, RowRange, Tensor, split_rows};
use crate::ops::conv::{Conv, ConvShape, Part};
use crate::ops::dense::{Carry, Dense, RowsAre};
use crate::ops::pool::Pool;
use crate::ops::{Activated, Arena, TrainedArena, UpdateRule};
use crate::{Error, Result};

/// A layer with its place in the parameters.
#[derive(Clone, Debug)]
enum Layer {
    Dense(Dense),
    /// Side by side, each on its own part of the lines.
    Conv(Vec<Conv>),
    Pool(Pool),
}

/// The dispatches of each layer, one after the other.
fn every(layers: &[Conv], dispatches: impl Fn(&Conv) -> Result<Vec<Dispatch>>) -> Result<Vec<Dispatch>> {
    layers.iter().map(dispatches).collect::<Result<Vec<_>>>().map(|all| all.concat())
}

/// Lays out convolutions side by side.
fn place_convs(plan: &mut ParameterPlan, specs: &[ConvSpec]) -> Result<Layer> {
    let side = |width: fn(&ConvShape) -> usize| specs.iter().map(|spec| width(&spec.layer.shape)).sum();
    let mut large = Part::whole(side(ConvShape::input_width));
    let mut small = Part::whole(side(ConvShape::output_width));
    let mut layers = Vec::new();
    for spec in specs {
        let mut layer = Conv { large, small, ..spec.layer.clone() };
        plan.add_conv(&spec.prefix, &mut layer, spec.bounds())?;
        large.first += layer.shape.input_width();
        small.first += layer.shape.output_width();
        layers.push(layer);
    }
    Ok(Layer::Conv(layers))
}

impl Layer {
    fn activation(&self) -> Activation {
        match self {
            Self::Dense(layer) => layer.activation,
            // They share one.
            Self::Conv(layers) => layers.first().map_or(Activation::Linear, |layer| layer.activation),
            Self::Pool(_) => Activation::Linear,
        }
    }

    /// The dense layer whose rows stand for this side, where there is one: what a cut tensor is cut by.
    fn rows_are(&self, side: RowsAre) -> Option<&Dense> {
        match self {
            Self::Dense(layer) if layer.rows_are == side => Some(layer),
            _ => None,
        }
    }

    fn forward(&self, gpu: &Gpu, arenas: &[Arena], input: &Tensor, output: &Tensor) -> Result<Vec<Dispatch>> {
        match self {
            Self::Dense(layer) => layer.forward(gpu, arenas, input, output),
            Self::Conv(layers) => every(layers, |layer| layer.forward(gpu, arenas, input, output)),
            Self::Pool(layer) => Ok(vec![layer.forward(gpu, input, output)?]),
        }
    }

    fn backward_input(
        &self,
        gpu: &Gpu,
        arenas: &[Arena],
        gradient: &Tensor,
        input: Activated<'_>,
        into: &Tensor,
    ) -> Result<Vec<Dispatch>> {
        match self {
            Self::Dense(layer) => layer.backward_input(gpu, arenas, gradient, input, into),
            Self::Conv(layers) => {
                every(layers, |layer| layer.backward_input(gpu, arenas, gradient, input, into))
            }
            Self::Pool(layer) => Ok(vec![layer.backward_input(gpu, gradient, input, into)?]),
        }
    }
}

/// The name of a buffer in the file of a training.
fn state_name(place: usize) -> String {
    format!("buffer.{place}")
}

/// Layers with their parameters.
#[derive(Clone, Debug)]
pub struct Network {
    layers: Vec<Layer>,
    /// Values of a sample at each place, from the input to the output.
    widths: Vec<usize>,
    /// The values.
    pub parameters: Parameters,
    /// Moments of the optimiser; empty for a network that is only evaluated.
    moments: Vec<(Buffer, Option<Buffer>)>,
}

/// The values that flow through a network for one batch size.
#[derive(Clone, Debug)]
pub struct Workspace {
    /// `[R, B, width]` from the input to the output.
    pub activations: Vec<Tensor>,
    /// The gradients before each layer's activation; empty where only the forward pass is wanted.
    pub gradients: Vec<Tensor>,
}

/// The memory of a network's outputs.
enum OutputMemory {
    /// In memory of their own.
    Own,
    /// In this tensor.
    Given(Tensor),
    /// In the memory of their gradient: no kernel stores them.
    Gradients,
}

impl Workspace {
    /// The input.
    pub fn input(&self) -> &Tensor {
        &self.activations[0]
    }

    /// The output.
    pub fn output(&self) -> &Tensor {
        // A network has at least one layer, and so at least two activations.
        &self.activations[self.activations.len() - 1]
    }

    /// The gradient of the loss.
    pub fn output_gradient(&self) -> Option<&Tensor> {
        self.gradients.last()
    }
}

impl Network {
    /// Lays out `layers` for `replicas` replicas. `optimizer` says which moments training will need;
    /// `None` for a network that is only evaluated.
    pub fn new<L: Clone + Into<NetworkLayer>>(
        gpu: &Gpu,
        layers: &[L],
        replicas: usize,
        optimizer: Option<&Optimizer>,
    ) -> Result<Self> {
        Self::for_lines(gpu, layers, replicas, optimizer, 1)
    }

    /// The same for batches of up to `lines` samples: where so many values of a wide side do not fit one binding,
    /// its matrix is cut into pieces whose rows' values do.
    pub fn for_lines<L: Clone + Into<NetworkLayer>>(
        gpu: &Gpu,
        layers: &[L],
        replicas: usize,
        optimizer: Option<&Optimizer>,
        lines: usize,
    ) -> Result<Self> {
        let layers: Vec<NetworkLayer> = layers.iter().cloned().map(Into::into).collect();
        let input = layers.first().map(NetworkLayer::inputs);
        let widths = input.into_iter().chain(layers.iter().map(NetworkLayer::outputs)).collect();
        let mut plan = ParameterPlan::new(gpu, replicas, lines);
        let mut built = Vec::new();
        for layer in layers {
            built.push(match layer {
                NetworkLayer::Dense(spec) => Layer::Dense(plan.add_dense(&spec)?),
                NetworkLayer::Conv(specs) => place_convs(&mut plan, &specs)?,
                NetworkLayer::Pool(pool) => Layer::Pool(pool),
            });
        }
        let moments = match optimizer {
            None => Vec::new(),
            Some(optimizer) => {
                let first = plan.moments(gpu, "first moments", optimizer.moments)?;
                let second = if optimizer.is_adaptive() {
                    plan.moments(gpu, "second moments", optimizer.moments)?.into_iter().map(Some).collect()
                } else {
                    vec![None; first.len()]
                };
                first.into_iter().zip(second).collect()
            }
        };
        let network = Self { layers: built, widths, parameters: plan.allocate(gpu)?, moments };
        match optimizer {
            Some(Optimizer { moments: Moments::Bf16, .. }) => network.check_half_moments().map(|()| network),
            _ => Ok(network),
        }
    }

    /// Refuses moments of two bytes where a layer has no kernels for them.
    fn check_half_moments(&self) -> Result<()> {
        let problem = self.layers.iter().find_map(|layer| match layer {
            Layer::Dense(dense) if !dense.takes_fours(&self.parameters.arenas) => Some(format!(
                "bf16 takes dense layers by four, and one of {} inputs and {} outputs cannot be",
                dense.inputs, dense.outputs
            )),
            Layer::Conv(_) => Some("bf16 is for dense layers, not for convolutions".into()),
            Layer::Dense(_) | Layer::Pool(_) => None,
        });
        let mend = "leave it out, or use moments of four bytes: f32";
        problem.map_or(Ok(()), |problem| Err(Error::setting("moments", problem, mend)))
    }

    /// R
    pub fn replicas(&self) -> usize {
        self.parameters.replicas
    }

    /// The activation of the last layer.
    pub fn output_activation(&self) -> Activation {
        self.layers.last().map_or(Activation::Linear, Layer::activation)
    }

    /// The outputs of a forward pass.
    pub fn outputs_of<'a>(&self, workspace: &'a Workspace) -> Activated<'a> {
        Activated { values: workspace.output(), activation: self.output_activation() }
    }

    /// Whether its first layer sees whole lines only, as convolutions do, however large a batch is.
    pub fn takes_whole_lines(&self) -> bool {
        !matches!(self.layers.first(), Some(Layer::Dense(_)))
    }

    /// Where the input has to be cut for a batch: one shard where it fits.
    pub fn input_ranges(&self, gpu: &Gpu, batch: usize) -> Vec<RowRange> {
        self.ranges(gpu, batch, 0)
    }

    /// Where activation number `place` has to be cut: nowhere if it fits one binding, else as the matrix
    /// of the layer is whose rows it is.
    fn ranges(&self, gpu: &Gpu, batch: usize, place: usize) -> Vec<RowRange> {
        let before = place.checked_sub(1).map(|p| &self.layers[p]);
        let (after, width) = (self.layers.get(place), self.widths[place]);
        let whole = split_rows(width, (4 * self.replicas() * batch) as u64, gpu.max_binding_bytes());
        let owner = before
            .and_then(|layer| layer.rows_are(RowsAre::Outputs))
            .or(after.and_then(|layer| layer.rows_are(RowsAre::Inputs)));
        match (whole, owner) {
            (Some(ranges), Some(layer)) if ranges.len() > 1 => layer.shards.iter().map(|s| s.range).collect(),
            (Some(ranges), _) => ranges,
            // Columns too large for one binding are refused by the allocation.
            (None, _) => vec![RowRange { start: 0, len: width }],
        }
    }

    /// Memory for batches of `batch` samples; with gradients where `train`.
    pub fn workspace(&self, gpu: &Gpu, batch: usize, train: bool) -> Result<Workspace> {
        self.build_workspace(gpu, batch, train, None, OutputMemory::Own)
    }

    /// Memory for a forward pass of `input`, whose results go to `outputs` where they are given.
    pub fn forward_workspace(&self, gpu: &Gpu, input: Tensor, outputs: Option<Tensor>) -> Result<Workspace> {
        let outputs = outputs.map_or(OutputMemory::Own, OutputMemory::Given);
        self.build_workspace(gpu, input.batch, false, Some(input), outputs)
    }

    /// Memory for a forward pass of `input`, and for going back to it.
    pub fn gradient_workspace(&self, gpu: &Gpu, input: Tensor) -> Result<Workspace> {
        self.build_workspace(gpu, input.batch, true, Some(input), OutputMemory::Own)
    }

    /// `input` is used as the input where it is given, so that a full batch that lies on the device need not be
    /// copied.
    fn build_workspace(
        &self,
        gpu: &Gpu,
        batch: usize,
        train: bool,
        input: Option<Tensor>,
        outputs: OutputMemory,
    ) -> Result<Workspace> {
        let tensor = |label, cut: &[RowRange]| Tensor::zeros_cut(gpu, label, self.replicas(), batch, cut);
        let input = input.map_or_else(|| tensor("input", &self.ranges(gpu, batch, 0)), Ok)?;
        // An output that is compared with the input is cut as that is, though a smaller batch might fit
        // whole: layers take any cut that is no finer than their own.
        let cut = input.ranges();
        let last = self.layers.len();
        let compared = cut.len() > 1 && self.widths[last] == input.width;
        let after = |place, label| {
            if compared && place == last {
                tensor(label, &cut)
            } else {
                tensor(label, &self.ranges(gpu, batch, place))
            }
        };
        let trained = (1..=last).filter(|_| train);
        let gradients: Vec<_> = trained.map(|place| after(place, "gradients")).collect::<Result<_>>()?;
        let mut activations = vec![input];
        for place in 1..=last {
            activations.push(match (&outputs, gradients.last()) {
                (OutputMemory::Gradients, Some(gradient)) if place == last => gradient.clone(),
                (OutputMemory::Given(given), _) if place == last => given.clone(),
                _ => after(place, "activations")?,
            });
        }
        Ok(Workspace { activations, gradients })
    }

    /// Input to output.
    pub fn forward(&self, gpu: &Gpu, workspace: &Workspace) -> Result<Vec<Dispatch>> {
        let mut dispatches = Vec::new();
        for (place, layer) in self.layers.iter().enumerate() {
            let (input, output) = (&workspace.activations[place], &workspace.activations[place + 1]);
            dispatches.extend(layer.forward(gpu, &self.parameters.arenas, input, output)?);
        }
        Ok(dispatches)
    }

    /// Its layers, where they are two dense ones.
    pub(crate) fn two_dense_layers(&self) -> Option<[&Dense; 2]> {
        match self.layers.as_slice() {
            [Layer::Dense(first), Layer::Dense(second)] => Some([first, second]),
            _ => None,
        }
    }

    pub(crate) fn trained_arenas(&self) -> Vec<TrainedArena> {
        let trained = |(parameters, (first, second)): (&Arena, &(Buffer, Option<Buffer>))| TrainedArena {
            parameters: parameters.clone(),
            first_moments: first.clone(),
            second_moments: second.clone(),
        };
        self.parameters.arenas.iter().zip(&self.moments).map(trained).collect()
    }

    /// From the gradient at the output back to the first layer, updating each layer once its input
    /// gradient has been taken.
    pub fn backward(&self, gpu: &Gpu, workspace: &Workspace, rule: UpdateRule<'_>) -> Result<Vec<Dispatch>> {
        self.backward_to(gpu, workspace, rule, 0)
    }

    /// As [`backward`](Self::backward), down to layer `first`.
    fn backward_to(
        &self,
        gpu: &Gpu,
        workspace: &Workspace,
        rule: UpdateRule<'_>,
        first: usize,
    ) -> Result<Vec<Dispatch>> {
        let arenas = self.trained_arenas();
        let mut dispatches = Vec::new();
        for (place, layer) in self.layers.iter().enumerate().skip(first).rev() {
            let (input, gradient) = (&workspace.activations[place], &workspace.gradients[place]);
            if place > 0 {
                let before = self.layers[place - 1].activation();
                let into = &workspace.gradients[place - 1];
                if let Layer::Dense(dense) = layer {
                    let carry = Carry::InputGradient { before, into };
                    if let Some(both) = dense.update_and_carry(gpu, &arenas, rule, input, gradient, carry)? {
                        dispatches.extend(both);
                        continue;
                    }
                }
                let input = Activated { values: input, activation: before };
                let arenas = &self.parameters.arenas;
                dispatches.extend(layer.backward_input(gpu, arenas, gradient, input, into)?);
            }
            dispatches.extend(match layer {
                Layer::Dense(layer) => layer.update(gpu, &arenas, rule, input, gradient)?,
                Layer::Conv(layers) => {
                    every(layers, |layer| layer.update(gpu, &arenas, rule, input, gradient))?
                }
                Layer::Pool(_) => Vec::new(),
            });
        }
        Ok(dispatches)
    }

    /// From the gradients at the output back to the input, without learning anything: `into` becomes the gradients of
    /// the input. Those at the output are before the last layer's activation, as all in a workspace are.
    pub fn backward_inputs(&self, gpu: &Gpu, workspace: &Workspace, into: &Tensor) -> Result<Vec<Dispatch>> {
        let mut dispatches = Vec::new();
        for (place, layer) in self.layers.iter().enumerate().rev() {
            let before = place.checked_sub(1);
            let input = Activated {
                values: &workspace.activations[place],
                activation: before.map_or(Activation::Linear, |before| self.layers[before].activation()),
            };
            let into = before.map_or(into, |before| &workspace.gradients[before]);
            let (arenas, gradient) = (&self.parameters.arenas, &workspace.gradients[place]);
            dispatches.extend(layer.backward_input(gpu, arenas, gradient, input, into)?);
        }
        Ok(dispatches)
    }

    /// The tensors of a file from which training goes on: parameters and moments as they lie on the device.
    pub fn state_shapes(&self) -> Vec<TensorShape> {
        let buffers = self.buffers().enumerate();
        buffers.map(|(place, buffer)| TensorShape::new(state_name(place), &[buffer.len()])).collect()
    }

    /// Puts them into a file, one buffer at a time.
    pub fn put_state(&self, gpu: &Gpu, file: &mut StateWriter) -> Result<()> {
        let mut buffers = self.buffers().enumerate();
        buffers.try_for_each(|(place, buffer)| file.put(&state_name(place), 0, &gpu.read(buffer)?))
    }

    /// Reads them back, on the same adapter under the same limits.
    pub fn take_state(&self, gpu: &Gpu, file: &StateFile) -> Result<()> {
        for (place, buffer) in self.buffers().enumerate() {
            let values = file.tensor(&state_name(place))?.values()?;
            if values.len() != buffer.len() {
                return Err(Error::file(
                    file.path(),
                    "the training in it is laid out otherwise than this one",
                    "go on with the device and the --max-binding-bytes that it was started with, or start over with \
                     --overwrite, or in another folder",
                ));
            }
            gpu.write(buffer, 0, &values);
        }
        Ok(())
    }

    fn buffers(&self) -> impl Iterator<Item = &Buffer> {
        self.parameters.arenas.iter().map(|arena| &arena.buffer).chain(self.moment_buffers())
    }

    fn moment_buffers(&self) -> impl Iterator<Item = &Buffer> {
        self.moments.iter().flat_map(|(first, second)| std::iter::once(first).chain(second))
    }

    /// The first moments of all replicas, `[R][P]` in `state_dict` order. SGD without momentum leaves the gradient there
    /// at a rate of zero; otherwise it may leave nothing.
    pub fn first_moments(&self, gpu: &Gpu) -> Result<Vec<Vec<f32>>> {
        let moments = self.parameters.arenas.iter().zip(&self.moments);
        let arenas = moments.map(|(arena, (first, _))| Arena { buffer: first.clone(), ..arena.clone() });
        Parameters { arenas: arenas.collect(), ..self.parameters.clone() }.read(gpu)
    }

    /// Forgets the optimiser's moments, as a new optimiser does.
    pub fn clear_moments(&self, gpu: &Gpu) -> Result<()> {
        let fills = self
            .moment_buffers()
            .map(|buffer| crate::ops::elementwise::fill(gpu, buffer, 0, buffer.len(), 0.0))
            .collect::<Result<Vec<_>>>()?;
        gpu.run(&fills)
    }
}
