//! Codecs: weights to messages and back, with what each side keeps from round to round.

use crate::classifier::Classifier;
use crate::codec_state::{CodecNotes, WeightsKind};
use crate::data::{check, dataset};
use crate::device::{self, Device};
use crate::errors::{detached, kind, raise, value};
use crate::observer::Told;
use crate::process::OfProcess;
use crate::{arrays, codec_text, convert};
use fedfunnel::autoencoder::{AutoencoderSettings, LINEAR};
use fedfunnel::bytes::Reader;
use fedfunnel::codec::{
    CodecState, Context, ExpectedLogs, Kept, Learned, LocalData, Message, MessageKind, MessageView, Pipeline,
    Round, SetupJob, Setups, Side, Stages, Values,
};
use fedfunnel::data::{Dataset, derive_seed, epoch_order};
use fedfunnel::gpu::Gpu;
use fedfunnel::model::{ClassifierSpec, Layout, ModelSpec, Optimizer};
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use fedfunnel::training::{Inputs, Snapshots};
use fedfunnel::{Error, Result};
use numpy::{IntoPyArray, PyArray1, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyType};
use std::cell::RefCell;
use std::path::Path;

/// What an autoencoder is trained by, where nothing is said.
const EPOCHS: usize = 300;
const RATE: f32 = 3e-3;

/// What a side's state is called in errors.
const STATE: &str = "the codec's state";

/// How updates cross the wire: one side encodes weights, the other decodes them.
///
/// Codec("delta+feedback+topk(0.01)", parameters=15910)
/// Codec("prior+autoencoder(32)+f16", model="mnist-mlp")
///
/// text          stages in a line, as `fedfunnel codecs` lists them; a number by itself in a stage's brackets is the
///               option that decides its bytes
/// parameters    how many weights there are, or else
/// model         what they are of, for stages that look at tensors: a Classifier, what makes one, or a PyTorch
///               `state_dict` (a dict of tensors or arrays)
/// seed          of stages that draw numbers; the same on both sides
/// collaborator  whose updates it encodes
/// autoencoder   the table `autoencoder` of a spec, as a dict
/// checksum      messages end with a CRC-32C
///
/// One object can be both sides. What it encodes are whole messages of fedfunnel's federations: three bytes of header
/// (kind, round, collaborator), or a few more, and the payload. A call that fails changes nothing.
#[pyclass(module = "fedfunnel")]
pub struct Codec(OfProcess<Held>);

struct Held {
    gpu: Gpu,
    notes: CodecNotes,
    pipeline: Pipeline,
    layout: Layout,
    /// What the collaborator keeps.
    sent: CodecState,
    /// What the aggregator keeps, of each.
    received: CodecState,
}

/// What a code is tuned on.
struct Local<'a> {
    spec: &'a ClassifierSpec,
    inputs: &'a Inputs,
    data: Dataset,
    batch: usize,
}

/// An error by the words of this module.
fn said(error: Error) -> Error {
    error.renamed(|field| match field.strip_prefix("codecs") {
        Some(rest) => format!("codec{rest}"),
        None => field,
    })
}

/// What a codec lacks that has not been set up.
fn lacking(error: Error) -> Error {
    match error {
        Error::Message { problem, .. } => Error::message(
            problem,
            "set it up first: setup(snapshots) where it encodes, and install of what that gives where it decodes",
        ),
        other => said(other),
    }
}

/// Refuses a message of another round or collaborator than is due.
fn expect(what: &str, due: Option<u32>, found: u32) -> Result<()> {
    match due {
        Some(due) if due != found => {
            let problem = format!("a message of {what} {found} came where one of {what} {due} is due");
            Err(Error::message(problem, "pass the message that is meant"))
        }
        _ => Ok(()),
    }
}

impl Held {
    fn new(gpu: Gpu, notes: CodecNotes) -> Result<Self> {
        let layout = notes.weights.layout();
        let context = Context { layout: &layout, seed: notes.seed, autoencoder: Some(&notes.autoencoder) };
        let pipeline = Stages::default().pipeline(&notes.codec, &context).map_err(said)?;
        for (problem, is_so) in [
            ("is made by the aggregator, of what all collaborators ship", pipeline.is_shared()),
            ("is told from the sum of all messages of a round", pipeline.is_joint()),
            ("ships more as rounds go on", pipeline.refreshes()),
        ] {
            if is_so {
                let problem = format!("{} {problem}", pipeline.label());
                return Err(Error::setting("codec", problem, "use it with simulate, or another one here"));
            }
        }
        let state =
            |side| CodecState::new(Path::new(STATE), side, &notes.codec, layout.parameters(), notes.seed);
        let (sent, received) = (state(Side::Collaborators), state(Side::Aggregator));
        Ok(Self { gpu, pipeline, layout, sent, received, notes })
    }

    /// Learns from snapshots, and gives the message that sets the other side up.
    fn setup(&mut self, log: Snapshots, observer: &mut Told) -> Result<Vec<u8>> {
        let (pipeline, who) = (&self.pipeline, self.notes.collaborator);
        if !pipeline.learns() {
            let problem = format!("{} learns nothing from snapshots", pipeline.label());
            return Err(Error::setting("codec", problem, "leave setup out"));
        }
        let expected = ExpectedLogs { collaborators: 1, snapshots: log.len(), together: 1 };
        pipeline.check_room(&self.gpu, expected).map_err(said)?;
        // What learning leaves on its way is of no use afterwards.
        let folder = tempfile::tempdir().map_err(Error::io("create a folder in", std::env::temp_dir()))?;
        let identity = Identity::new("setup", &self.notes.codec.to_text());
        let folder = RunFolder::open(folder.path(), identity, Start::New)?;
        let place = Place { gpu: Some(&self.gpu), data_dir: None, folder, command: "fedfunnel" };
        let mut kept = Kept::default();
        let mut shipped = pipeline
            .setup(&mut SetupJob {
                run: &mut Run::open(place, observer)?,
                name: "learning",
                gpu: &self.gpu,
                ids: &[who],
                logs: &[log],
                kept: vec![&mut kept],
                learned: &mut Learned::default(),
                setups: &mut Setups::default(),
            })
            .map_err(said)?;
        let payload = shipped.swap_remove(0);
        let message = Message { kind: MessageKind::Setup, round: 0, collaborator: who, payload };
        // Rounds begin anew.
        self.sent.forget(who);
        *self.sent.of_mut(who, 0) = kept;
        Ok(message.to_bytes(self.notes.checksum))
    }

    /// Keeps what a collaborator has shipped.
    fn install(&mut self, bytes: &[u8], due: Option<u32>) -> Result<u32> {
        let message = Message::from_bytes(bytes, self.notes.checksum)?;
        expect("collaborator", due, message.collaborator)?;
        if message.kind != MessageKind::Setup {
            let problem = format!("it is a message of the kind {}", message.kind.name());
            return Err(Error::message(problem, "pass what setup gave"));
        }
        let (who, mut kept) = (message.collaborator, Kept::default());
        self.pipeline.install(&message.payload, &mut kept).map_err(said)?;
        self.received.forget(who);
        *self.received.of_mut(who, message.round) = kept;
        Ok(who)
    }

    fn encode(
        &mut self,
        weights: Vec<f32>,
        global: &[f32],
        round: Option<u32>,
        local: Option<Local<'_>>,
    ) -> Result<Message> {
        let (pipeline, who, seed) = (&self.pipeline, self.notes.collaborator, u64::from(self.notes.seed));
        let last = self.sent.last_round(who);
        let round = round.unwrap_or(last.saturating_add(1));
        if round <= last {
            let problem = format!("round {round} is not after round {last}, which has been encoded");
            return Err(Error::setting("round", problem, format!("use {} or more", last + 1)));
        }
        if pipeline.epochs() > 0 && local.is_none() {
            let problem = "tune trains codes on the collaborator's own images, and there are none";
            return Err(Error::setting(
                "codec",
                problem,
                "pass classifier, images and labels, or leave tune out",
            ));
        }
        let mut kept = self.sent.of(who).clone();
        pipeline.check_senders(Some(weights.len()), &[&kept]).map_err(lacking)?;
        let seen = local
            .map(|local| {
                let images = local.inputs.upload(&self.gpu, &local.data)?;
                Ok::<_, Error>((local, images))
            })
            .transpose()?;
        let count = seen.as_ref().map_or(0, |(local, _)| local.data.len());
        let order = |who: u32, epoch: u64| epoch_order(count, derive_seed(seed, u64::from(who)), epoch, true);
        let mut quiet = |_| ();
        let local = seen.as_ref().map(|(local, images)| LocalData {
            spec: local.spec,
            images,
            batch: local.batch.clamp(1, count),
            largest_share: count,
            most_together: 1,
            order: &order,
            progress: RefCell::new(&mut quiet),
        });
        let view = Round { number: round, seed, global, gpu: &self.gpu, local: local.as_ref() };
        let sent = pipeline.send(&view, vec![(who, &mut kept, Values::Host(weights))]);
        let payload = sent.map_err(said)?.swap_remove(0);
        let message = Message { kind: MessageKind::Update, round, collaborator: who, payload };
        *self.sent.of_mut(who, round) = kept;
        Ok(message)
    }

    /// The weights that arrive; none where the collaborator left itself out.
    fn decode(&mut self, bytes: &[u8], global: &[f32], due: [Option<u32>; 2]) -> Result<Option<Vec<f32>>> {
        let pipeline = &self.pipeline;
        let message = MessageView::of(bytes, self.notes.checksum)?;
        let MessageView { kind, round, collaborator: who, payload } = message;
        if kind != MessageKind::Update || round == 0 {
            let problem = format!("it is a message of the kind {} of round {round}", kind.name());
            return Err(Error::message(problem, "pass what encode gave, and to install what setup gave"));
        }
        expect("round", due[0], round)?;
        expect("collaborator", due[1], who)?;
        let last = self.received.last_round(who);
        if pipeline.keeps_arrivals() && round <= last {
            let problem = format!("round {last} of collaborator {who} has been decoded before this message");
            return Err(Error::message(
                problem,
                "decode the messages of a collaborator in their order, once",
            ));
        }
        let kept = self.received.of(who);
        pipeline.check_receivers(Some(global.len()), &[kept]).map_err(lacking)?;
        let seed = self.notes.seed.into();
        let view = Round { number: round, seed, global, gpu: &self.gpu, local: None };
        let received = pipeline.take_in_from(&view, vec![(who, kept, Reader::new(payload, "an update"))]);
        let mut received = received.map_err(said)?.swap_remove(0);
        let values = received.values.take(&self.gpu)?;
        if pipeline.keeps_arrivals() {
            self.received.of_mut(who, round).merge(received.news);
        }
        Ok((!received.is_left_out).then_some(values))
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        self.notes.to_bytes([&self.sent.to_bytes()?, &self.received.to_bytes()?])
    }

    fn from_bytes(gpu: Gpu, bytes: &[u8]) -> Result<Self> {
        let (notes, [sent, received]) = CodecNotes::from_bytes(bytes)?;
        let new = Self::new(gpu, notes)?;
        Ok(Self { sent: new.sent.filled(sent)?, received: new.received.filled(received)?, ..new })
    }
}

/// The bytes of a message; the payload is copied once.
fn written<'py>(py: Python<'py>, message: &Message, checksum: bool) -> PyResult<Bound<'py, PyBytes>> {
    if checksum {
        return Ok(PyBytes::new(py, &message.to_bytes(true)));
    }
    let head = message.head(false);
    PyBytes::new_with(py, head.len() + message.payload.len(), |bytes| {
        let (first, rest) = bytes.split_at_mut(head.len());
        first.copy_from_slice(&head);
        rest.copy_from_slice(&message.payload);
        Ok(())
    })
}

/// What weights a codec is for, as it was given.
fn weights_kind(parameters: Option<usize>, model: Option<&Bound<'_, PyAny>>) -> PyResult<WeightsKind> {
    let model = match (parameters, model) {
        (Some(0), None) => return Err(value("parameters", "0 of them", "use 1 or more")),
        (Some(parameters), None) => return Ok(WeightsKind::Flat(parameters)),
        (None, Some(model)) => model,
        _ => return Err(value("parameters", "either these or a model are due", "pass one of the two")),
    };
    if let Ok(classifier) = model.cast::<Classifier>() {
        return Ok(WeightsKind::Classifier(classifier.borrow().held()?.spec.clone()));
    }
    if let Ok(state) = model.cast::<PyDict>()
        && !state.contains("layers")?
    {
        let tensors = state.iter().map(|(name, tensor)| {
            let shape = tensor.getattr("shape").and_then(|shape| shape.extract::<Vec<usize>>());
            let shape = shape.map_err(|_| {
                let problem = format!("what is called {name} is no tensor");
                kind("model", problem, "pass a state_dict, or a spec with layers")
            })?;
            Ok((name.extract::<String>()?, shape))
        });
        let kind = WeightsKind::Tensors(tensors.collect::<PyResult<_>>()?);
        if kind.layout().parameters() == 0 {
            return Err(value("model", "it has no weights", "pass a state_dict with tensors"));
        }
        return Ok(kind);
    }
    Ok(WeightsKind::Classifier(crate::classifier::spec_of(model)?))
}

/// The table `autoencoder`, with what is not said as it usually is.
fn autoencoder(given: Option<&Bound<'_, PyDict>>, weights: &WeightsKind) -> PyResult<AutoencoderSettings> {
    let parameters = weights.layout().parameters();
    let usual = AutoencoderSettings {
        model: LINEAR.into(),
        epochs: EPOCHS,
        optimizer: Optimizer { lr: RATE, ..Optimizer::default() },
        ..AutoencoderSettings::default()
    };
    let Some(given) = given else { return Ok(usual) };
    let text = fedfunnel::settings::to_toml(&usual).map_err(raise)?;
    let mut table: toml::Table = text.parse().map_err(|e| value("autoencoder", e, "correct it"))?;
    fedfunnel::settings::merge(&mut table, convert::table("autoencoder", given)?);
    let settings: AutoencoderSettings = table.try_into().map_err(|e: toml::de::Error| {
        value("autoencoder", e.message().trim().replace('\n', " "), "correct it, or leave it out")
    })?;
    settings.check().map_err(raise)?;
    if settings.model != LINEAR {
        ModelSpec::load(&settings.model)
            .and_then(ModelSpec::autoencoder)
            .and_then(|spec| spec.expect_inputs("autoencoder.model", parameters))
            .map_err(raise)?;
    }
    Ok(settings)
}

#[pymethods]
impl Codec {
    #[new]
    #[pyo3(signature = (text, parameters = None, model = None, *, device = None, seed = 0, collaborator = 0,
        autoencoder = None, checksum = false))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword")]
    fn new(
        py: Python<'_>,
        text: &str,
        parameters: Option<usize>,
        model: Option<&Bound<'_, PyAny>>,
        device: Option<&Bound<'_, Device>>,
        seed: u32,
        collaborator: u32,
        autoencoder: Option<&Bound<'_, PyDict>>,
        checksum: bool,
    ) -> PyResult<Self> {
        let codec = codec_text::pipeline(text).map_err(raise)?;
        let weights = weights_kind(parameters, model)?;
        let autoencoder = self::autoencoder(autoencoder, &weights)?;
        let notes = CodecNotes { codec, weights, autoencoder, seed, collaborator, checksum };
        let gpu = device::of(py, device)?;
        Ok(Self(OfProcess::new(detached(py, || Held::new(gpu, notes))?)))
    }

    /// Learns from snapshots (float32 [S, P], of one training in the order of time) and gives the message that sets the
    /// other side up. Only where `learns`.
    #[pyo3(signature = (snapshots, progress = None))]
    fn setup<'py>(
        &mut self,
        py: Python<'py>,
        snapshots: &Bound<'py, PyAny>,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let held = self.0.get_mut()?;
        let rows = arrays::matrix("snapshots", snapshots)?;
        let parameters = held.layout.parameters();
        let [count, width] = [rows.shape()[0], rows.shape()[1]];
        if count < 2 {
            return Err(value("snapshots", format!("{count} of them"), "pass two or more"));
        }
        arrays::expect_length("snapshots", width, parameters)?;
        let mut log = Snapshots::new("the model");
        for (row, step) in rows.as_slice()?.chunks_exact(width).zip(1..) {
            if let Some(value) = row.iter().find(|value| !value.is_finite()) {
                let problem = format!("row {} has a value of {value}", step - 1);
                return Err(crate::errors::value("snapshots", problem, "train again with a smaller rate"));
            }
            log.push(row.to_vec(), step, step);
        }
        let mut observer = Told::new(progress);
        let message = detached(py, || held.setup(log, &mut observer))?;
        Ok(PyBytes::new(py, &message))
    }

    /// Keeps what a collaborator's `setup` gave, where its updates are decoded; gives the collaborator's number. With
    /// `collaborator`, a message of another one is refused.
    #[pyo3(signature = (message, *, collaborator = None))]
    fn install(&mut self, py: Python<'_>, message: &[u8], collaborator: Option<u32>) -> PyResult<u32> {
        let held = self.0.get_mut()?;
        detached(py, || held.install(message, collaborator))
    }

    /// The message of weights (float32 [P]), in a round that began with the model `global_` (float32 [P], not changed
    /// meanwhile).
    ///
    /// round       the one after the last, where it is left out
    /// classifier, images, labels, batch  what codes are tuned on, where the codec has `tune`
    #[pyo3(signature = (weights, global_, *, round = None, classifier = None, images = None, labels = None,
        batch = 64))]
    #[expect(clippy::too_many_arguments, reason = "each is a keyword")]
    fn encode<'py>(
        &mut self,
        py: Python<'py>,
        weights: &Bound<'py, PyAny>,
        global_: &Bound<'py, PyAny>,
        round: Option<u32>,
        classifier: Option<&Bound<'py, Classifier>>,
        images: Option<&Bound<'py, PyAny>>,
        labels: Option<&Bound<'py, PyAny>>,
        batch: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let held = self.0.get_mut()?;
        let parameters = held.layout.parameters();
        let weights = arrays::weights("weights", weights, parameters)?.as_slice()?.to_vec();
        let global = arrays::weights("global_", global_, parameters)?;
        let global = global.as_slice()?;
        let classifier = classifier.map(|classifier| classifier.borrow());
        let local = match (&classifier, images, labels) {
            (None, None, None) => None,
            (Some(classifier), Some(images), Some(labels)) => {
                let trained = classifier.held()?;
                arrays::expect_length("classifier", trained.layout.parameters(), parameters)?;
                let data = dataset(images, labels, 1)?;
                check(&trained.spec, &data)?;
                Some(Local { spec: &trained.spec, inputs: &trained.inputs, data, batch })
            }
            _ => {
                return Err(value(
                    "images",
                    "codes are tuned on images, by a classifier",
                    "pass classifier, images and labels, or none of them",
                ));
            }
        };
        let message = detached(py, || held.encode(weights, global, round, local))?;
        written(py, &message, held.notes.checksum)
    }

    /// The weights (float32 [P]) that a message of `encode` says, in a round that began with the model `global_`; None
    /// where the collaborator left its update out of the round. With `round` or `collaborator`, a message of another one
    /// is refused.
    #[pyo3(signature = (message, global_, *, round = None, collaborator = None))]
    fn decode<'py>(
        &mut self,
        py: Python<'py>,
        message: &[u8],
        global_: &Bound<'py, PyAny>,
        round: Option<u32>,
        collaborator: Option<u32>,
    ) -> PyResult<Option<Bound<'py, PyArray1<f32>>>> {
        let held = self.0.get_mut()?;
        let global = arrays::weights("global_", global_, held.layout.parameters())?;
        let global = global.as_slice()?;
        let weights = detached(py, || held.decode(message, global, [round, collaborator]))?;
        Ok(weights.map(|weights| weights.into_pyarray(py)))
    }

    /// The codec with all that it keeps, as bytes: every message of Flower is a new process.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let held = self.0.get()?;
        Ok(PyBytes::new(py, &detached(py, || held.to_bytes())?))
    }

    /// The codec whose `to_bytes` gave this.
    #[classmethod]
    #[pyo3(signature = (state, device = None))]
    fn from_bytes(
        _: &Bound<'_, PyType>,
        py: Python<'_>,
        state: &[u8],
        device: Option<&Bound<'_, Device>>,
    ) -> PyResult<Self> {
        let gpu = device::of(py, device)?;
        Ok(Self(OfProcess::new(detached(py, || Held::from_bytes(gpu, state))?)))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let state = slf.borrow().to_bytes(slf.py())?;
        Ok((slf.get_type().getattr("from_bytes")?, (state,)))
    }

    /// Its name in ledgers and tables.
    #[getter]
    fn label(&self) -> &str {
        self.0.on_host().pipeline.label()
    }

    /// Whether it learns from snapshots, and has to be set up.
    #[getter]
    fn learns(&self) -> bool {
        self.0.on_host().pipeline.learns()
    }

    /// P
    #[getter]
    fn parameters(&self) -> usize {
        self.0.on_host().layout.parameters()
    }

    /// Whose updates it encodes.
    #[getter]
    fn collaborator(&self) -> u32 {
        self.0.on_host().notes.collaborator
    }

    /// The last round that it has encoded; 0 before the first.
    #[getter]
    fn last_round(&self) -> u32 {
        let held = self.0.on_host();
        held.sent.last_round(held.notes.collaborator)
    }

    fn __repr__(&self) -> String {
        format!("Codec({:?}, parameters={})", self.label(), self.parameters())
    }
}
