//! Every kind of bad input: one sentence that names what is wrong and the mend, the right exit code, and
//! nothing left behind.

use crate::support::*;
use std::path::Path;

/// A command that has to be refused. `{f}` is the folder of the shared files, `{b}` that of bad ones.
struct Case {
    arguments: &'static str,
    code: i32,
    words: &'static [&'static str],
}

const fn case(arguments: &'static str, code: i32, words: &'static [&'static str]) -> Case {
    Case { arguments, code, words }
}

/// Usage.
const USAGE: i32 = 2;
/// Files, the device.
const FAILURE: i32 = 1;

/// Runs the cases in a folder of bad files; each of them writes to `out`, which must not exist afterwards.
fn refuse(cases: &[Case]) {
    let folder = temporary();
    write_bad_files(folder.path());
    let shared = fixtures().folder.to_str().expect("UTF-8");
    for Case { arguments, code, words } in cases {
        let line = arguments.replace("{f}", shared);
        let ran = run_in(folder.path(), &line.split_whitespace().collect::<Vec<_>>());
        let context = format!("fedfunnel {line}\n{}{}", ran.stdout, ran.stderr);
        assert_eq!(ran.code, *code, "{context}");
        assert_eq!(ran.stdout, "", "{context}");
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.lines().count() == 1, "{context}");
        for word in *words {
            assert!(ran.stderr.contains(word), "{word:?} is not said: {context}");
        }
        for word in ["panicked", "RUST_BACKTRACE", "os error", "unwrap", "Some(", "Error {"] {
            assert!(!ran.stderr.contains(word), "{word:?} is said: {context}");
        }
        // A problem, and after it the mend.
        assert!(ran.stderr.contains("; "), "no mend: {context}");
        assert!(!folder.path().join("out").exists(), "something was left behind: {context}");
    }
}

fn write_bad_files(folder: &Path) {
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).expect("written");
    write("empty", b"");
    write("empty.toml", b"");
    write("empty.safetensors", b"");
    write("file", b"a file");
    write("latin1.toml", b"name = \"x\"\n# caf\xe9\n");
    write("syntax.toml", b"name = \"x\"\nkind = [\n");
    write("key.toml", b"name = \"x\"\nkind = \"autoencoder\"\nwidhts = [8, 2, 8]\n");
    write("kind.toml", b"name = \"x\"\nkind = \"clasifier\"\n");
    write("type.toml", b"name = \"x\"\nkind = \"autoencoder\"\nwidths = \"many\"\n");
    write("wide-latent.toml", b"name = \"x\"\nkind = \"autoencoder\"\nwidths = [8, 9, 8]\n");
    write("huge.toml", b"name = \"x\"\nkind = \"autoencoder\"\nwidths = [9999999999, 32, 9999999999]\n");
    write("uneven.toml", b"name = \"u\"\nkind = \"autoencoder\"\nwidths = [15910, 24, 4, 16, 15910]\n");
    let conv = "layers = [{ channels = 1, kernel = [1, 99], stride = [1, 99] }]\n";
    let head = "name = \"c\"\nkind = \"autoencoder\"\n";
    let sum = format!("{head}[conv]\ninputs = 15910\nsegments = [[20, 795]]\n{conv}");
    write("conv-sum.toml", sum.as_bytes());
    let both = format!("{head}widths = [15910, 4, 15910]\n[conv]\ninputs = 15910\n{conv}");
    write("conv-both.toml", both.as_bytes());
    write("small-ae.toml", b"name = \"small-ae\"\nkind = \"autoencoder\"\nwidths = [100, 2, 100]\n");
    let classifier = |name: &str, hidden: usize, input: &str, outputs: usize| {
        format!(
            "name = \"{name}\"\nkind = \"classifier\"\ninput = {input}\n\
             [[layers]]\nkind = \"dense\"\noutputs = {hidden}\nactivation = \"relu\"\n\
             [[layers]]\nkind = \"dense\"\noutputs = {outputs}\n"
        )
    };
    write("broad.toml", classifier("broad", 20_000, "[1, 28, 28]", 10).as_bytes());
    write("other.toml", classifier("other", 21, "[1, 28, 28]", 10).as_bytes());
    write("colour.toml", classifier("colour", 20, "[3, 32, 32]", 10).as_bytes());
    write("few.toml", classifier("few", 20, "[1, 28, 28]", 4).as_bytes());
    write(
        "layer.toml",
        classifier("layer", 20, "[1, 28, 28]", 10).replace("\"dense\"", "\"dens\"").as_bytes(),
    );
    let dense = classifier("kernel", 20, "[1, 28, 28]", 10);
    let conv = "[[layers]]\nkind = \"conv\"\noutputs = 2\nkernel = 29\npadding = \"valid\"\n[[layers]]";
    write("kernel.toml", dense.replacen("[[layers]]", conv, 1).as_bytes());
    let demo = include_str!("../../models/experiments/demo.toml");
    write("sim.toml", demo.replace("local_epochs", "local_epocs").as_bytes());
    write("sim-width.toml", demo.replace("\"ae-mnist\"", "\"small-ae.toml\"").as_bytes());

    // Tensor files.
    let model = std::fs::read(fixtures().model()).expect("a model");
    write("truncated.safetensors", &model[..model.len() / 2]);
    write("corrupt.safetensors", &[&model[..20], b"\x00\xff\x00\xff", &model[24..]].concat());
    write("claims-5gb.safetensors", &[&5_000_000_000u64.to_le_bytes()[..], b"{}"].concat());
    let header = br#"{"snapshots":{"dtype":"F32","shape":[78573,15910],"data_offsets":[0,5000385720]}}"#;
    write("claims-tensor.safetensors", &[&(header.len() as u64).to_le_bytes()[..], header].concat());
    let note = [("model", "mnist-mlp"), ("steps", "1,2"), ("epochs", "0,0")];
    let save = |name: &str, rows: &[f32], count: usize, width: usize| {
        write_tensors(&folder.join(name), &[("snapshots", &[count, width], rows)], &note);
    };
    let mut rows = vec![0.5; 2 * 15_910];
    save("alike.safetensors", &rows, 2, 15_910);
    save("single.safetensors", &rows[..15_910], 1, 15_910);
    save("none.safetensors", &[], 0, 15_910);
    write_tensors(&folder.join("notes.safetensors"), &[], &note);
    save("narrow.safetensors", &[0.1, 0.2, 0.3, 0.4], 2, 2);
    rows[77] = f32::NAN;
    save("nan.safetensors", &rows, 2, 15_910);
    write_tensors(&folder.join("unnamed.safetensors"), &[("snapshots", &[2, 2], &[0.1, 0.2, 0.3, 0.4])], &[]);
    write_tensors(&folder.join("flat.safetensors"), &[("snapshots", &[4], &[0.1, 0.2, 0.3, 0.4])], &note);
    let other = [("model", "mine"), ("steps", "1,2"), ("epochs", "0,0")];
    rows[77] = 0.7;
    write_tensors(&folder.join("mine.safetensors"), &[("snapshots", &[2, 15_910], &rows)], &other);
    let good = read_tensors(&fixtures().model());
    let tensors = |changed: &[f32]| {
        let mut all: Vec<_> =
            good.tensors.iter().map(|(n, (s, v))| (n.clone(), s.clone(), v.clone())).collect();
        let bias = all.iter_mut().find(|(name, ..)| name == "0.bias").expect("a bias");
        bias.2[..changed.len()].copy_from_slice(changed);
        all
    };
    let save = |name: &str, all: &[(String, Vec<usize>, Vec<f32>)]| {
        let all: Vec<_> = all.iter().map(|(n, s, v)| (n.as_str(), s.as_slice(), v.as_slice())).collect();
        write_tensors(&folder.join(name), &all, &[]);
    };
    save("model-inf.safetensors", &tensors(&[f32::INFINITY]));
    let mut more = tensors(&[]);
    more.push(("4.weight".into(), vec![1], vec![1.0]));
    save("model-more.safetensors", &more);
    let mut other = tensors(&[]);
    for (name, shape, values) in &mut other {
        if name == "0.bias" {
            (*shape, *values) = (vec![21], vec![0.0; 21]);
        }
    }
    save("model-shape.safetensors", &other);
    let autoencoder = std::fs::read(fixtures().autoencoder()).expect("an autoencoder");
    let widths = b"[15910, 4, 15910]";
    let at =
        autoencoder.windows(widths.len()).position(|part| part == widths).expect("the widths of its spec");
    let mut lying = autoencoder.clone();
    lying[at..at + widths.len()].copy_from_slice(b"[15910, 5, 15910]");
    write("ae-lying.safetensors", &lying);
    lying[at..at + widths.len()].copy_from_slice(b"[15910, 4, 15911]");
    write("ae-spec.safetensors", &lying);

    // Autoencoders in several files.
    let index = |name: &str, weight_map: &str| {
        write(&format!("{name}.index.json"), format!("{{\"weight_map\": {weight_map}}}").as_bytes());
    };
    index("ae-outside", "{\"encoder.0.weight\": \"../x.safetensors\"}");
    index("ae-absolute", "{\"encoder.0.weight\": \"/etc/passwd\"}");
    index("ae-backslash", "{\"encoder.0.weight\": \"..\\\\x\"}");
    index("ae-parent", "{\"encoder.0.weight\": \"..\"}");
    index("ae-nameless", "{\"encoder.0.weight\": \"\"}");
    index("ae-missing", "{\"encoder.0.weight\": \"gone.safetensors\"}");
    index("ae-none", "{}");
    index("ae-list", "[1]");
    write("ae-text.index.json", b"weight_map");
    // The right notes, and tensors that are not where the index says, or have no place in it.
    write("ae-whole.safetensors", &autoencoder);
    std::fs::copy(fixtures().model(), folder.join("mlp.safetensors")).expect("copied");
    let tensors = ["encoder.0.weight", "encoder.0.bias", "decoder.0.weight", "decoder.0.bias"];
    let map = |file: &dyn Fn(&str) -> Option<&'static str>| {
        let places = tensors.iter().filter_map(|name| Some(format!("\"{name}\": \"{}\"", file(name)?)));
        format!("{{{}}}", places.collect::<Vec<_>>().join(","))
    };
    index("ae-lacking", &map(&|name| (name != "decoder.0.weight").then_some("ae-whole.safetensors")));
    write_tensors(
        &folder.join("ae-part.safetensors"),
        &[("decoder.0.bias", &[1], &[0.5])],
        &read_tensors(&fixtures().autoencoder())
            .metadata
            .iter()
            .map(|(k, v)| (&**k, &**v))
            .collect::<Vec<_>>(),
    );
    let parts = |name: &str| {
        Some(if name == "decoder.0.weight" { "ae-part.safetensors" } else { "ae-whole.safetensors" })
    };
    index("ae-wrong", &map(&parts));
    let parts = |name: &str| {
        Some(if name == "decoder.0.bias" { "ae-part.safetensors" } else { "ae-whole.safetensors" })
    };
    index("ae-shape", &map(&parts));
    let parts =
        |name: &str| Some(if name == "decoder.0.bias" { "gone.safetensors" } else { "ae-whole.safetensors" });
    index("ae-gone", &map(&parts));
    let parts =
        |name: &str| Some(if name == "decoder.0.bias" { "mlp.safetensors" } else { "ae-whole.safetensors" });
    index("ae-mixed", &map(&parts));
    let mut unusable = autoencoder.clone();
    let last = unusable.len() - 4;
    unusable[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    write("ae-nan.safetensors", &unusable);

    // Data sets.
    let data = |name: &str| {
        let path = folder.join(name);
        write_data(&path, 20, 10);
        path
    };
    std::fs::create_dir(folder.join("data-none")).expect("a folder");
    data("named/mnist");
    let path = data("data-truncated");
    let images = path.join("train-images-idx3-ubyte");
    let bytes = std::fs::read(&images).expect("images");
    std::fs::write(&images, &bytes[..bytes.len() - 100]).expect("written");
    let path = data("data-swapped");
    std::fs::copy(path.join("t10k-labels-idx1-ubyte"), path.join("t10k-images-idx3-ubyte")).expect("copied");
    write_idx(&data("data-mismatch").join("train-labels-idx1-ubyte"), &[19], &[1; 19]);
    write_idx(&data("data-zero").join("t10k-labels-idx1-ubyte"), &[0], &[]);
    write_idx(&data("data-shape").join("t10k-images-idx3-ubyte"), &[10, 14, 56], &[0; 7840]);
    std::fs::write(data("data-empty").join("train-images-idx3-ubyte"), b"").expect("written");
    std::fs::write(data("data-png").join("train-images-idx3-ubyte"), b"\x89PNG\r\n\x1a\n and so on")
        .expect("written");
    let claims = [0, 0, 8, 3, 255, 255, 255, 255, 0, 0, 0, 28, 0, 0, 0, 28];
    std::fs::write(data("data-claims").join("train-images-idx3-ubyte"), claims).expect("written");
}

#[test]
fn numbers_that_cannot_work() {
    refuse(&[
        case("train mnist-mlp --out out --epochs 0", USAGE, &["--epochs", "1 or more"]),
        case("train mnist-mlp --out out --batch 0", USAGE, &["--batch", "1 or more"]),
        case("train mnist-mlp --out out --lr nan", USAGE, &["--lr", "NaN", "above 0"]),
        case("train mnist-mlp --out out --lr inf", USAGE, &["--lr", "inf", "above 0"]),
        case("train mnist-mlp --out out --lr -0.1", USAGE, &["--lr", "-0.1", "above 0"]),
        case("train mnist-mlp --out out --lr 0", USAGE, &["--lr", "above 0"]),
        case("train mnist-mlp --out out --lr fast", USAGE, &["--lr", "fast"]),
        case("train mnist-mlp --out out --optimizer sgd --momentum 1", USAGE, &["--momentum", "below 1"]),
        case("train mnist-mlp --out out --momentum -1", USAGE, &["--momentum", "-1"]),
        case("train mnist-mlp --out out --weight-decay -1", USAGE, &["--weight-decay", "0 or more"]),
        case(
            "train mnist-mlp --out out --snapshots 1000 --epochs 1",
            USAGE,
            &["--snapshots", "94", "--epochs"],
        ),
        case("train mnist-mlp --out out --snapshots often", USAGE, &["--snapshots", "often", "epoch"]),
        case("train mnist-mlp --out out --limit 0", USAGE, &["--limit", "1 or more"]),
        case("train mnist-mlp --out out --limit -1", USAGE, &["--limit", "-1"]),
        case("train mnist-mlp --out out --eval-every 0", USAGE, &["--eval-every", "1 or more"]),
        case("train mnist-mlp --out out --eval-every -1", USAGE, &["--eval-every", "-1"]),
        case("train mnist-mlp --out out --crop -1", USAGE, &["--crop", "-1"]),
        case("train mnist-mlp --out out --crop 29", USAGE, &["--crop", "29 pixels", "1x28x28", "such as 4"]),
        case("train mnist-mlp --out out --crop 4294967296", USAGE, &["--crop", "4294967296 pixels"]),
        case(
            "train mnist-mlp --out out --grayscale",
            USAGE,
            &["--grayscale: 1x28x28 images have no colours", "leave it out"],
        ),
        case(
            "train mnist-mlp --out out --limit 100 --epochs 1 --snapshots 3",
            USAGE,
            &["--snapshots", "2 steps"],
        ),
        case("train mnist-mlp --out out --max-binding-bytes 1000", USAGE, &["--max-binding-bytes", "65536"]),
        case("train mnist-mlp --out out --max-binding-bytes 65536", FAILURE, &["64", "smaller batch"]),
        case("train mnist-mlp --out out --batch 6000 --max-binding-bytes 65536", FAILURE, &["smaller batch"]),
        case(
            "train broad.toml --out out --batch 1 --max-binding-bytes 65536",
            FAILURE,
            &[
                "one row of 2.weight takes 160020 bytes with its biases, and one binding holds 65536",
                "use a narrower layer, or a larger --max-binding-bytes",
            ],
        ),
    ]);
}

#[test]
fn specs_that_cannot_be_read_or_built() {
    refuse(&[
        case("train nosuch.toml --out out", FAILURE, &["nosuch.toml", "no such file", "check the path"]),
        case("train data-none --out out", FAILURE, &["data-none", "it is a folder", "name a file"]),
        case("train mnist-mpl --out out", USAGE, &["mnist-mpl", "did you mean mnist-mlp?"]),
        case("train zebra --out out", USAGE, &["zebra", "mnist-mlp", ".toml"]),
        case("train ae-mnist --out out", USAGE, &["ae-mnist is an autoencoder", "mnist-mlp"]),
        case("train empty.toml --out out", USAGE, &["empty.toml", "add `kind`"]),
        case("train latin1.toml --out out", USAGE, &["latin1.toml", "line 2", "UTF-8"]),
        case("train syntax.toml --out out", USAGE, &["syntax.toml", "line"]),
        case(
            "train kernel.toml --out out",
            USAGE,
            &["kernel.toml: layers[0].kernel: a kernel of 29 does not fit"],
        ),
        case("train key.toml --out out", USAGE, &["key.toml (line 3)", "widhts", "did you mean `widths`?"]),
        case("train kind.toml --out out", USAGE, &["kind.toml", "clasifier", "did you mean `classifier`?"]),
        case("train layer.toml --out out", USAGE, &["layer.toml", "dens", "did you mean `dense`?"]),
        case("train type.toml --out out", USAGE, &["type.toml", "many"]),
        case(
            "train wide-latent.toml --out out",
            USAGE,
            &["wide-latent.toml", "latent of 8", "smaller latent"],
        ),
        case("train huge.toml --out out", USAGE, &["huge.toml", "widths", "smaller"]),
        case("train colour.toml --out out", USAGE, &["--data", "mnist-sample", "3x32x32", "1x28x28"]),
        case(
            "train cifar10-vgg3 --out out --data mnist-sample",
            USAGE,
            &["--data", "mnist-sample has 1x28x28 images", "cifar10-vgg3 takes 3x32x32 images"],
        ),
        case("train mnist-mlp --out out --data cifar10-sample", USAGE, &["--data", "3x32x32", "1x28x28"]),
        case("train few.toml --out out", USAGE, &["--data", "10 classes", "of 4"]),
    ]);
}

#[test]
fn data_that_are_damaged_or_not_there() {
    refuse(&[
        case("train mnist-mlp --out out --data mnits", USAGE, &["mnits", "did you mean \"mnist\"?"]),
        case("train mnist-mlp --out out --data ./nowhere", USAGE, &["./nowhere", "no such folder", "IDX"]),
        case("train mnist-mlp --out out --data file", USAGE, &["file", "folder", "IDX"]),
        case(
            "train mnist-mlp --out out --data data-none",
            FAILURE,
            &["data-none", "holds no images", "IDX", "CIFAR-10"],
        ),
        case(
            "train mnist-mlp --out out --data mnist --data-dir named",
            FAILURE,
            &[
                "named/mnist/train-images-idx3-ubyte",
                "not what mnist has there",
                "data fetch mnist",
                "--data named/mnist",
            ],
        ),
        case(
            "train mnist-mlp --out out --data mnist --data-dir data-none",
            FAILURE,
            &["mnist", "fedfunnel data fetch mnist"],
        ),
        case(
            "train mnist-mlp --out out --data data-truncated",
            FAILURE,
            &["train-images-idx3-ubyte", "copy"],
        ),
        case("train mnist-mlp --out out --data data-swapped", FAILURE, &["t10k-images-idx3-ubyte", "labels"]),
        case(
            "train mnist-mlp --out out --data data-mismatch",
            FAILURE,
            &["train-labels-idx1-ubyte", "19 labels", "20 images"],
        ),
        case("train mnist-mlp --out out --data data-zero", FAILURE, &["t10k-labels-idx1-ubyte"]),
        case("train mnist-mlp --out out --data data-shape", FAILURE, &["t10k-images-idx3-ubyte", "1x14x56"]),
        case("train mnist-mlp --out out --data data-empty", FAILURE, &["train-images-idx3-ubyte"]),
        case("train mnist-mlp --out out --data data-png", FAILURE, &["train-images-idx3-ubyte"]),
        case("train mnist-mlp --out out --data data-claims", FAILURE, &["train-images-idx3-ubyte"]),
        case("data fetch mnits --dir out", USAGE, &["mnits", "mnist"]),
    ]);
}

#[test]
fn weights_that_do_not_fit() {
    refuse(&[
        case("train mnist-mlp --out out --init nosuch", FAILURE, &["nosuch", "no such file"]),
        case("train mnist-mlp --out out --init data-none", FAILURE, &["data-none", "it is a folder"]),
        case("train mnist-mlp --out out --init empty", FAILURE, &["empty", "no whole safetensors"]),
        case("train mnist-mlp --out out --init file", FAILURE, &["file", "no whole safetensors"]),
        case(
            "train mnist-mlp --out out --init truncated.safetensors",
            FAILURE,
            &["truncated.safetensors", "no whole safetensors", "write it again"],
        ),
        case("train mnist-mlp --out out --init corrupt.safetensors", FAILURE, &["corrupt.safetensors"]),
        case("train mnist-mlp --out out --init claims-5gb.safetensors", FAILURE, &["claims-5gb.safetensors"]),
        case("train mnist-mlp --out out --init claims-tensor.safetensors", FAILURE, &["claims-tensor"]),
        case(
            "train mnist-mlp --out out --init {f}/ae/autoencoder.safetensors",
            FAILURE,
            &["autoencoder.safetensors", "0.weight", "encoder.0.weight"],
        ),
        case(
            "train other.toml --out out --init {f}/steps/model.safetensors",
            FAILURE,
            &["model.safetensors", "0.weight", "[20, 784]", "[21, 784]", "same model"],
        ),
        case(
            "train mnist-mlp --out out --init model-shape.safetensors",
            FAILURE,
            &["0.bias", "[21]", "[20]"],
        ),
        case(
            "train mnist-mlp --out out --init notes.safetensors",
            FAILURE,
            &["notes.safetensors: it holds notes and no tensors", "0.weight"],
        ),
        case("train mnist-mlp --out out --init model-more.safetensors", FAILURE, &["4.weight", "mnist-mlp"]),
        case("train mnist-mlp --out out --init model-inf.safetensors", FAILURE, &["0.bias", "inf"]),
    ]);
}

#[test]
fn snapshots_that_cannot_be_learned_from() {
    refuse(&[
        case("autoencoder train --model ae-mnist --out out --snapshots nosuch", FAILURE, &["nosuch"]),
        case("autoencoder train --model ae-mnist --out out --snapshots empty", FAILURE, &["empty"]),
        case("autoencoder train --model ae-mnist --out out --snapshots data-none", FAILURE, &["a folder"]),
        case(
            "autoencoder train --model ae-mnist --out out --snapshots {f}/steps/model.safetensors",
            FAILURE,
            &["model.safetensors", "\"snapshots\""],
        ),
        case(
            "autoencoder train --model ae-mnist --out out --snapshots narrow.safetensors",
            FAILURE,
            &["narrow.safetensors", "`snapshots`", "15910", "same model"],
        ),
        case(
            "autoencoder train --model ae-mnist --out out --snapshots nan.safetensors",
            FAILURE,
            &["nan.safetensors", "\"snapshots\"", "NaN", "smaller rate"],
        ),
        case(
            "autoencoder train --model ae-mnist --out out --snapshots none.safetensors",
            FAILURE,
            &["none.safetensors", "0 snapshots"],
        ),
        case(
            "autoencoder train --model ae-mnist --out out --snapshots single.safetensors",
            FAILURE,
            &["single.safetensors", "single snapshot", "--snapshots"],
        ),
        case(
            "autoencoder train --model ae-mnist --out out --snapshots alike.safetensors",
            FAILURE,
            &["alike.safetensors", "the same"],
        ),
        case(
            "autoencoder train --model ae-mnist --out out --snapshots notes.safetensors",
            FAILURE,
            &["notes.safetensors: it holds notes and no tensors", "\"snapshots\""],
        ),
        case("autoencoder train --model ae-mnist --out out --snapshots flat.safetensors", FAILURE, &["[4]"]),
        case(
            "autoencoder train --model ae-mnist --out out --snapshots unnamed.safetensors",
            FAILURE,
            &["unnamed.safetensors", "model"],
        ),
        case(
            "autoencoder train --model ae-mnist --out out --snapshots claims-tensor.safetensors",
            FAILURE,
            &["claims-tensor.safetensors"],
        ),
    ]);
}

#[test]
fn autoencoder_arguments_that_cannot_work() {
    const S: &str = "--snapshots {f}/steps/snapshots.safetensors --out out";
    let train = |more: &str| -> &'static str { format!("autoencoder train {S} {more}").leak() };
    refuse(&[
        case(train("--model ae-mnist --latent -1"), USAGE, &["--latent", "-1"]),
        // Codes of seven snapshots are more than half a binding.
        case(
            train("--model ae-mnist --latent 1200 --max-binding-bytes 65536"),
            FAILURE,
            &["8 snapshots are too many", "log 6 or fewer", "--max-binding-bytes"],
        ),
        // Ends of different width are cut in different places.
        case(train("--model uneven.toml --max-binding-bytes 65536"), FAILURE, &["--max-binding-bytes"]),
        case(train("--model ae-mnist --latent 0"), USAGE, &["--latent", "use 1 to 15909"]),
        case(train("--model ae-mnist --latent 15910"), USAGE, &["--latent", "15910", "use 1 to 15909"]),
        case(train("--model ae-mnist --latent 99999999999"), USAGE, &["--latent", "use 1 to 15909"]),
        case(train("--model ae-mnist --epochs 0"), USAGE, &["--epochs", "1 or more"]),
        case(train("--model ae-mnist --batch 0"), USAGE, &["--batch", "1 or more"]),
        case(train("--model ae-mnist --eval-every 0"), USAGE, &["--eval-every", "1 or more"]),
        case(train("--model ae-mnist --max-file-bytes 0"), USAGE, &["--max-file-bytes", "1 or more"]),
        case(train("--model ae-mnist --checkpoint-every -1"), USAGE, &["--checkpoint-every", "-1"]),
        case(train("--model ae-mnist --hold-out 1"), USAGE, &["--hold-out", "larger"]),
        case(train("--model ae-mnist --lr nan"), USAGE, &["--lr", "above 0"]),
        case(train("--model mnist-mlp"), USAGE, &["mnist-mlp is a classifier", "ae-mnist, ae-cifar10"]),
        case(train("--model ae-mnist --hidden wide"), USAGE, &["--hidden", "\"wide\" is no width", "none"]),
        case(train("--model ae-mnist --hidden 64,,8"), USAGE, &["--hidden", "no width"]),
        case(train("--model ae-mnist --hidden -64"), USAGE, &["--hidden", "-64"]),
        case(train("--model ae-mnist --hidden 64,32"), USAGE, &["--hidden", "32", "--latent"]),
        case(train("--model ae-mnist --hidden 64 --latent 64"), USAGE, &["--hidden", "64", "--latent"]),
        case(train("--model ae-mnist --hidden 9999999999"), USAGE, &["--hidden", "smaller widths"]),
        case(train("--model ae-conv-mnist --hidden 64"), USAGE, &["--hidden", "convolutions"]),
        case(train("--model ae-conv-mnist --latent 32"), USAGE, &["--latent", "32 features", "use 1 to 31"]),
        case(train("--model ae-mnist --layer-rates 1e-3"), USAGE, &["--layer-rates", "1 rates for 2 layers"]),
        case(train("--model ae-mnist --layer-rates 1e-3,0"), USAGE, &["--layer-rates", "above 0"]),
        case(
            train("--model ae-mnist --layer-rates fast"),
            USAGE,
            &["--layer-rates", "\"fast\" is no number"],
        ),
        case(
            train("--model ae-mnist --layer-rates middle=1e-3"),
            USAGE,
            &["--layer-rates", "\"middle\"", "encoder.0., decoder.0."],
        ),
        case(train("--model conv-sum.toml"), USAGE, &["conv-sum.toml", "conv.segments", "15900", "15910"]),
        case(train("--model conv-both.toml"), USAGE, &["conv-both.toml", "widths", "conv"]),
        // Convolutions see a whole line at once.
        case(train("--model ae-conv-mnist --max-binding-bytes 65536"), FAILURE, &["--max-binding-bytes"]),
        case(train("--model small-ae.toml"), FAILURE, &["snapshots.safetensors", "small-ae", "100"]),
        case(train("--model wide-latent.toml"), USAGE, &["wide-latent.toml", "latent of 8"]),
    ]);
}

#[test]
fn evaluations_of_what_does_not_belong_together() {
    const E: &str = "autoencoder evaluate --data {f}/data --autoencoder";
    let evaluate = |more: &str| -> &'static str { format!("{E} {more}").leak() };
    const GOOD: &str = "{f}/ae/autoencoder.safetensors";
    const SNAPSHOTS: &str = "--snapshots {f}/steps/snapshots.safetensors";
    refuse(&[
        case(evaluate(&format!("nosuch {SNAPSHOTS}")), FAILURE, &["nosuch"]),
        case(evaluate(&format!("empty {SNAPSHOTS}")), FAILURE, &["empty"]),
        case(
            evaluate(&format!("{{f}}/steps/model.safetensors {SNAPSHOTS}")),
            FAILURE,
            &["model.safetensors", "no autoencoder", "autoencoder train"],
        ),
        case(
            evaluate(&format!("ae-lying.safetensors {SNAPSHOTS}")),
            FAILURE,
            &["encoder.0.weight", "[5, 15910]"],
        ),
        case(
            evaluate(&format!("ae-spec.safetensors {SNAPSHOTS}")),
            FAILURE,
            &["ae-spec.safetensors", "spec"],
        ),
        case(
            evaluate(&format!("data-none {SNAPSHOTS}")),
            FAILURE,
            &["data-none", "neither", "another folder"],
        ),
        case(
            evaluate(&format!("ae-nan.safetensors {SNAPSHOTS}")),
            FAILURE,
            &["ae-nan", "standard.scale", "NaN"],
        ),
        case(evaluate(&format!("{GOOD} --snapshots narrow.safetensors")), FAILURE, &["narrow", "15910"]),
        case(evaluate(&format!("{GOOD} --snapshots mine.safetensors")), USAGE, &["--model", "mine", "spec"]),
        case(
            evaluate(&format!("{GOOD} {SNAPSHOTS} --model other.toml")),
            USAGE,
            &["--model", "other", "15910"],
        ),
        case(evaluate(&format!("{GOOD} {SNAPSHOTS} --model ae-mnist")), USAGE, &["is an autoencoder"]),
    ]);
}

#[test]
fn indices_that_do_not_lead_to_an_autoencoder() {
    const SNAPSHOTS: &str = "--snapshots {f}/steps/snapshots.safetensors --data {f}/data";
    let refused = |index: &str, words| {
        let line = format!("autoencoder evaluate {SNAPSHOTS} --autoencoder {index}.index.json");
        case(line.leak(), FAILURE, words)
    };
    refuse(&[
        refused("nosuch", &["nosuch.index.json", "no such file"]),
        refused("ae-text", &["ae-text.index.json", "no index"]),
        refused("ae-list", &["ae-list.index.json", "no index"]),
        refused("ae-none", &["ae-none.index.json", "no tensors"]),
        refused("ae-outside", &["ae-outside.index.json", "../x.safetensors", "encoder.0.weight"]),
        refused("ae-absolute", &["/etc/passwd", "beside"]),
        refused("ae-backslash", &["ae-backslash", "beside"]),
        refused("ae-parent", &["\"..\"", "beside"]),
        refused("ae-nameless", &["\"\"", "beside"]),
        refused("ae-missing", &["gone.safetensors", "no such file"]),
        refused("ae-lacking", &["ae-lacking.index.json", "decoder.0.weight"]),
        refused("ae-wrong", &["ae-part.safetensors", "no tensor \"decoder.0.weight\""]),
        refused("ae-shape", &["ae-part.safetensors", "decoder.0.bias", "[1]", "[15910]"]),
        refused("ae-gone", &["gone.safetensors", "no such file"]),
        refused("ae-mixed", &["mlp.safetensors", "saved together"]),
    ]);
}

#[test]
fn simulations_that_cannot_be_run() {
    refuse(&[
        case("simulate dmeo --out out", USAGE, &["dmeo", "did you mean demo?"]),
        case("simulate nosuch.toml --out out", FAILURE, &["nosuch.toml"]),
        case(
            "simulate sim.toml --out out",
            USAGE,
            &["sim.toml (line 7)", "local_epocs", "did you mean `local_epochs`?"],
        ),
        case("simulate sim-width.toml --out out", USAGE, &["autoencoder.model", "100", "15910"]),
        case("simulate latin1.toml --out out", USAGE, &["latin1.toml", "UTF-8"]),
        case("simulate demo --out out --set rounds", USAGE, &["--set rounds", "key=value"]),
        case("simulate demo --out out --set =3", USAGE, &["--set =3", "key=value"]),
        case("simulate demo --out out --set ronds=3", USAGE, &["--set ronds=3", "did you mean `rounds`?"]),
        case("simulate demo --out out --set optimizer.rl=3", USAGE, &["--set optimizer.rl=3", "`lr`"]),
        case("simulate demo --out out --set rounds=many", USAGE, &["--set rounds=many", "u32"]),
        case("simulate demo --out out --set rounds=0", USAGE, &["rounds", "1 or more"]),
        case("simulate demo --out out --set batch=0", USAGE, &["batch", "1 or more"]),
        case("simulate demo --out out --set batch=-1", USAGE, &["--set batch=-1"]),
        case("simulate demo --out out --set optimizer.lr=nan", USAGE, &["optimizer.lr", "NaN"]),
        case(
            "simulate demo --out out --set autoencoder.optimizer.lr=-1",
            USAGE,
            &["autoencoder.optimizer.lr"],
        ),
        case(
            "simulate demo --out out --set autoencoder.latent=0",
            USAGE,
            &["autoencoder.latent", "1 to 15909"],
        ),
        case(
            "simulate demo --out out --set autoencoder.latent=20000",
            USAGE,
            &["autoencoder.latent", "15909"],
        ),
        case(
            "simulate demo --out out --set autoencoder.epochs=0",
            USAGE,
            &["autoencoder.epochs", "1 or more"],
        ),
        case("simulate demo --out out --set collaborators=0", USAGE, &["collaborators", "1 or more"]),
        case("simulate demo --out out --set collaborators=7000", USAGE, &["collaborators", "6000"]),
        case("simulate demo --out out --set partition.kind=diriclet", USAGE, &["diriclet", "`dirichlet`"]),
        case("simulate demo --out out --set partition.kind=dirichlet", USAGE, &["partition.kind", "`alpha`"]),
        case(
            "simulate demo --out out --set partition={kind=\"dirichlet\",alpha=-1}",
            USAGE,
            &["partition.alpha"],
        ),
        case(
            "simulate demo --out out --set partition={kind=\"shard\",shards_per_collaborator=0}",
            USAGE,
            &["shards_per_collaborator"],
        ),
        case(
            "simulate demo --out out --set partition={kind=\"pathological\",classes_per_collaborator=11}",
            USAGE,
            &["classes_per_collaborator"],
        ),
        case("simulate demo --out out --set model=mnist-mpl", USAGE, &["mnist-mpl", "mnist-mlp"]),
        case("simulate demo --out out --set data=mnits", USAGE, &["mnits", "mnist"]),
        case("simulate demo --out out --set prepass.snapshot_every=0", USAGE, &["prepass.snapshot_every=0"]),
        case("simulate mnist --out out --data-dir data-none", FAILURE, &["fedfunnel data fetch mnist"]),
        case("demo --out out --set rounds=0", USAGE, &["rounds"]),
    ]);
}

#[test]
fn an_output_that_is_a_file_is_refused_before_the_work_and_left_alone() {
    let folder = temporary();
    std::fs::write(folder.path().join("taken"), "mine").expect("written");
    let snapshots = fixtures().snapshots();
    let autoencoder =
        ["autoencoder", "train", "--model", "ae-mnist", "--snapshots", snapshots.to_str().expect("UTF-8")];
    for verb in [&["train", "mnist-mlp"][..], &["demo"], &["simulate", "demo"], &autoencoder] {
        for out in ["taken", "taken/deeper"] {
            let ran = run_in(folder.path(), &[verb, &["--out", out]].concat());
            assert_eq!(ran.code, 2, "{}", ran.stderr);
            assert_eq!(ran.stderr, "error: --out: taken is a file; name a folder\n");
        }
    }
    assert_eq!(std::fs::read_to_string(folder.path().join("taken")).expect("there"), "mine");
}

#[test]
fn a_simulation_with_too_few_snapshots_leaves_nothing() {
    let folder = temporary();
    let ran = run_in(
        folder.path(),
        &["demo", "--out", "out", "-q", "--set", "rounds=1", "--set", "prepass.snapshot_every=100000"],
    );
    assert_eq!((ran.code, ran.stderr.lines().count()), (2, 1), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("prepass.snapshot_every") && ran.stderr.contains("more often"),
        "{}",
        ran.stderr
    );
    assert!(!folder.path().join("out").exists());
}

#[cfg(unix)]
#[test]
fn arguments_and_folders_that_are_not_utf_8() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let folder = temporary();
    let odd = OsStr::from_bytes(b"data-\xff");
    std::fs::create_dir(folder.path().join(odd)).expect("a folder");
    let run = |arguments: &[&OsStr]| {
        fedfunnel().current_dir(folder.path()).args(arguments).output().expect("the program starts")
    };
    let words = |line: &str| -> Vec<std::ffi::OsString> { line.split(' ').map(Into::into).collect() };
    let with = |line: &str| {
        let mut words = words(line);
        words.push(odd.into());
        run(&words.iter().map(|word| &**word).collect::<Vec<_>>())
    };
    let refused = with("train mnist-mlp --out out --data");
    let said = String::from_utf8(refused.stderr).expect("UTF-8");
    assert_eq!(refused.status.code(), Some(USAGE), "{said}");
    assert_eq!(
        said,
        "error: --data: \"data-\u{fffd}\" is not UTF-8 text; rename what it names, or go into its folder and give the \
         path from there\n"
    );
    let listed = with("data list --json --data-dir");
    let list: serde_json::Value = serde_json::from_slice(&listed.stdout).expect("a whole document");
    assert_eq!(list[0]["folder"], "data-\u{fffd}/mnist");
}

#[cfg(unix)]
#[test]
fn an_output_folder_that_is_a_link_to_nowhere() {
    let folder = temporary();
    std::os::unix::fs::symlink("gone", folder.path().join("link")).expect("a link");
    let ran = run_in(folder.path(), &["train", "mnist-mlp", "--out", "link"]);
    assert_eq!(ran.code, USAGE, "{}", ran.stderr);
    let said = "--out: link is a link to gone, which is not there; make that folder, or name another one";
    assert!(ran.stderr.contains(said), "{}", ran.stderr);
}

#[test]
fn a_setting_of_two_lines() {
    let ran = run_in(temporary().path(), &["simulate", "demo", "--out", "out", "--set", "rounds=1\nbatch=2"]);
    assert_eq!(ran.code, USAGE, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("it has more than one line; give each setting a --set of its own"),
        "{}",
        ran.stderr
    );
}

/// A header may announce more than there is memory for, in a file that is as long as it says.
#[cfg(target_os = "linux")]
#[test]
fn images_that_do_not_fit_the_memory() {
    let folder = temporary();
    let data = folder.path().join("data");
    write_data(&data, 20, 10);
    let count = 5_000_000u32;
    for (name, axes, bytes) in [("images-idx3", vec![count, 28, 28], 784), ("labels-idx1", vec![count], 1)] {
        let path = data.join(format!("train-{name}-ubyte"));
        write_idx(&path, &axes, &[]);
        let header = path.metadata().expect("a header").len();
        let file = std::fs::OpenOptions::new().write(true).open(&path).expect("a file");
        // Nothing is written of it.
        file.set_len(header + u64::from(count) * bytes).expect("a long file");
    }
    let program = assert_cmd::cargo::cargo_bin!("fedfunnel");
    let line =
        format!("ulimit -v 2500000; exec '{}' train mnist-mlp --data ./data --out out", program.display());
    let ran = std::process::Command::new("sh").args(["-c", &line]).current_dir(folder.path()).output();
    let ran = ran.expect("a shell");
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(FAILURE), "{said}");
    assert!(
        said.contains("train-images-idx3-ubyte: there is no memory for its 3,920,000,000 bytes of pixels; "),
        "{said}"
    );
}
