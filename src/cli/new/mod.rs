//! `fedfunnel new`

use super::options::DataDirOption;
use super::shell::quoted;
use super::stdout::say;
use clap::Args;
use fedfunnel::data::{self, DataPair};
use fedfunnel::model::ModelSpec;
use fedfunnel::{Error, files};
use std::path::{Path, PathBuf};

pub const EXAMPLES: &str = "Examples:
  fedfunnel new mine                          then: cd mine
  fedfunnel new mine --data cifar10-sample    for images of another size
  fedfunnel new mine --data ./images          for those of a folder

The folder gets a spec of a federation with a comment for each line, a classifier that fits the
data, an autoencoder that fits the classifier, and a README with the commands to run.";

/// The files, with places that are filled in.
const SIMULATION: &str = include_str!("simulation.toml");
const MODEL: &str = include_str!("model.toml");
const AUTOENCODER: &str = include_str!("autoencoder.toml");
const README: &str = include_str!("README.md");

/// Images of the first run, at most: it is to take seconds.
const IMAGES: usize = 2_000;
const TEST_IMAGES: usize = 500;
/// Units of the hidden layer, and floats of a code.
const HIDDEN: usize = 32;
const LATENT: usize = 16;

/// Arguments of `new`.
#[derive(Args, Debug)]
pub struct NewArgs {
    /// The folder; its name is the federation's
    #[arg(value_name = "NAME")]
    folder: PathBuf,
    /// The data set: a name of `fedfunnel data list`, or the path of one
    #[arg(long, default_value = "mnist-sample", value_name = "NAME|DIR")]
    data: String,
    #[command(flatten)]
    data_dir: DataDirOption,
}

/// Writes a folder to start from.
pub fn run(args: &NewArgs) -> anyhow::Result<()> {
    let folder = &args.folder;
    let name = name_of(folder)?;
    files::check_output_folder("NAME", folder)?;
    if std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        let problem = format!("there is something in {} already", folder.display());
        return Err(Error::setting("NAME", problem, "name another folder").into());
    }
    let images = data::load(&args.data, &args.data_dir.resolve()?)?;
    let data = seen_from_within(&args.data)?;
    for (file, text) in texts(&name, &data, &images)? {
        files::write_atomic(&folder.join(file), text.as_bytes())?;
    }
    let within = quoted(&folder.display().to_string());
    say(&format!("{}: simulation.toml, model.toml, autoencoder.toml, README.md", folder.display()))?;
    say(&format!("run it: cd {within} && fedfunnel simulate simulation.toml --out run"))
}

/// The last part of the folder's path.
fn name_of(folder: &Path) -> fedfunnel::Result<String> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| name.chars().all(|letter| !letter.is_control())).ok_or_else(|| {
        let problem = format!("{:?} has no name that a federation could have", folder.display().to_string());
        Error::setting("NAME", problem, "name a folder, such as mine")
    })
}

/// The data set as it is named in another folder: a path that begins here would lead elsewhere there.
fn seen_from_within(data: &str) -> fedfunnel::Result<String> {
    let path = Path::new(data);
    if data::source::known_names().contains(&data) || path.is_absolute() {
        return Ok(data.into());
    }
    let whole = path.canonicalize().map_err(Error::io("read", path))?;
    Ok(whole.display().to_string())
}

/// The files' names and texts.
fn texts(name: &str, data: &str, images: &DataPair) -> fedfunnel::Result<[(&'static str, String); 4]> {
    let shape = images.train.shape;
    let classes = images.train.classes.max(images.test.classes);
    let fill = |text: &str, places: &[(&str, String)]| {
        places
            .iter()
            .fold(text.to_string(), |text, (place, value)| text.replace(&format!("@{place}@"), value))
    };
    let toml_text = |text: &str| toml::Value::String(text.into()).to_string();
    let input = format!("[{}, {}, {}]", shape.channels, shape.height, shape.width);
    let model = fill(
        MODEL,
        &[
            ("INPUT", input),
            ("HIDDEN", HIDDEN.to_string()),
            ("CLASSES", classes.to_string()),
            ("NAME", toml_text(name)),
        ],
    );
    let parameters = ModelSpec::parse(&model, Path::new("model.toml"))?.classifier()?.parameters();
    let autoencoder = fill(
        AUTOENCODER,
        &[
            ("PARAMETERS", parameters.to_string()),
            ("LATENT", LATENT.to_string()),
            ("NAME", toml_text(&format!("{name}-autoencoder"))),
        ],
    );
    let simulation = fill(
        SIMULATION,
        &[
            ("IMAGES", images.train.len().min(IMAGES).to_string()),
            ("TEST_IMAGES", images.test.len().min(TEST_IMAGES).to_string()),
            ("DATA", toml_text(data)),
            ("NAME", toml_text(name)),
        ],
    );
    let readme = fill(README, &[("DATA", quoted(data)), ("TITLE", name.into())]);
    Ok([
        ("simulation.toml", simulation),
        ("model.toml", model),
        ("autoencoder.toml", autoencoder),
        ("README.md", readme),
    ])
}
