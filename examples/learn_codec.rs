//! Learns a codec from logged weights, and sends weights through it as a collaborator and an aggregator would: with bytes
//! that could cross any wire.
//!
//!     cargo run --release --example learn_codec

#[path = "train.rs"]
#[allow(dead_code, reason = "an example of its own, of which this one takes the training")]
pub mod training;

use fedfunnel::codec::{
    Context, Kept, Learned, Message, MessageKind, PipelineSpec, Round, SetupJob, Setups, Stages, Values,
};
use fedfunnel::gpu::{Gpu, GpuOptions};
use fedfunnel::model::ModelSpec;
use fedfunnel::progress::Quiet;
use fedfunnel::run::{Identity, Place, Run, RunFolder, Start};
use fedfunnel::{Error, Result};

/// Principal axes of the snapshots, and projections on eight of them in two bytes each.
const CODEC: &str = "pca(floats=8)+f16";

/// The only collaborator here.
const WHO: u32 = 7;

fn main() -> Result<()> {
    let gpu = Gpu::open(&GpuOptions::default())?;
    let sent = send(&gpu)?;
    println!("{CODEC}: set up by {} bytes; an update takes {}", sent.setup_bytes, sent.update_bytes);
    println!("of the distance from the first snapshot {:.1} % arrived", 100.0 * sent.arrived);
    Ok(())
}

/// What crossed the wire, and what arrived of it.
pub struct Sent {
    /// Bytes of the message that ships what updates are decoded with.
    pub setup_bytes: usize,
    /// Bytes of an update's message.
    pub update_bytes: usize,
    /// Part of the distance from the first snapshot that arrives: 1 is all of it.
    pub arrived: f64,
}

/// Learns the codec from a training, and sends its last weights.
pub fn send(gpu: &Gpu) -> Result<Sent> {
    let session = training::train(gpu, 3)?;
    let (first, last) = {
        let rows = session.snapshots().rows();
        (rows[0].to_vec(), session.cohort().parameters()?.swap_remove(0))
    };
    let layout = ModelSpec::load("mnist-mlp")?.classifier()?.layout();
    let spec = PipelineSpec::from_text("codec", CODEC)?;
    let pipeline =
        Stages::default().pipeline(&spec, &Context { layout: &layout, seed: 0, autoencoder: None })?;

    // The collaborator learns, once, and ships what its updates are decoded with. Learning is a run, which could be
    // stopped and gone on with; here its folder is a temporary one.
    let folder = tempfile::tempdir().map_err(Error::io("create a folder in", std::env::temp_dir()))?;
    let folder = RunFolder::open(folder.path(), Identity::new("example", CODEC), Start::New)?;
    let place = Place { gpu: Some(gpu), data_dir: None, folder, command: "cargo run --example learn_codec" };
    let (mut observer, mut own) = (Quiet, Kept::default());
    let payload = pipeline
        .setup(&mut SetupJob {
            run: &mut Run::open(place, &mut observer)?,
            name: "learning",
            gpu,
            ids: &[WHO],
            logs: std::slice::from_ref(session.snapshots()),
            kept: vec![&mut own],
            learned: &mut Learned::default(),
            setups: &mut Setups::default(),
        })?
        .swap_remove(0);
    let setup = Message { kind: MessageKind::Setup, round: 0, collaborator: WHO, payload }.to_bytes(true);

    // The aggregator keeps it.
    let mut kept = Kept::default();
    pipeline.install(&Message::from_bytes(&setup, true)?.payload, &mut kept)?;

    // A round: the collaborator encodes, and the aggregator decodes. Both have the global model.
    let round = Round { number: 1, seed: 0, global: &first, gpu, local: None };
    let payload = pipeline.send(&round, vec![(WHO, &mut own, Values::Host(last.clone()))])?.swap_remove(0);
    let update = Message { kind: MessageKind::Update, round: 1, collaborator: WHO, payload }.to_bytes(true);
    let message = Message::from_bytes(&update, true)?;
    let arrived = pipeline.receive(&round, vec![(message.collaborator, &kept, &message.payload)])?;
    let arrived = arrived.into_iter().next().ok_or_else(|| Error::fault("no update arrived"))?.take(gpu)?;

    let distance =
        |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt();
    Ok(Sent {
        setup_bytes: setup.len(),
        update_bytes: update.len(),
        arrived: 1.0 - distance(&arrived, &last) / distance(&first, &last),
    })
}
