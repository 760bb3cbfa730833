//! `encode` and `decode`: codecs on files, with what each side keeps in a state.

use crate::support::*;
use serde_json::Value;
use std::path::Path;

/// Values of the two tensors that all files here have.
fn weights(folder: &Path, name: &str, number: u32) -> Vec<f32> {
    let value = |place: u32| ((place * 37 + number * 101) % 97) as f32 / 97.0 - 0.5;
    let values: Vec<f32> = (0..66).map(value).collect();
    write_tensors(
        &folder.join(name),
        &[("layer.weight", &[6, 10], &values[..60]), ("layer.bias", &[6], &values[60..])],
        &[],
    );
    values
}

fn read(folder: &Path, name: &str) -> Vec<f32> {
    read_tensors(&folder.join(name)).flat(&["layer.weight", "layer.bias"])
}

fn run(folder: &Path, line: &str) -> Ran {
    run_in(folder, &line.split_whitespace().collect::<Vec<_>>())
}

fn succeed(folder: &Path, line: &str) -> Ran {
    let ran = run(folder, line);
    assert_eq!(ran.code, 0, "{line}: {}{}", ran.stdout, ran.stderr);
    ran
}

fn parts(json: &str) -> Vec<(String, u64)> {
    let value: Value = serde_json::from_str(json).expect("JSON");
    let parts = value["parts"].as_array().expect("parts").iter();
    let parts: Vec<_> = parts
        .map(|part| (part["part"].as_str().unwrap().to_string(), part["bytes"].as_u64().unwrap()))
        .collect();
    assert_eq!(value["bytes"], parts.iter().map(|part| part.1).sum::<u64>());
    parts
}

#[test]
fn what_feedback_owes_goes_from_one_file_to_the_next() {
    let folder = temporary();
    let folder = folder.path();
    let global = weights(folder, "global.safetensors", 0);
    let codec = "--codec delta+feedback+topk(part=0.1) --global global.safetensors";
    let (mut given, mut arrived) = (vec![0f64; 66], vec![0f64; 66]);
    for round in 1..=12u32 {
        let own = weights(folder, "own.safetensors", round);
        let said = succeed(
            folder,
            &format!("encode {codec} --state own.state --in own.safetensors --out msg.bin --id 7"),
        );
        assert!(said.stdout.contains(&format!("round {round} of collaborator 7")), "{}", said.stdout);
        succeed(folder, &format!("decode {codec} --in msg.bin --out got.safetensors --round {round} --id 7"));
        let got = read(folder, "got.safetensors");
        assert_eq!(got.iter().zip(&global).filter(|(got, global)| got != global).count(), 7, "a tenth of 66");
        for place in 0..66 {
            given[place] += f64::from(own[place] - global[place]);
            arrived[place] += f64::from(got[place] - global[place]);
        }
    }
    let owed = || read_tensors(&folder.join("own.state")).tensors["collaborators/7/1/error"].1.clone();
    // A model that is not known has its tensors in the order of their names: the biases first.
    let after_seven = owed();
    let mut in_place = after_seven[6..].to_vec();
    in_place.extend(&after_seven[..6]);
    let away = |owed: &[f32]| {
        (0..66).map(|p| (given[p] - arrived[p] - f64::from(owed[p])).abs()).fold(0.0, f64::max)
    };
    assert!(away(&in_place) < 1e-4, "{}", away(&in_place));
    // The negative control.
    assert!(away(&[0.0; 66]) > 0.1);
    // Another collaborator has a place of its own in the same file.
    succeed(folder, &format!("encode {codec} --state own.state --in own.safetensors --out msg.bin --id 8"));
    assert_eq!(owed(), after_seven);
}

#[test]
fn a_message_is_described_alike_on_both_sides() {
    let folder = temporary();
    let folder = folder.path();
    weights(folder, "global.safetensors", 0);
    weights(folder, "own.safetensors", 1);
    let whole = |parts: &[(&str, u64)]| {
        parts.iter().map(|&(name, bytes)| (name.to_string(), bytes)).collect::<Vec<_>>()
    };
    for (codec, state, due) in [
        ("raw", "", whole(&[("header", 3), ("values, four bytes each", 264)])),
        ("delta+f16", "", whole(&[("header", 3), ("f16", 132)])),
        ("topk(part=0.1)", "", whole(&[("header", 3), ("values, four bytes each", 28), ("topk(0.1)", 4)])),
        (
            "delta+feedback+topk(part=0.1)+f16",
            "--state own.state",
            whole(&[("header", 3), ("f16", 14), ("topk(0.1)", 5)]),
        ),
    ] {
        let common = format!("--codec {codec} --global global.safetensors");
        let sent =
            succeed(folder, &format!("encode {common} {state} --in own.safetensors --out msg.bin --json"));
        assert_eq!(parts(&sent.stdout), due, "{codec}");
        let got = succeed(folder, &format!("decode {common} --in msg.bin --json"));
        assert_eq!(parts(&got.stdout), due, "{codec}");
        assert_eq!(
            std::fs::metadata(folder.join("msg.bin")).unwrap().len(),
            due.iter().map(|part| part.1).sum::<u64>()
        );
    }
    // However bytes came to be, every one of them is somebody's.
    for codec in ["delta+f16+entropy", "delta+quantize(bits=3)+entropy", "delta+drive"] {
        let common = format!("--codec {codec} --global global.safetensors");
        let sent = succeed(folder, &format!("encode {common} --in own.safetensors --out msg.bin --json"));
        let got = succeed(folder, &format!("decode {common} --in msg.bin --json"));
        let whole = std::fs::metadata(folder.join("msg.bin")).unwrap().len();
        for said in [sent, got] {
            assert_eq!(parts(&said.stdout).iter().map(|part| part.1).sum::<u64>(), whole, "{codec}");
        }
    }
    let common = "--codec delta+f16 --global global.safetensors --checksum --describe";
    let said = succeed(folder, &format!("encode {common} --in own.safetensors --out sum.bin"));
    for word in ["header", "f16", "checksum", "139"] {
        assert!(said.stdout.contains(word), "{word}: {}", said.stdout);
    }
    // The message goes to standard output, and what people read to the other.
    let bytes = std::fs::read(folder.join("sum.bin")).unwrap();
    let all = format!("encode {common} --in own.safetensors --out -");
    let output = fedfunnel().current_dir(folder).args(all.split_whitespace()).output().unwrap();
    assert_eq!(output.stdout, bytes);
    assert!(String::from_utf8_lossy(&output.stderr).contains("checksum"));
}

#[test]
fn nothing_is_left_of_what_did_not_succeed() {
    let folder = temporary();
    let folder = folder.path();
    weights(folder, "global.safetensors", 0);
    weights(folder, "own.safetensors", 1);
    let topk = "--codec delta+feedback+topk(part=0.1) --global global.safetensors";
    succeed(folder, &format!("encode {topk} --state own.state --in own.safetensors --out msg.bin --round 3"));
    write_tensors(
        &folder.join("other.safetensors"),
        &[("layer.weight", &[60], &[0.0; 60]), ("layer.bias", &[6], &[0.0; 6])],
        &[],
    );
    write_tensors(
        &folder.join("more.safetensors"),
        &[("layer.weight", &[6, 10], &[0.0; 60]), ("layer.bias", &[6], &[0.0; 6]), ("x", &[1], &[0.0])],
        &[],
    );
    let message = std::fs::read(folder.join("msg.bin")).unwrap();
    std::fs::write(folder.join("short.bin"), &message[..message.len() - 1]).unwrap();
    std::fs::write(folder.join("none.bin"), b"hello").unwrap();
    let mut state = std::fs::read(folder.join("own.state")).unwrap();
    let last = state.len() - 1;
    state[last] ^= 1;
    std::fs::write(folder.join("bad.state"), &state).unwrap();
    let before = std::fs::read(folder.join("own.state")).unwrap();
    let encode = "--in own.safetensors --out new.bin";
    for (line, words) in [
        (format!("encode {topk} {encode}"), &["--state", "name a file"][..]),
        (format!("encode {topk} --state own.state {encode} --round 3"), &["--round", "use 4 or more"]),
        (format!("encode {topk} --state own.state {encode} --round 0"), &["--round", "1 or more"]),
        (format!("encode {topk} --state bad.state {encode}"), &["bad.state", "checksum is wrong"]),
        (
            format!("encode {topk} --state global.safetensors {encode}"),
            &["global.safetensors", "no state of a codec"],
        ),
        (format!("encode {topk} --state own.state --seed 1 {encode}"), &["own.state", "seed 0", "seed 1"]),
        (
            format!(
                "encode --codec delta+feedback+f16 --global global.safetensors --state own.state {encode}"
            ),
            &["own.state", "of the codec delta+feedback+topk(part=0.1)"],
        ),
        (
            format!("decode {topk} --state own.state --in msg.bin"),
            &["own.state", "kept by the collaborators"],
        ),
        (
            format!("encode {topk} --in other.safetensors --out new.bin"),
            &["other.safetensors", "[60]", "[6, 10]"],
        ),
        (format!("encode {topk} --in more.safetensors --out new.bin"), &["more.safetensors", "\"x\""]),
        (format!("decode {topk} --in short.bin --out new.bin"), &["short.bin", "too early"]),
        (format!("decode {topk} --in none.bin --out new.bin"), &["none.bin", "version"]),
        (format!("decode {topk} --checksum --in msg.bin --out new.bin"), &["msg.bin", "no checksum"]),
        (format!("decode {topk} --in msg.bin --out new.bin --round 4"), &["--round", "has 3"]),
        (format!("decode {topk} --in msg.bin --out new.bin --id 1"), &["--id", "has 0"]),
        (
            format!("encode --codec prior+pca(floats=2)+tune --global global.safetensors {encode}"),
            &["--codec", "tune", "own images", "leave tune out"],
        ),
        (
            format!("encode --codec pca(floats=2) --global global.safetensors {encode}"),
            &["--state", "axes", "set it up"],
        ),
        (
            "decode --codec pca(floats=2) --global global.safetensors --in msg.bin --out new.bin".into(),
            &["--state", "axes", "set it up"],
        ),
        (
            format!("encode --codec autoencoder --global global.safetensors {encode}"),
            &["--codec", "autoencoder"],
        ),
        (
            format!("encode --codec delta+topkk --global global.safetensors {encode}"),
            &["--codec", "did you mean topk?"],
        ),
        (format!("encode --codec topk --global global.safetensors {encode}"), &["--codec: topk", "part"]),
        (
            format!("encode --codec raw --global gone.safetensors {encode}"),
            &["gone.safetensors", "no such file"],
        ),
    ] {
        let ran = run(folder, &line);
        assert_ne!(ran.code, 0, "{line}");
        assert_eq!((ran.stdout.as_str(), ran.stderr.lines().count()), ("", 1), "{line}: {}", ran.stderr);
        words.iter().for_each(|word| assert!(ran.stderr.contains(word), "{line}: {word}: {}", ran.stderr));
        assert!(!folder.join("new.bin").exists(), "{line}");
        assert_eq!(std::fs::read(folder.join("own.state")).unwrap(), before, "{line}");
    }
}

#[test]
fn a_models_own_file_is_taken_in_its_own_order() {
    let folder = temporary();
    let folder = folder.path();
    let model = fixtures().model().display().to_string();
    let common = format!("--codec raw --global {model}");
    succeed(folder, &format!("encode {common} --in {model} --out msg.bin"));
    succeed(folder, &format!("decode {common} --in msg.bin --out got.safetensors"));
    let (own, got) = (read_tensors(Path::new(&model)), read_tensors(&folder.join("got.safetensors")));
    assert_eq!(own.metadata, got.metadata);
    assert_eq!(own.tensors, got.tensors);
    let names = ["0.weight", "0.bias", "2.weight", "2.bias"].map(String::from);
    let names: Vec<_> =
        names.iter().map(String::as_str).filter(|name| own.tensors.contains_key(*name)).collect();
    // In the order of the classifier, the message is its weights one behind the other.
    let flat: Vec<u8> = own.flat(&names).iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(std::fs::read(folder.join("msg.bin")).unwrap()[3..], flat, "{:?}", own.tensors.keys());
}

#[test]
fn a_learned_codec_is_set_up_by_a_message_of_its_own() {
    let folder = temporary();
    let folder = folder.path();
    let (model, snapshots) = (fixtures().model(), fixtures().snapshots());
    let codec = format!("--codec prior+pca(floats=3)+f16 --global {}", model.display());
    let set_up = format!("encode {codec} --state own.state --snapshots {}", snapshots.display());
    let ran = succeed(folder, &format!("{set_up} --out setup.bin --id 5"));
    assert!(ran.stdout.contains("the setup of collaborator 5"), "{}", ran.stdout);
    // Three axes and a mean of 15,910 weights, and the message's header.
    let length = std::fs::metadata(folder.join("setup.bin")).expect("a setup").len();
    assert!((4 * 4 * 15_910..4 * 4 * 15_910 + 8).contains(&length), "{length}");
    succeed(folder, &format!("decode {codec} --state theirs.state --in setup.bin"));
    for round in 1..=2 {
        let (encode, decode) = ("--in", format!("--in msg.bin --out got-{round}.safetensors"));
        let own = format!("{encode} {} --out msg.bin --id 5", model.display());
        succeed(folder, &format!("encode {codec} --state own.state {own}"));
        // Three halves behind the header.
        assert!(std::fs::metadata(folder.join("msg.bin")).expect("a message").len() < 6 + 8);
        succeed(folder, &format!("decode {codec} --state theirs.state {decode}"));
    }
    // In the second round what the code cannot say is the global model's, which these weights are.
    let (own, got) = (read_tensors(&model), read_tensors(&folder.join("got-2.safetensors")));
    for (name, tensor) in &own.tensors {
        let off = largest_difference(&tensor.1, &got.tensors[name].1);
        assert!(off < 1e-6, "{name}: {off}");
    }
    let first = read_tensors(&folder.join("got-1.safetensors"));
    assert!(own.tensors.iter().any(|(name, own)| largest_difference(&own.1, &first.tensors[name].1) > 1e-4));
    let before = std::fs::read(folder.join("own.state")).expect("a state");
    for (line, words) in [
        (format!("{set_up} --out new.bin --id 5"), &["--state", "set up in this state already"][..]),
        (format!("{set_up} --out new.bin --id 6 --round 2"), &["--round", "--snapshots"]),
        (format!("{set_up} --out new.bin --id 6 --describe"), &["--snapshots", "leave --describe"]),
        (set_up.replace("--state own.state", "") + " --out new.bin", &["--state", "nothing says where"]),
        (
            set_up.replace("floats=3", "floats=3,shared=true") + " --out new.bin",
            &["--codec", "leave shared out"],
        ),
        (
            set_up.replace("floats=3", "floats=300") + " --out new.bin",
            &["pca", "axes at most", "fewer floats"],
        ),
        (
            set_up.replace("prior+pca(floats=3)+f16", "delta+f16") + " --out new.bin",
            &["--snapshots", "learns nothing"],
        ),
    ] {
        let line = line
            .replace("own.state", if line.contains("floats=3)+f16") { "own.state" } else { "other.state" });
        let ran = run(folder, &line);
        assert_eq!(ran.code, 2, "{line}: {}", ran.stderr);
        words.iter().for_each(|word| assert!(ran.stderr.contains(word), "{line}: {word}: {}", ran.stderr));
        assert!(!folder.join("new.bin").exists() && !folder.join("other.state").exists(), "{line}");
        assert_eq!(std::fs::read(folder.join("own.state")).expect("a state"), before, "{line}");
    }
}
