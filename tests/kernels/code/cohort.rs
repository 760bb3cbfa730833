//! Codes in training: their gradients against finite differences of the loss as a function of the code, through decoders
//! of every form.

use crate::conv::rig::Case as ConvCase;
use crate::support::{gpu, small_gpu, small_posing_gpu, values, wide};
use fedfunnel::autoencoder::Half;
use fedfunnel::data::{Dataset, ImageShape};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::{
    Activation, AutoencoderSpec, ClassifierSpec, Filters, ModelSpec, NetworkLayer, Optimizer, OptimizerKind,
};
use fedfunnel::ops::code::Rounding;
use fedfunnel::reference::code::half;
use fedfunnel::reference::compare::{Tolerance, assert_close, compare};
use fedfunnel::reference::dense::{self, DenseShape};
use fedfunnel::reference::filters::apply;
use fedfunnel::reference::finite_difference::central_gradient;
use fedfunnel::reference::mlp::{self, MlpShape};
use fedfunnel::reference::random;
use fedfunnel::training::{CodeCohort, CodeDecoder, CodeSettings, CodeStart, FilterSettings, ResidentImages};
use std::path::Path;

/// Samples that each replica has, one after the other.
pub const SAMPLES: [usize; 3] = [7, 4, 5];

/// A classifier of images of so many pixels along each side.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub side: usize,
    pub hidden: usize,
    pub classes: usize,
}

impl Shape {
    pub fn inputs(&self) -> usize {
        self.side * self.side
    }

    pub fn parameters(&self) -> usize {
        (self.inputs() + 1) * self.hidden + (self.hidden + 1) * self.classes
    }

    pub fn spec(&self) -> ClassifierSpec {
        let Self { side, hidden, classes } = self;
        let text = format!(
            "name = \"small\"\nkind = \"classifier\"\ninput = [1, {side}, {side}]\n[[layers]]\nkind = \"dense\"\n\
             outputs = {hidden}\nactivation = \"tanh\"\n[[layers]]\nkind = \"dense\"\noutputs = {classes}\n"
        );
        ModelSpec::parse(&text, Path::new("own")).unwrap().classifier().unwrap()
    }

    pub fn dataset(&self) -> Dataset {
        let count = SAMPLES.iter().sum::<usize>();
        let pixels = (0..(count * self.inputs()) as u32).map(|i| random::bits(i, 0, 1, 3) as u8);
        Dataset {
            name: "noise".into(),
            images: pixels.collect(),
            labels: (0..count).map(|n| (n % self.classes) as u8).collect(),
            shape: ImageShape { channels: 1, height: self.side, width: self.side },
            classes: self.classes,
            groups: None,
        }
    }

    /// The mean loss of these samples.
    pub fn loss(&self, data: &Dataset, samples: &[u32], weights: &[f64]) -> f64 {
        let inputs = self.inputs();
        let image = |&n: &u32| data.images[n as usize * inputs..][..inputs].iter();
        let images: Vec<_> = samples.iter().flat_map(image).map(|&byte| f64::from(byte) / 255.0).collect();
        let labels: Vec<_> = samples.iter().map(|&n| Some(data.labels[n as usize].into())).collect();
        let ends = [inputs * self.hidden, self.hidden, self.hidden * self.classes, self.classes];
        let mut rest = weights;
        let layers = ends.map(|count| {
            let (own, behind) = rest.split_at(count);
            rest = behind;
            own.to_vec()
        });
        let shape = MlpShape {
            batch: samples.len(),
            inputs,
            hidden: self.hidden,
            outputs: self.classes,
            activation: Activation::Tanh,
        };
        let (loss, _) = mlp::step(&images, &layers, &labels, shape);
        loss.loss.iter().sum::<f64>() / samples.len() as f64
    }

    /// Dense layers to a code of five floats and back.
    fn dense(&self, hidden: &[usize], activations: [Activation; 2]) -> AutoencoderSpec {
        let [hidden_activation, output_activation] = activations;
        let mirrored = hidden.iter().rev().copied();
        let p = self.parameters();
        let widths = [p].into_iter().chain(hidden.iter().copied()).chain([5]).chain(mirrored).chain([p]);
        let linear = AutoencoderSpec::linear("own", p, 5);
        AutoencoderSpec { widths: widths.collect(), hidden_activation, output_activation, ..linear }
    }

    /// Convolutions of each tensor, and a dense layer to six floats.
    fn conv(&self, activations: [&str; 2]) -> AutoencoderSpec {
        let Self { hidden, classes, .. } = self;
        let (inputs, p, [inner, outer]) = (self.inputs(), self.parameters(), activations);
        let text = format!(
            "name = \"own\"\nkind = \"autoencoder\"\nhidden_activation = \"{inner}\"\noutput_activation = \"{outer}\"\n\
             [conv]\ninputs = {p}\nlatent = 6\nsegments = [[{hidden}, {inputs}], [1, {hidden}], [{classes}, {hidden}], \
             [1, {classes}]]\nlayers = [{{ channels = 3, kernel = [1, {inputs}], stride = [1, {inputs}] }}, \
             {{ channels = 2, kernel = [{hidden}, 1], stride = [{hidden}, 1] }}]\n"
        );
        ModelSpec::parse(&text, Path::new("own")).unwrap().autoencoder().unwrap()
    }
}

/// A decoder by its twins, all values as they come out of the last activation.
fn outputs(layers: &[NetworkLayer], parameters: &[f64], code: &[f64]) -> Vec<f64> {
    let mut rest = parameters;
    let mut take = |count: usize| {
        let (own, behind) = rest.split_at(count);
        rest = behind;
        own
    };
    layers.iter().fold(code.to_vec(), |values, layer| match layer {
        NetworkLayer::Dense(layer) => {
            let layer = &layer.layer;
            let (inputs, outputs) = (layer.inputs, layer.outputs);
            let shape = DenseShape { replicas: 1, batch: 1, inputs, outputs };
            let (weights, biases) = (take(inputs * outputs), take(outputs));
            dense::forward(&values, weights, biases, shape, layer.activation)
        }
        NetworkLayer::Conv(segments) => {
            let mut values = values.as_slice();
            let each = segments.iter().flat_map(|segment| {
                let segment = &segment.layer;
                let (own, behind) = values.split_at(segment.inputs());
                values = behind;
                let (weights, biases) = (take(segment.shape.weights()), take(segment.shape.inputs));
                let case = ConvCase {
                    replicas: 1,
                    batch: 1,
                    shape: segment.shape,
                    transposed: segment.transposed,
                    activation: segment.activation,
                    lead: 0,
                };
                case.forward(own, weights, biases)
            });
            each.collect()
        }
        NetworkLayer::Pool(_) => panic!("decoders have no pools"),
    })
}

/// Decoders of R replicas, with where their codes start.
struct Codes {
    shape: Shape,
    layers: Vec<NetworkLayer>,
    data: Dataset,
    parameters: Vec<Vec<f32>>,
    scales: Vec<f32>,
    starts: Vec<CodeStart>,
    orders: Vec<Vec<u32>>,
}

impl Codes {
    fn new(shape: Shape, autoencoder: &AutoencoderSpec, replicas: usize, reach: f32) -> Self {
        let line = |count: usize, tensor: u32, by: f32| -> Vec<f32> {
            values(count, tensor).iter().map(|value| value * by).collect()
        };
        let ends = SAMPLES.iter().scan(0, |end, count| {
            *end += count;
            Some(*end as u32)
        });
        let starts = (0..replicas as u32).map(|r| {
            let code = line(autoencoder.latent(), 10 + r, reach);
            CodeStart {
                base: line(shape.parameters(), 20 + r, 0.2),
                arrives: code.clone(),
                code,
                scaled: line(shape.parameters(), 40 + r, 0.3),
            }
        });
        let parameters = autoencoder.decoder_parameters();
        Self {
            shape,
            layers: Half::Decoder.layers(autoencoder),
            data: shape.dataset(),
            parameters: (0..replicas as u32).map(|r| line(parameters, 30 + r, 0.5)).collect(),
            scales: [0.4, -0.3, 0.2][..replicas].to_vec(),
            starts: starts.collect(),
            orders: ends.zip(SAMPLES).map(|(end, count)| (end - count as u32..end).collect()).collect(),
        }
    }

    /// The decoder of a replica: a basis where it is one linear layer.
    fn decoder(&self, replica: usize) -> CodeDecoder {
        let (parameters, scale) = (self.parameters[replica].clone(), self.scales[replica]);
        match self.layers.as_slice() {
            [NetworkLayer::Dense(only)] if only.layer.activation == Activation::Linear => {
                let only = &only.layer;
                let column = |z| parameters[..only.inputs * only.outputs].iter().skip(z).step_by(only.inputs);
                let scaled = (0..only.inputs).flat_map(|z| column(z).map(|value| value * scale));
                CodeDecoder::Linear(scaled.collect())
            }
            _ => CodeDecoder::Network { layers: self.layers.clone(), parameters, scale },
        }
    }

    /// Codes after so many steps against their gradients at a rate of one, replicas together as they fit.
    fn stepped(&self, gpu: &Gpu, steps: u64, rounding: Rounding) -> Vec<Vec<f32>> {
        self.stepped_beside(gpu, steps, rounding, None).into_iter().map(|(codes, _)| codes).collect()
    }

    /// The same with values of filters beside the codes, where these train.
    fn stepped_beside(
        &self,
        gpu: &Gpu,
        steps: u64,
        rounding: Rounding,
        filters: Option<FilterSettings>,
    ) -> Vec<(Vec<f32>, Vec<f32>)> {
        let images = ResidentImages::upload(gpu, &self.data).unwrap();
        let optimizer =
            Optimizer { kind: OptimizerKind::Sgd, lr: 1.0, momentum: 0.0, ..Optimizer::default() };
        let floats = self.starts[0].code.len();
        let settings =
            CodeSettings { floats, batch: SAMPLES[0], optimizer, rounding, filters, is_shared: false };
        let replicas = self.starts.len();
        let spec = self.shape.spec();
        let mut cohort = CodeCohort::new(gpu, &spec, &images, replicas, &self.decoder(0), settings).unwrap();
        let mut codes = Vec::new();
        while codes.len() < replicas {
            let own: Vec<_> = (codes.len()..replicas).take(cohort.replicas()).collect();
            for (place, &replica) in own.iter().enumerate() {
                cohort.load(place, &self.decoder(replica)).unwrap();
            }
            cohort.restart(own.iter().map(|&replica| &self.starts[replica]), optimizer.lr).unwrap();
            let owners: Vec<_> = own.iter().map(|&replica| replica as u32).collect();
            for epoch in 0..steps {
                let orders = own.iter().map(|&replica| self.orders[replica].clone()).collect();
                cohort.epoch(epoch, &owners, orders, &mut |_| ()).unwrap();
            }
            let beside = cohort.filters().unwrap().unwrap_or(vec![Vec::new(); own.len()]);
            codes.extend(cohort.codes().unwrap().into_iter().zip(beside).take(own.len()));
        }
        codes
    }

    /// The gradient at a code of a replica by finite differences, through other layers or by another scale where a
    /// control says so.
    fn numeric(&self, replica: usize, code: &[f64], layers: &[NetworkLayer], scale: f64) -> Vec<f64> {
        let (parameters, start) = (wide(&self.parameters[replica]), &self.starts[replica]);
        let before = outputs(layers, &parameters, &wide(&start.code));
        let loss = |code: &[f64]| {
            let now = outputs(layers, &parameters, code);
            let weights = start.base.iter().zip(now.iter().zip(&before));
            let weights = weights.map(|(&base, (now, before))| f64::from(base) + scale * (now - before));
            self.shape.loss(&self.data, &self.orders[replica], &weights.collect::<Vec<_>>())
        };
        central_gradient(loss, code, 1e-4)
    }
}

/// The way from one code to another.
fn way(from: &[f32], to: &[f32]) -> Vec<f32> {
    from.iter().zip(to).map(|(from, to)| from - to).collect()
}

/// The same layers without what follows the sums of the first or of the last.
fn without_activation(layers: &[NetworkLayer], is_last: bool) -> Option<Vec<NetworkLayer>> {
    let mut layers = layers.to_vec();
    let layer = if is_last { layers.last_mut()? } else { layers.first_mut()? };
    let activations: Vec<&mut Activation> = match layer {
        NetworkLayer::Dense(layer) => vec![&mut layer.layer.activation],
        NetworkLayer::Conv(segments) => {
            segments.iter_mut().map(|layer| &mut layer.layer.activation).collect()
        }
        NetworkLayer::Pool(_) => Vec::new(),
    };
    let mut had_one = false;
    for activation in activations {
        had_one |= *activation != Activation::Linear;
        *activation = Activation::Linear;
    }
    had_one.then_some(layers)
}

fn check(gpu: &Gpu, shape: Shape, autoencoder: &AutoencoderSpec, replicas: usize) {
    let codes = Codes::new(shape, autoencoder, replicas, 0.6);
    let stepped = codes.stepped(gpu, 1, Rounding::None);
    for (replica, stepped) in stepped.iter().enumerate() {
        let what = format!("replica {replica} of {replicas}, {:?}", autoencoder.widths);
        let start = &codes.starts[replica].code;
        let actual = way(start, stepped);
        let numeric = |layers: &[NetworkLayer], scale| codes.numeric(replica, &wide(start), layers, scale);
        let scale = f64::from(codes.scales[replica]);
        assert_close(&what, &actual, &numeric(&codes.layers, scale), Tolerance::Balanced);
        let refuse = |mistake: &str, wrong: &[f64]| {
            let outcome = compare(&what, &actual, wrong, Tolerance::Permissive);
            assert!(outcome.is_err(), "{what}: {mistake} passes");
        };
        refuse("another scale", &numeric(&codes.layers, scale * 1.1));
        for is_last in [false, true] {
            if let Some(layers) = without_activation(&codes.layers, is_last) {
                refuse("no activation", &numeric(&layers, scale));
            }
        }
        if replicas > 1 {
            let other = (replica + 1) % replicas;
            let other_scale = f64::from(codes.scales[other]);
            let other_start = wide(&codes.starts[other].code);
            refuse("another replica", &codes.numeric(other, &other_start, &codes.layers, other_scale));
        }
    }
}

pub const FEW: Shape = Shape { side: 7, hidden: 9, classes: 5 };
/// As many parameters as do not fit a small binding.
pub const MANY: Shape = Shape { side: 27, hidden: 23, classes: 10 };
/// As many as fit one five times: a basis is bound in two parts.
const FIFTH: Shape = Shape { side: 18, hidden: 9, classes: 10 };
/// As many as fit one twice.
const SOME: Shape = Shape { side: 28, hidden: 7, classes: 10 };

const LINEAR: Activation = Activation::Linear;
const TANH: Activation = Activation::Tanh;

#[test]
fn gradients_through_a_basis_are_those_of_the_loss() {
    for replicas in [1, 3] {
        check(gpu(), FEW, &FEW.dense(&[], [LINEAR, LINEAR]), replicas);
        check(small_gpu(), FIFTH, &FIFTH.dense(&[], [LINEAR, LINEAR]), replicas);
    }
}

#[test]
fn gradients_through_hidden_layers_are_those_of_the_loss() {
    for replicas in [1, 3] {
        check(gpu(), FEW, &FEW.dense(&[11], [TANH, LINEAR]), replicas);
        check(gpu(), FEW, &FEW.dense(&[16, 7], [TANH, LINEAR]), replicas);
        check(small_gpu(), MANY, &MANY.dense(&[12], [TANH, LINEAR]), replicas);
    }
}

#[test]
fn gradients_through_an_activation_at_the_output_are_those_of_the_loss() {
    for replicas in [1, 3] {
        check(gpu(), FEW, &FEW.dense(&[], [LINEAR, TANH]), replicas);
        check(gpu(), FEW, &FEW.dense(&[11], [TANH, Activation::Sigmoid]), replicas);
        check(small_gpu(), MANY, &MANY.dense(&[12], [TANH, TANH]), replicas);
    }
}

#[test]
fn gradients_through_convolutions_are_those_of_the_loss() {
    for replicas in [1, 3] {
        check(gpu(), FEW, &FEW.conv(["tanh", "linear"]), replicas);
        check(gpu(), FEW, &FEW.conv(["tanh", "tanh"]), replicas);
        check(small_gpu(), SOME, &SOME.conv(["tanh", "linear"]), replicas);
    }
}

/// The second step's gradient is that at what arrives of the code after the first, and not at the code itself.
#[test]
fn codes_are_trained_for_what_arrives() {
    for autoencoder in [FEW.dense(&[], [LINEAR, LINEAR]), FEW.dense(&[11], [TANH, LINEAR])] {
        let mut codes = Codes::new(FEW, &autoencoder, 3, 0.6);
        for start in &mut codes.starts {
            // A code that arrives as it is.
            start.code.iter_mut().for_each(|value| *value = half(f64::from(*value)) as f32);
            start.arrives.clone_from(&start.code);
        }
        let [one, two] = [1, 2].map(|steps| codes.stepped(gpu(), steps, Rounding::F16));
        for replica in 0..3 {
            let actual = way(&one[replica], &two[replica]);
            let scale = f64::from(codes.scales[replica]);
            let at = |code: &[f64]| codes.numeric(replica, code, &codes.layers, scale);
            let sent = wide(&one[replica]);
            let arrived: Vec<_> = sent.iter().map(|&value| half(value)).collect();
            assert_close("a step from what arrives", &actual, &at(&arrived), Tolerance::Balanced);
            let outcome = compare("a step from what is sent", &actual, &at(&sent), Tolerance::Balanced);
            assert!(outcome.is_err(), "replica {replica}: the code itself passes");
        }
    }
}

/// Values of filters that train beside codes: the gradients of both are those of the loss, at what arrives of both.
#[test]
fn gradients_of_filters_beside_codes_are_those_of_the_loss() {
    for (gpu, shape, autoencoder) in [
        (gpu(), FEW, FEW.dense(&[], [LINEAR, LINEAR])),
        (gpu(), FEW, FEW.dense(&[11], [TANH, LINEAR])),
        // Two arenas, of which a row of the first layer lies in one.
        (small_gpu(), MANY, MANY.dense(&[12], [TANH, LINEAR])),
        // Sums of fewer lanes than a subgroup has: those of all do not fit one binding.
        (small_posing_gpu(), MANY, MANY.dense(&[12], [TANH, LINEAR])),
    ] {
        let codes = Codes::new(shape, &autoencoder, 3, 0.6);
        let filters = Filters::of(&shape.spec().layout()).unwrap();
        assert_eq!(filters.count(), 2 * (shape.hidden + shape.classes));
        let rate = 0.25;
        let settings = || FilterSettings { filters: filters.clone(), rate, rounding: Rounding::F16 };
        let [one, two] =
            [1, 2].map(|steps| codes.stepped_beside(gpu, steps, Rounding::None, Some(settings())));
        for replica in 0..3 {
            let what = format!("replica {replica}, {:?}", autoencoder.widths);
            let start = &codes.starts[replica];
            // The gradient of the code and of the values of filters at both.
            let gradient = |code: &[f64], values: &[f64], scaled: &[f32]| {
                let coefficients = wide(&filters.coefficients(scaled));
                let numbers: Vec<_> = filters.of_weights().iter().map(|&filter| filter as usize).collect();
                let parameters = wide(&codes.parameters[replica]);
                let before = outputs(&codes.layers, &parameters, &wide(&start.code));
                let loss = |both: &[f64]| {
                    let (code, values) = both.split_at(code.len());
                    let now = outputs(&codes.layers, &parameters, code);
                    let scale = f64::from(codes.scales[replica]);
                    let moved = start.base.iter().zip(now.iter().zip(&before));
                    let moved = moved.map(|(&base, (now, before))| f64::from(base) + scale * (now - before));
                    let moved: Vec<_> = moved.collect();
                    let weights = apply(&moved, &coefficients, &numbers, values);
                    codes.shape.loss(&codes.data, &codes.orders[replica], &weights)
                };
                let mut both = central_gradient(loss, &[code, values].concat(), 1e-4);
                // A step of the values is that much shorter.
                both[code.len()..].iter_mut().for_each(|slope| *slope *= f64::from(rate));
                both
            };
            let zeros = vec![0.0; filters.count()];
            let actual = way(
                &[&start.code[..], &vec![0.0; filters.count()]].concat(),
                &[&one[replica].0[..], &one[replica].1].concat(),
            );
            let expected = gradient(&wide(&start.code), &zeros, &start.scaled);
            assert_close(&what, &actual, &expected, Tolerance::Balanced);
            let wrong = gradient(&wide(&start.code), &zeros, &start.base);
            assert!(
                compare(&what, &actual, &wrong, Tolerance::Permissive).is_err(),
                "{what}: other weights pass"
            );
            // The second step is taken at what arrives of the first.
            let (code, values) = &one[replica];
            let actual = way(&[&code[..], values].concat(), &[&two[replica].0[..], &two[replica].1].concat());
            let arrived: Vec<_> = wide(values).into_iter().map(half).collect();
            let expected = gradient(&wide(code), &arrived, &start.scaled);
            assert_close(&what, &actual, &expected, Tolerance::Balanced);
            let wrong = gradient(&wide(code), &zeros, &start.scaled);
            assert!(compare(&what, &actual, &wrong, Tolerance::Permissive).is_err(), "{what}: zeros pass");
        }
    }
}
