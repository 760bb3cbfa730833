//! The search on the host, for classifiers of dense layers.
//!
//! The gradient of B images is a product of B columns and rows in each layer, so that nothing as large as the weights has
//! to be written: with `a` what goes into a layer, `d` the gradient of its sums, and U its part of the update,
//!
//! ```text
//! <u, grad>  = sum over layers and b of          d_b . (U a_b)
//! |grad|^2   = sum over layers, b and c of       (d_b . d_c) (a_b . a_c)
//! ```
//!
//! with a 1 behind each `a` for the bias. How the gradient of the images changes as the weights move along
//! `v = alpha u + beta grad` is a forward and a backward pass of derivatives by that (Pearlmutter 1994, "Fast Exact
//! Multiplication by the Hessian"), exact where the passes to either side round:
//!
//! ```text
//! Rz = W Ra + alpha U a_b + beta sum over c of d_c (a_c . a_b)
//! Re = W' Rd_b + alpha U' d_b + beta sum over c of a_c (d_c . d_b)
//! ```
//!
//! A step reads the weights twice and the update twice, which takes a few microseconds for a small classifier, where each
//! dispatch of a device takes more.

use super::search::{Candidate, Found, Search, dot};
use super::softmax::softmax;
use crate::model::NetworkLayer;
use crate::ops::Activation;
use std::panic::resume_unwind;
use std::thread;

/// One dense layer, and where its matrix `[O, I]` and its bias lie among all weights.
struct Layer {
    inputs: usize,
    outputs: usize,
    activation: Activation,
    first: usize,
}

/// A part of weights or of an update: a layer's matrix and its bias.
#[derive(Clone, Copy)]
struct Part<'a> {
    matrix: &'a [f32],
    bias: &'a [f32],
}

impl Layer {
    fn part<'a>(&self, weights: &'a [f32]) -> Part<'a> {
        let (matrix, rest) = weights[self.first..].split_at(self.inputs * self.outputs);
        Part { matrix, bias: &rest[..self.outputs] }
    }
}

/// A classifier of dense layers.
pub(super) struct Host {
    layers: Vec<Layer>,
    classes: usize,
}

/// What passes of images leave: `[B, width]` for each layer.
struct Trace {
    /// What goes into each layer, from the images to the logits.
    values: Vec<Vec<f32>>,
    /// The gradients of the sums of each layer.
    gradients: Vec<Vec<f32>>,
    /// The logits' chances.
    chances: Vec<f64>,
}

impl Host {
    /// Of these layers, where all are dense and the last gives logits as they are.
    pub fn new(layers: &[NetworkLayer]) -> Option<Self> {
        let mut first = 0;
        let dense = layers.iter().map(|layer| match layer {
            NetworkLayer::Dense(spec) => {
                let (inputs, outputs) = (spec.layer.inputs, spec.layer.outputs);
                let own = Layer { inputs, outputs, activation: spec.layer.activation, first };
                first += spec.parameters();
                Some(own)
            }
            NetworkLayer::Conv(_) | NetworkLayer::Pool(_) => None,
        });
        let layers = dense.collect::<Option<Vec<_>>>()?;
        let last = layers.last().filter(|last| last.activation == Activation::Linear)?;
        Some(Self { classes: last.outputs, layers })
    }

    /// The images that say these updates of `global` best, by collaborators in the round of this number: as many at a
    /// time as the machine has processors.
    pub fn find(
        &self,
        search: &Search,
        global: &[f32],
        updates: &[(u32, Vec<f32>)],
        number: u32,
    ) -> Vec<Found> {
        let one = |(who, update): &(u32, Vec<f32>)| {
            self.find_one(Candidate::new(search, *who, number, update), search.steps, global, update)
        };
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let each = updates.len().div_ceil(threads).max(1);
        thread::scope(|scope| {
            let parts = updates
                .chunks(each)
                .map(|part| scope.spawn(move || part.iter().map(one).collect::<Vec<_>>()));
            let parts: Vec<_> = parts.collect();
            let done =
                parts.into_iter().flat_map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic)));
            done.collect()
        })
    }

    fn find_one(&self, mut candidate: Candidate<'_>, steps: usize, global: &[f32], update: &[f32]) -> Found {
        for step in 0..=steps {
            let tried = candidate.tried();
            let trace = self.trace(global, &tried.images, &tried.labels);
            let told = self.told(update, &trace);
            let products = self.products(&trace);
            let along = told.iter().zip(&trace.gradients).map(|(told, gradients)| dot(told, gradients)).sum();
            let own = products.iter().map(Products::square).sum();
            let cosine = candidate.consider(&tried, along, own);
            if step == steps {
                break;
            }
            let rest = (1.0 - cosine * cosine).max(0.0).sqrt();
            // As in a direction of length 1; an update or a gradient of nothing has none.
            let (alpha, beta) = if own > 0.0 && candidate.due() > 0.0 && rest > 0.0 {
                (-cosine.signum() / (rest * candidate.due().sqrt()), cosine.abs() / (rest * own.sqrt()))
            } else {
                (0.0, 0.0)
            };
            let direction = Direction { update, told: &told, products: &products, alpha: alpha as f32, beta };
            let (images, logits) = self.changes(global, &trace, &direction);
            candidate.step(&tried, images.into_iter().map(f64::from), &logits);
        }
        candidate.found()
    }

    /// The gradient of the weights.
    pub fn gradient(&self, global: &[f32], images: &[f32], labels: &[f64]) -> Vec<f32> {
        let trace = self.trace(global, images, labels);
        let mut gradient = vec![0.0; global.len()];
        for ((layer, values), gradients) in self.layers.iter().zip(&trace.values).zip(&trace.gradients) {
            let (matrix, rest) = gradient[layer.first..].split_at_mut(layer.inputs * layer.outputs);
            for (values, gradients) in
                values.chunks_exact(layer.inputs).zip(gradients.chunks_exact(layer.outputs))
            {
                let rows = matrix.chunks_exact_mut(layer.inputs).zip(&mut *rest);
                for ((row, bias), &gradient) in rows.zip(gradients) {
                    row.iter_mut().zip(values).for_each(|(row, value)| *row += gradient * value);
                    *bias += gradient;
                }
            }
        }
        gradient
    }

    /// From the images to the logits and back to the first layer's sums.
    fn trace(&self, global: &[f32], images: &[f32], labels: &[f64]) -> Trace {
        let mut values = vec![images.to_vec()];
        for (layer, place) in self.layers.iter().zip(0..) {
            let Part { matrix, bias } = layer.part(global);
            let rows = || matrix.chunks_exact(layer.inputs).zip(bias);
            let each = values[place].chunks_exact(layer.inputs).flat_map(|input| {
                rows().map(move |(row, bias)| {
                    layer.activation.apply(f64::from(product(row, input) + bias)) as f32
                })
            });
            let outputs = each.collect();
            values.push(outputs);
        }
        let logits: Vec<_> = values[self.layers.len()].iter().map(|&logit| f64::from(logit)).collect();
        let chances = softmax(&logits, self.classes);
        let count = (chances.len() / self.classes) as f64;
        let errors = chances.iter().zip(labels).map(|(chance, label)| ((chance - label) / count) as f32);
        let mut gradients = vec![errors.collect::<Vec<f32>>()];
        for (place, layer) in self.layers.iter().enumerate().skip(1).rev() {
            let own = &gradients[gradients.len() - 1];
            let before = self.layers[place - 1].activation;
            let mut into = vec![0.0; values[place].len()];
            let lines = into.chunks_exact_mut(layer.inputs).zip(own.chunks_exact(layer.outputs));
            for (into, own) in lines {
                let rows = layer.part(global).matrix.chunks_exact(layer.inputs);
                rows.zip(own).for_each(|(row, &own)| {
                    into.iter_mut().zip(row).for_each(|(into, row)| *into += own * row)
                });
            }
            into.iter_mut().zip(&values[place]).for_each(|(into, &value)| *into *= slope(before, value));
            gradients.push(into);
        }
        gradients.reverse();
        Trace { values, gradients, chances }
    }

    /// What each layer of the update makes of what goes into that layer, `U a`.
    fn told(&self, update: &[f32], trace: &Trace) -> Vec<Vec<f32>> {
        let each = self.layers.iter().zip(trace.values.windows(2)).map(|(layer, values)| {
            let Part { matrix, bias } = layer.part(update);
            let lines = values[0].chunks_exact(layer.inputs).zip(values[1].chunks_exact(layer.outputs));
            let told = lines.flat_map(|(input, output)| {
                let rows = matrix.chunks_exact(layer.inputs).zip(bias).zip(output);
                rows.map(move |((row, bias), &output)| {
                    // What a unit at rest is told changes nothing.
                    if slope(layer.activation, output) == 0.0 { 0.0 } else { product(row, input) + bias }
                })
            });
            told.collect()
        });
        each.collect()
    }

    fn products(&self, trace: &Trace) -> Vec<Products> {
        let each = self.layers.iter().zip(&trace.values).zip(&trace.gradients);
        let each = each.map(|((layer, values), gradients)| Products {
            values: products(values, layer.inputs, 1.0),
            gradients: products(gradients, layer.outputs, 0.0),
        });
        each.collect()
    }

    /// How the gradients of the images and the logits change as the weights move in a direction.
    fn changes(&self, global: &[f32], trace: &Trace, direction: &Direction<'_>) -> (Vec<f32>, Vec<f64>) {
        let Direction { update, told, products, alpha, beta } = *direction;
        let lines = trace.chances.len() / self.classes;
        // Of what goes into each layer, and of the sums of each.
        let (mut inputs, mut sums) = (Vec::<f32>::new(), Vec::new());
        for (place, layer) in self.layers.iter().enumerate() {
            let gradients = &trace.gradients[place];
            let mut own: Vec<f32> = told[place].iter().map(|told| alpha * told).collect();
            for (line, own) in own.chunks_exact_mut(layer.outputs).enumerate() {
                add_all(own, gradients, &products[place].values[line * lines..][..lines], beta);
                if let Some(inputs) = inputs.chunks_exact(layer.inputs).nth(line) {
                    let rows = layer.part(global).matrix.chunks_exact(layer.inputs);
                    own.iter_mut().zip(rows).for_each(|(own, row)| *own += product(row, inputs));
                }
            }
            let outputs = own.iter().zip(&trace.values[place + 1]);
            inputs = outputs.map(|(own, &value)| own * slope(layer.activation, value)).collect();
            sums.push(own);
        }
        let logits: Vec<_> = inputs.iter().map(|&change| f64::from(change)).collect();
        let each = logits.chunks_exact(self.classes).zip(trace.chances.chunks_exact(self.classes));
        let errors = each.flat_map(|(changes, chances)| {
            let mean: f64 = changes.iter().zip(chances).map(|(change, chance)| change * chance).sum();
            changes
                .iter()
                .zip(chances)
                .map(move |(change, chance)| (chance * (change - mean) / lines as f64) as f32)
        });
        let mut errors: Vec<f32> = errors.collect();
        for (place, layer) in self.layers.iter().enumerate().rev() {
            let (gradients, values) = (&trace.gradients[place], &trace.values[place]);
            let mut into = vec![0f32; values.len()];
            for (line, into) in into.chunks_exact_mut(layer.inputs).enumerate() {
                add_all(into, values, &products[place].gradients[line * lines..][..lines], beta);
                let own = errors[line * layer.outputs..].iter().zip(&gradients[line * layer.outputs..]);
                let rows = layer.part(global).matrix.chunks_exact(layer.inputs);
                let rows = rows.zip(layer.part(update).matrix.chunks_exact(layer.inputs));
                for ((weights, update), (&error, gradient)) in rows.zip(own) {
                    let along = alpha * gradient;
                    if error != 0.0 || along != 0.0 {
                        let pairs = weights.iter().zip(update);
                        let pairs = into.iter_mut().zip(pairs);
                        pairs.for_each(|(into, (weight, update))| *into += error * weight + along * update);
                    }
                }
            }
            if let Some(before) = place.checked_sub(1) {
                let activation = self.layers[before].activation;
                let own = trace.gradients[before].iter().zip(&sums[before]);
                for ((into, &value), (gradient, sum)) in into.iter_mut().zip(values).zip(own) {
                    *into = *into * slope(activation, value) + gradient * sum * bend(activation, value);
                }
            }
            errors = into;
        }
        (errors, logits)
    }
}

/// A direction of weights, `alpha u + beta grad`.
#[derive(Clone, Copy)]
struct Direction<'a> {
    update: &'a [f32],
    told: &'a [Vec<f32>],
    products: &'a [Products],
    alpha: f32,
    beta: f64,
}

/// The products of the lines of a layer with each other, `[B, B]`.
struct Products {
    /// Of what goes in, with the 1 that the bias stands for.
    values: Vec<f64>,
    /// Of the gradients of its sums.
    gradients: Vec<f64>,
}

impl Products {
    /// The square of the length of the gradient of the layer's weights.
    fn square(&self) -> f64 {
        self.values.iter().zip(&self.gradients).map(|(values, gradients)| values * gradients).sum()
    }
}

/// Those of lines that are so wide, each with a number added.
fn products(lines: &[f32], width: usize, added: f64) -> Vec<f64> {
    let count = lines.len() / width;
    let line = |place: usize| &lines[place * width..][..width];
    let mut products = vec![0.0; count * count];
    for one in 0..count {
        for other in 0..=one {
            let product = dot(line(one), line(other)) + added;
            products[one * count + other] = product;
            products[other * count + one] = product;
        }
    }
    products
}

/// Adds all lines to one of as many, each by its product with it and a factor.
fn add_all(into: &mut [f32], lines: &[f32], products: &[f64], factor: f64) {
    for (line, product) in lines.chunks_exact(into.len()).zip(products) {
        let factor = (factor * product) as f32;
        into.iter_mut().zip(line).for_each(|(into, value)| *into += factor * value);
    }
}

/// The product of as many values.
fn product(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        (0..LANES).for_each(|lane| sums[lane] += a[lane] * b[lane]);
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

/// The derivative of an activation by its sum, of the value that came out.
fn slope(activation: Activation, value: f32) -> f32 {
    activation.derivative_from_output(f64::from(value)) as f32
}

/// Its second derivative over the first.
fn bend(activation: Activation, value: f32) -> f32 {
    match activation {
        Activation::Linear | Activation::Relu => 0.0,
        Activation::Tanh => -2.0 * value,
        Activation::Sigmoid => 1.0 - 2.0 * value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelSpec;
    use std::path::Path;

    fn numbers(count: usize, stream: u32) -> Vec<f32> {
        crate::ops::random::uniform_values(count, 3, stream, 1, 1.0)
    }

    #[test]
    fn changes_are_those_of_finite_differences() {
        const IMAGES: usize = 2;
        for activation in ["relu", "tanh", "sigmoid"] {
            let hidden =
                format!("[[layers]]\nkind = \"dense\"\noutputs = 7\nactivation = \"{activation}\"\n");
            let last = "[[layers]]\nkind = \"dense\"\noutputs = 4\n";
            let text =
                format!("name = \"m\"\nkind = \"classifier\"\ninput = [1, 3, 3]\n{hidden}{hidden}{last}");
            let layout = ModelSpec::parse(&text, Path::new("m")).unwrap().classifier().unwrap().layout();
            let host = Host::new(layout.layers()).unwrap();
            let (global, update) = (numbers(layout.parameters(), 1), numbers(layout.parameters(), 2));
            let (images, scores) = (numbers(IMAGES * 9, 3), numbers(IMAGES * 4, 4));
            let scores: Vec<_> = scores.into_iter().map(f64::from).collect();
            let labels = softmax(&scores, 4);
            let trace = host.trace(&global, &images, &labels);
            let (told, products) = (host.told(&update, &trace), host.products(&trace));
            let gradient = host.gradient(&global, &images, &labels);
            // What is multiplied layer by layer is what the whole gradient says.
            let along: f64 = told.iter().zip(&trace.gradients).map(|(told, own)| dot(told, own)).sum();
            let own: f64 = products.iter().map(Products::square).sum();
            assert!((along - dot(&update, &gradient)).abs() < 1e-5 * own.sqrt(), "{activation}");
            assert!((own - dot(&gradient, &gradient)).abs() < 1e-5 * own, "{activation}");
            let (alpha, beta) = (0.25, -0.5);
            let direction = Direction { update: &update, told: &told, products: &products, alpha, beta };
            let (of_images, of_logits) = host.changes(&global, &trace, &direction);
            let pairs = update.iter().zip(&gradient);
            let along: Vec<f32> = pairs.map(|(update, own)| alpha * update + beta as f32 * own).collect();
            let far = of_images.iter().fold(0f32, |far, value| far.max(value.abs()));
            for (pixel, got) in of_images.iter().enumerate() {
                let [above, below] = [0.005, -0.005].map(|by| {
                    let mut moved = images.clone();
                    moved[pixel] += by;
                    dot(&along, &host.gradient(&global, &moved, &labels))
                });
                let due = (above - below) / 0.01;
                assert!((f64::from(*got) - due).abs() < 2e-3 * f64::from(far), "{activation}: {got} {due}");
            }
            let [above, below] = [0.005, -0.005].map(|by| {
                let moved: Vec<f32> =
                    global.iter().zip(&along).map(|(weight, along)| weight + by * along).collect();
                host.trace(&moved, &images, &labels).values.pop().unwrap()
            });
            for ((got, above), below) in of_logits.iter().zip(above).zip(below) {
                let due = f64::from(above - below) / 0.01;
                assert!((got - due).abs() < 1e-2 * (1.0 + due.abs()), "{activation}: {got} {due}");
            }
        }
    }
}
