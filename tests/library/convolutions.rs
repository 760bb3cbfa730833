//! Convolutions of a spec: kernels, strides and paddings are taken and refused as PyTorch does.

use fedfunnel::Result;
use fedfunnel::model::{ModelSpec, NetworkLayer};
use std::path::Path;

fn conv(size: usize, kernel: &str, stride: usize, padding: &str) -> Result<Vec<NetworkLayer>> {
    let text = format!(
        "name = \"x\"\nkind = \"classifier\"\ninput = [1, {size}, {size}]\n[[layers]]\nkind = \"conv\"\n\
         outputs = 2\nkernel = {kernel}\nstride = {stride}\npadding = {padding}\n[[layers]]\nkind = \"dense\"\n\
         outputs = 10\n"
    );
    let spec = ModelSpec::parse(&text, Path::new("own"))?;
    Ok(spec.classifier()?.network())
}

/// H and W of the convolution's output, as `torch.nn.Conv2d` has them: `None` where that refuses.
fn size(size: usize, kernel: usize, stride: usize, padding: usize) -> Option<usize> {
    let padded = size + 2 * padding;
    (kernel <= padded).then(|| (padded - kernel) / stride + 1)
}

#[test]
fn explicit_padding_is_taken_and_refused_as_pytorch_does() {
    for input in 1..7 {
        for (kernel, stride, padding) in
            (1..9).flat_map(|k| (1..5).flat_map(move |s| (0..k).map(move |p| (k, s, p))))
        {
            let built = conv(input, &kernel.to_string(), stride, &padding.to_string());
            let context = format!("{input} {kernel} {stride} {padding}");
            match (size(input, kernel, stride, padding), built) {
                (Some(size), Ok(layers)) => match &layers[0] {
                    NetworkLayer::Conv(convs) => {
                        assert_eq!(convs[0].layer.shape.output_size, [size; 2], "{context}")
                    }
                    other => panic!("{other:?}"),
                },
                (None, Err(error)) => {
                    let said = error.to_string();
                    let problem = format!(
                        "own: layers[0].kernel: a kernel of {kernel} does not fit an image of {input} x {input}"
                    );
                    assert!(said.starts_with(&problem), "{context}: {said}");
                }
                (expected, built) => panic!("{context}: {expected:?} {built:?}"),
            }
        }
    }
}

#[test]
fn a_kernel_one_larger_than_the_image_is_refused_and_same_padding_fits_any() {
    let said = |kernel: &str, padding: &str| conv(4, kernel, 1, padding).unwrap_err().to_string();
    let problem = "own: layers[0].kernel: a kernel of 5 does not fit an image of 4 x 4; use a smaller one";
    assert!(said("5", "\"valid\"").starts_with(problem), "{}", said("5", "\"valid\""));
    assert!(said("[4, 5]", "0").starts_with(problem));
    assert!(said("7", "1").contains("an image of 4 x 4 with a padding of 1; "), "{}", said("7", "1"));
    conv(4, "4", 1, "\"valid\"").unwrap();
    conv(4, "6", 1, "1").unwrap();
    conv(4, "9", 3, "\"same\"").unwrap();
}

#[test]
fn a_padding_that_is_all_a_window_sees_is_refused_in_words_that_are_true() {
    let said = conv(4, "3", 1, "3").unwrap_err().to_string();
    let problem = "own: layers[0].padding: with a padding of 3, a kernel of 3 would see nothing else; ";
    assert!(said.starts_with(problem), "{said}");
    assert!(
        conv(4, "[3, 1]", 1, "[2, 1]")
            .unwrap_err()
            .to_string()
            .starts_with("own: layers[0].padding: with a padding of 1, ")
    );
    conv(4, "3", 1, "2").unwrap();
}
