//! A classifier's spec: layers from images to classes.

use super::layer::same_padding;
use super::{ConvSpec, Initializer, LayerSpec, Layout, NetworkLayer};
use crate::data::{DataPair, ImageShape};
use crate::ops::Activation;
use crate::ops::conv::{Conv, ConvShape};
use crate::ops::dense::{Dense, RowsAre};
use crate::ops::pool::{Pool, PoolKind};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// A classifier's spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassifierSpec {
    /// Its name.
    pub name: String,
    /// Channels, height, width.
    pub input: [usize; 3],
    /// From the input on.
    pub layers: Vec<ClassifierLayer>,
}

/// One number for both directions, or one for the height and one for the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Pair {
    /// For both.
    Both(usize),
    /// Height, width.
    Each([usize; 2]),
}

impl Pair {
    /// Height, width.
    pub fn values(self) -> [usize; 2] {
        match self {
            Self::Both(value) => [value; 2],
            Self::Each(values) => values,
        }
    }
}

/// Zeros around the images of a convolution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// So many that a stride of 1 keeps the size; where they are odd, the one more is below and right.
    #[default]
    Same,
    /// None.
    Valid,
    /// So many pixels on each side.
    #[serde(untagged)]
    Pixels(Pair),
}

impl Padding {
    /// The zeros on each side where their number is given: of the height, of the width.
    fn pixels(self) -> Option<[usize; 2]> {
        match self {
            Self::Same => None,
            Self::Valid => Some([0; 2]),
            Self::Pixels(pixels) => Some(pixels.values()),
        }
    }
}

/// A layer of a classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum ClassifierLayer {
    /// Every input to every output.
    Dense {
        /// O
        outputs: usize,
        /// The activation of the sums.
        #[serde(default)]
        activation: Activation,
        /// Initial values.
        #[serde(default)]
        initializer: Initializer,
    },
    /// A convolution.
    Conv {
        /// O
        outputs: usize,
        /// Its height and width.
        kernel: Pair,
        /// Pixels from one window to the next.
        #[serde(default = "one")]
        stride: Pair,
        /// Zeros around the image.
        #[serde(default)]
        padding: Padding,
        /// The activation of the sums.
        #[serde(default)]
        activation: Activation,
        /// Initial values.
        #[serde(default)]
        initializer: Initializer,
    },
    /// The largest value of each window.
    MaxPool {
        /// Rows and columns of a window.
        window: usize,
        /// Pixels from one window to the next; the window's size where it is left out.
        stride: Option<usize>,
    },
    /// The mean of each window.
    AveragePool {
        /// Rows and columns of a window.
        window: usize,
        /// Pixels from one window to the next; the window's size where it is left out.
        stride: Option<usize>,
    },
    /// From planes to one row of values: nothing to do, since they lie that way.
    Flatten {},
}

fn one() -> Pair {
    Pair::Both(1)
}

/// Walks through the layers, keeping the shape of what flows and the number of the PyTorch module.
struct Walk {
    channels: usize,
    size: [usize; 2],
    module: usize,
}

impl Walk {
    fn from([channels, height, width]: [usize; 3]) -> Self {
        Self { channels, size: [height, width], module: 0 }
    }

    fn width(&self) -> usize {
        self.channels.saturating_mul(self.size[0]).saturating_mul(self.size[1])
    }

    /// The prefix of the next layer with this activation; activations are modules too.
    fn prefix(&mut self, activation: Activation) -> String {
        let prefix = format!("{}.", self.module);
        self.module += 1 + usize::from(activation != Activation::Linear);
        prefix
    }

    fn pool(&mut self, kind: PoolKind, window: usize, stride: Option<usize>) -> NetworkLayer {
        let (window, stride) = (window.max(1), stride.unwrap_or(window).max(1));
        let input_size = self.size.map(|size| size.max(window));
        let pool = Pool { kind, channels: self.channels, input_size, window, stride };
        self.size = pool.output_size();
        self.module += 1;
        NetworkLayer::Pool(pool)
    }

    /// Sizes and zeros above and left for each direction.
    fn conv_shape(
        &mut self,
        outputs: usize,
        [kernel, stride]: [[usize; 2]; 2],
        padding: Padding,
    ) -> ConvShape {
        let mut output_size = [0; 2];
        let mut before = [0; 2];
        for side in 0..2 {
            let (kernel, stride) = (kernel[side].max(1), stride[side].max(1));
            (output_size[side], before[side]) = match padding.pixels().map(|zeros| zeros[side]) {
                None => same_padding(self.size[side], kernel, stride),
                Some(zeros) => {
                    let padded = self.size[side].saturating_add(zeros.saturating_mul(2));
                    (padded.saturating_sub(kernel) / stride + 1, zeros)
                }
            };
        }
        let shape = ConvShape {
            inputs: self.channels,
            outputs,
            input_size: self.size,
            output_size,
            kernel: kernel.map(|k| k.max(1)),
            stride: stride.map(|s| s.max(1)),
            padding: before,
        };
        (self.channels, self.size) = (outputs, output_size);
        shape
    }
}

impl ClassifierSpec {
    /// Refuses a data set that does not fit.
    pub fn check_data(&self, data: &DataPair) -> Result<()> {
        let shape = data.train.shape;
        let [channels, height, width] = self.input;
        let fits = ImageShape { channels, height, width } == shape && data.train.classes <= self.classes();
        if fits && data.test.shape == shape && data.test.classes <= self.classes() {
            return Ok(());
        }
        let classes = data.train.classes.max(data.test.classes);
        let there = format!("{} has {shape} images of {classes} classes", data.train.name);
        let (name, classes) = (&self.name, self.classes());
        let problem = format!("{there}, and {name} takes {channels}x{height}x{width} images of {classes}");
        Err(Error::setting("--data", problem, "choose a data set and a model that fit each other"))
    }

    /// C
    pub fn classes(&self) -> usize {
        match self.layers.last() {
            Some(ClassifierLayer::Dense { outputs, .. }) => *outputs,
            _ => 0,
        }
    }

    /// P
    pub fn parameters(&self) -> usize {
        NetworkLayer::total_parameters(&self.network())
    }

    /// How its tensors lie in its weights.
    pub fn layout(&self) -> Layout {
        Layout::of_layers(self.network())
    }

    /// The most values of a sample that go into or come out of a layer.
    pub fn widest(&self) -> usize {
        NetworkLayer::widest(&self.network())
    }

    /// The layers, named as the modules of an `nn.Sequential` that has its activations as modules.
    pub fn network(&self) -> Vec<NetworkLayer> {
        let mut walk = Walk::from(self.input);
        let mut layers = Vec::new();
        for layer in &self.layers {
            match *layer {
                ClassifierLayer::Dense { outputs, activation, initializer } => {
                    let layer = Dense::new(walk.width(), outputs, RowsAre::Outputs, activation);
                    let prefix = walk.prefix(activation);
                    layers.push(NetworkLayer::Dense(LayerSpec { prefix, layer, initializer }));
                    (walk.channels, walk.size) = (outputs, [1, 1]);
                }
                ClassifierLayer::Conv { outputs, kernel, stride, padding, activation, initializer } => {
                    let prefix = walk.prefix(activation);
                    let shape = walk.conv_shape(outputs, [kernel.values(), stride.values()], padding);
                    let layer = Conv::new(shape, false, activation);
                    layers.push(NetworkLayer::Conv(vec![ConvSpec { prefix, layer, initializer }]));
                }
                ClassifierLayer::MaxPool { window, stride } => {
                    layers.push(walk.pool(PoolKind::Max, window, stride));
                }
                ClassifierLayer::AveragePool { window, stride } => {
                    layers.push(walk.pool(PoolKind::Average, window, stride));
                }
                ClassifierLayer::Flatten {} => walk.module += 1,
            }
        }
        layers
    }

    /// Refuses what cannot be built.
    pub(super) fn check(&self) -> Result<()> {
        if self.layers.is_empty() || self.input.contains(&0) {
            return Err(Error::setting("layers", "nothing to build", "give an input and at least one layer"));
        }
        for (place, layer) in self.layers.iter().enumerate() {
            let zero = match layer {
                ClassifierLayer::Dense { outputs, .. } => (*outputs == 0).then_some("outputs"),
                ClassifierLayer::Conv { outputs: 0, .. } => Some("outputs"),
                ClassifierLayer::Conv { kernel, .. } if kernel.values().contains(&0) => Some("kernel"),
                ClassifierLayer::Conv { stride, .. } => stride.values().contains(&0).then_some("stride"),
                ClassifierLayer::MaxPool { window: 0, .. }
                | ClassifierLayer::AveragePool { window: 0, .. } => Some("window"),
                ClassifierLayer::MaxPool { stride, .. } | ClassifierLayer::AveragePool { stride, .. } => {
                    (*stride == Some(0)).then_some("stride")
                }
                ClassifierLayer::Flatten {} => None,
            };
            if let Some(field) = zero {
                let mend = "use 1 or more";
                return Err(Error::setting(format!("layers[{place}].{field}"), "0 builds nothing", mend));
            }
        }
        self.check_sizes()?;
        match self.layers.last() {
            Some(ClassifierLayer::Dense { activation, .. }) if *activation != Activation::Linear => {
                let problem = "the last layer feeds the softmax and must be linear";
                Err(Error::setting("layers.activation", problem, "leave its activation out"))
            }
            Some(ClassifierLayer::Dense { outputs, .. }) if !(2..=256).contains(outputs) => {
                Err(Error::setting("layers.outputs", format!("{outputs} classes"), "use 2 to 256"))
            }
            Some(ClassifierLayer::Dense { .. }) => Ok(()),
            _ => Err(Error::setting("layers", "the last layer is not dense", "end with a dense layer")),
        }
    }

    /// Refuses kernels and windows larger than what they slide over.
    fn check_sizes(&self) -> Result<()> {
        let mut walk = Walk::from(self.input);
        for (place, layer) in self.layers.iter().enumerate() {
            let size = walk.size;
            let refuse = |field: &str, problem: String, mend: &str| {
                Err(Error::setting(format!("layers[{place}].{field}"), problem, mend))
            };
            match *layer {
                ClassifierLayer::Conv { outputs, kernel, stride, padding, .. } => {
                    // Zeros that keep the size make any kernel fit.
                    for (side, zeros) in padding.pixels().into_iter().flatten().enumerate() {
                        let kernel = kernel.values()[side];
                        let padded = size[side].saturating_add(zeros.saturating_mul(2));
                        if kernel > padded {
                            let around = match zeros {
                                0 => String::new(),
                                zeros => format!(" with a padding of {zeros}"),
                            };
                            return refuse("kernel", too_large("kernel", kernel, size, &around), SMALLER);
                        }
                        // A window of zeros alone learns nothing.
                        if zeros >= kernel {
                            let problem = format!(
                                "with a padding of {zeros}, a kernel of {kernel} would see nothing else"
                            );
                            return refuse("padding", problem, "use a padding smaller than the kernel");
                        }
                    }
                    walk.conv_shape(outputs, [kernel.values(), stride.values()], padding);
                }
                ClassifierLayer::MaxPool { window, stride }
                | ClassifierLayer::AveragePool { window, stride } => {
                    if size.iter().any(|side| *side < window) {
                        return refuse("window", too_large("window", window, size, ""), SMALLER);
                    }
                    walk.pool(PoolKind::Max, window, stride);
                }
                ClassifierLayer::Dense { .. } => walk.size = [1, 1],
                ClassifierLayer::Flatten {} => {}
            }
        }
        Ok(())
    }
}

/// The mend for a kernel or window that is too large.
const SMALLER: &str = "use a smaller one, or fewer layers that shrink the image";

fn too_large(what: &str, of: usize, [height, width]: [usize; 2], around: &str) -> String {
    format!("a {what} of {of} does not fit an image of {height} x {width}{around}")
}
