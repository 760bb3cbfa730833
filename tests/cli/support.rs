//! Running the program, reading what it wrote, and the files that several tests share.

use assert_cmd::Command;
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The program, deaf to settings of the one who runs the tests.
pub fn fedfunnel() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fedfunnel"));
    command.env_remove("FEDFUNNEL_DATA_DIR").env("RUST_BACKTRACE", "1");
    command.timeout(std::time::Duration::from_secs(100));
    command
}

/// What came of a command.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the program in `folder`.
pub fn run_in(folder: &Path, arguments: &[&str]) -> Ran {
    let output = fedfunnel().current_dir(folder).args(arguments).output().expect("the program starts");
    Ran {
        code: output.status.code().expect("no signal ended it"),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// As [`run_in`], for what has to succeed.
pub fn succeed_in(folder: &Path, arguments: &[&str]) -> Ran {
    let ran = run_in(folder, arguments);
    assert_eq!(ran.code, 0, "fedfunnel {}\n{}{}", arguments.join(" "), ran.stdout, ran.stderr);
    ran
}

/// The program as a command whose process can be stopped: whoever runs the tests may have told them to ignore Ctrl-C,
/// and a signal that is ignored at the start stays ignored.
#[cfg(unix)]
pub fn stoppable(folder: &Path, arguments: &[&str]) -> std::process::Command {
    use std::os::unix::process::CommandExt;
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("fedfunnel"));
    command.args(arguments).current_dir(folder).env_remove("FEDFUNNEL_DATA_DIR");
    // SAFETY: `signal` may be called between fork and exec, and nothing else is.
    unsafe {
        command.pre_exec(|| {
            libc::signal(libc::SIGINT, libc::SIG_DFL);
            Ok(())
        });
    }
    command
}

pub fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Files that tests share and only read.
pub struct Fixtures {
    pub folder: PathBuf,
}

impl Fixtures {
    /// Two epochs on the sample with a snapshot each, in `epochs/`.
    pub fn epochs(&self) -> PathBuf {
        self.folder.join("epochs")
    }

    /// A small data set of IDX files.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Snapshots of every tenth step of the small data set.
    pub fn snapshots(&self) -> PathBuf {
        self.folder.join("steps/snapshots.safetensors")
    }

    /// A model that was trained on the small data set.
    pub fn model(&self) -> PathBuf {
        self.folder.join("steps/model.safetensors")
    }

    /// An autoencoder of those snapshots with 4 floats.
    pub fn autoencoder(&self) -> PathBuf {
        self.folder.join("ae/autoencoder.safetensors")
    }
}

/// Prepares the shared files once.
pub fn fixtures() -> &'static Fixtures {
    static FIXTURES: OnceLock<Fixtures> = OnceLock::new();
    FIXTURES.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli");
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("a folder for shared files");
        write_data(&folder.join("data"), 320, 100);
        let run = |arguments: &str| succeed_in(&folder, &arguments.split_whitespace().collect::<Vec<_>>());
        run("train mnist-mlp --epochs 2 --snapshots epoch --out epochs -q");
        run("train mnist-mlp --data ./data --epochs 8 --batch 32 --snapshots 10 --out steps -q");
        run("autoencoder train --snapshots steps/snapshots.safetensors --model ae-mnist --latent 4 \
             --epochs 30 --eval-every 10 --hold-out 0 --out ae -q");
        Fixtures { folder }
    })
}

/// Writes a data set that can be learned: class c lights up the rows 2c and 2c + 1 of a 28 x 28 image.
pub fn write_data(folder: &Path, train: usize, test: usize) {
    std::fs::create_dir_all(folder).expect("a folder for data");
    for (prefix, count) in [("train", train), ("t10k", test)] {
        let labels: Vec<u8> = (0..count).map(|n| (n * 7 % 10) as u8).collect();
        let mut pixels = Vec::new();
        for (n, label) in labels.iter().enumerate() {
            for at in 0..28 * 28 {
                let lit = at / 56 == usize::from(*label);
                let noise = (n * 31 + at * 17) % 40;
                pixels.push((if lit { 200 } else { 20 } + noise) as u8);
            }
        }
        write_idx(&folder.join(format!("{prefix}-images-idx3-ubyte")), &[count as u32, 28, 28], &pixels);
        write_idx(&folder.join(format!("{prefix}-labels-idx1-ubyte")), &[count as u32], &labels);
    }
}

pub fn write_idx(path: &Path, axes: &[u32], payload: &[u8]) {
    let mut bytes = vec![0, 0, 8, axes.len() as u8];
    axes.iter().for_each(|length| bytes.extend(length.to_be_bytes()));
    bytes.extend(payload);
    std::fs::write(path, bytes).expect("an IDX file");
}

/// A safetensors file as tests look at it.
pub struct Tensors {
    pub metadata: HashMap<String, String>,
    pub tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
}

pub fn read_tensors(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
    let file = SafeTensors::deserialize(&bytes).expect("a whole file");
    let tensors = file.tensors().into_iter().map(|(name, tensor)| {
        assert_eq!(tensor.dtype(), safetensors::Dtype::F32, "{name}");
        let floats = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        (name, (tensor.shape().to_vec(), floats.collect()))
    });
    Tensors { metadata: header.metadata().clone().unwrap_or_default(), tensors: tensors.collect() }
}

impl Tensors {
    /// The values of these tensors, one after the other.
    pub fn flat(&self, names: &[&str]) -> Vec<f32> {
        names.iter().flat_map(|name| self.tensors[*name].1.iter().copied()).collect()
    }
}

pub fn write_tensors(path: &Path, tensors: &[(&str, &[usize], &[f32])], metadata: &[(&str, &str)]) {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), bytes);
        (*name, view.expect("a tensor"))
    });
    let metadata = metadata.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    std::fs::write(path, safetensors::serialize(views, Some(metadata)).expect("a file")).expect("written");
}

/// Writes a small classifier of colour images, an autoencoder of its 30,730 weights, and `colour.toml`: a
/// federation of two that learn from few of the built-in images.
pub fn small_colour_models(folder: &Path) {
    let flat = "name = \"flat\"\nkind = \"classifier\"\ninput = [3, 32, 32]\n\n[[layers]]\nkind = \"flatten\"\n\n\
                [[layers]]\nkind = \"dense\"\noutputs = 10\n";
    let autoencoder = "name = \"ae-flat\"\nkind = \"autoencoder\"\nwidths = [30730, 16, 30730]\n";
    let federation = "name = \"colour\"\ndata = \"cifar10-sample\"\nimages = 120\ntest_images = 60\nmodel = \"flat.toml\"\n\
                      collaborators = 2\nrounds = 2\nbatch = 20\n\n[prepass]\nepochs = 4\nsnapshot_every = \"epoch\"\n\n\
                      [autoencoder]\nmodel = \"ae-flat.toml\"\nepochs = 20\n";
    for (name, text) in [("flat.toml", flat), ("ae-flat.toml", autoencoder), ("colour.toml", federation)] {
        std::fs::write(folder.join(name), text).expect("a spec");
    }
}

/// A value without what depends on the clock or on where it was written.
pub fn timeless(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.retain(|key, _| key != "seconds" && key != "reproduce");
            fields.iter_mut().for_each(|(_, inner)| *inner = timeless(inner.take()));
        }
        Value::Array(items) => {
            items.retain(|item| item.get(0).is_none_or(|name| name != "Wall time"));
            items.iter_mut().for_each(|inner| *inner = timeless(inner.take()));
        }
        _ => {}
    }
    value
}

/// The objects of a file of JSON lines, or of a program's output.
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

pub fn read_json_lines(path: &Path) -> Vec<Value> {
    json_lines(&std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// The keys of an object in their order.
pub fn keys(object: &Value) -> Vec<&str> {
    object.as_object().expect("an object").keys().map(String::as_str).collect()
}

pub fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key} is no number in {object}"))
}

pub fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
