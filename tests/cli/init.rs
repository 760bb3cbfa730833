//! `train --init`: weights as others have saved them, of other types of floats and behind the names of wrappers.

use crate::support::{fixtures, largest_difference, read_tensors, run_in, succeed_in, temporary};
use safetensors::tensor::{Dtype, TensorView};
use std::path::Path;

const NAMES: [&str; 4] = ["0.weight", "0.bias", "2.weight", "2.bias"];

/// The weights of the shared model, saved as another type and with another beginning of each name.
fn save(path: &Path, prefix: &str, kind: Dtype, bytes: &dyn Fn(f32) -> Vec<u8>) {
    let model = read_tensors(&fixtures().model());
    let tensors = NAMES.map(|name| {
        let (shape, values) = &model.tensors[name];
        (
            format!("{prefix}{name}"),
            shape.clone(),
            values.iter().flat_map(|value| bytes(*value)).collect::<Vec<_>>(),
        )
    });
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name.clone(), TensorView::new(kind, shape.clone(), bytes).expect("a tensor"))
    });
    std::fs::write(path, safetensors::serialize(views, None).expect("a file")).expect("written");
}

/// The weights after one epoch at next to no rate.
fn trained(folder: &Path, init: &str) -> Vec<f32> {
    let data = fixtures().data();
    let data = data.to_str().expect("UTF-8");
    let line = ["train", "mnist-mlp", "--data", data, "--init", init, "--epochs", "1", "--optimizer", "sgd"];
    let rest = ["--momentum", "0", "--lr", "1e-12", "--out", "out", "--overwrite", "-q"];
    succeed_in(folder, &[&line[..], &rest].concat());
    read_tensors(&folder.join("out/model.safetensors")).flat(&NAMES)
}

#[test]
fn floats_of_all_widths_and_names_of_wrappers_are_read() {
    let folder = temporary();
    let folder = folder.path();
    let due = trained(folder, fixtures().model().to_str().expect("UTF-8"));
    let upper = |value: f32| (value.to_bits() & 0xffff_0000, value);
    save(&folder.join("f64"), "module.", Dtype::F64, &|value| f64::from(value).to_le_bytes().to_vec());
    assert_eq!(trained(folder, "f64"), due, "f64 has every f32");
    save(&folder.join("f32"), "_orig_mod.module.", Dtype::F32, &|value| value.to_le_bytes().to_vec());
    assert_eq!(trained(folder, "f32"), due);
    save(&folder.join("bf16"), "", Dtype::BF16, &|value| upper(value).0.to_le_bytes()[2..].to_vec());
    let cut: Vec<f32> = due.iter().map(|value| f32::from_bits(upper(*value).0)).collect();
    assert!(largest_difference(&trained(folder, "bf16"), &cut) < 1e-9);
    assert!(largest_difference(&cut, &due) > 1e-4, "the negative control: something was cut off");
    // 1.5 in half precision.
    save(&folder.join("f16"), "module.", Dtype::F16, &|_| vec![0x00, 0x3e]);
    assert!(largest_difference(&trained(folder, "f16"), &vec![1.5; due.len()]) < 1e-6);
}

#[test]
fn what_is_no_number_or_has_another_name_is_refused() {
    let folder = temporary();
    let folder = folder.path();
    let refused = |init: &str| {
        let ran = run_in(
            folder,
            &["train", "mnist-mlp", "--init", init, "--epochs", "1", "--out", "refused", "-q"],
        );
        assert_eq!((ran.code, ran.stderr.lines().count()), (1, 1), "{}", ran.stderr);
        ran.stderr
    };
    save(&folder.join("nan"), "", Dtype::F16, &|_| vec![0x00, 0x7e]);
    assert!(refused("nan").contains("value 0 of tensor \"0.weight\" is NaN"));
    save(&folder.join("other"), "net.", Dtype::F32, &|value| value.to_le_bytes().to_vec());
    let said = refused("other");
    assert!(said.contains("there is no tensor \"0.weight\", only net.0.bias"), "{said}");
    save(&folder.join("whole"), "", Dtype::I32, &|_| vec![1, 0, 0, 0]);
    assert!(refused("whole").contains("is I32; store it as float32"));
}
