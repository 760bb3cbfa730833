//! The changes that images get: by hand, and in two steps that can be followed.

use fedfunnel::reference::augment::{Augmentation, Batch, Change, augmented_gather};
use fedfunnel::reference::gather::gather;
use fedfunnel::reference::random;

const SIZE: [usize; 3] = [3, 4, 5];
const MEAN: [f64; 3] = [0.0, 0.25, 0.5];
const STD: [f64; 3] = [1.0, 0.5, 0.25];
const BOTH: Augmentation = Augmentation { flip: true, pad: 2, grayscale: false };
const INDEX: [Option<usize>; 8] = [Some(1), Some(0), None, Some(2), Some(2), Some(2), Some(1), Some(0)];

fn images() -> Vec<u8> {
    (0..180).map(|i| (random::bits(i, 0, 0, 3) >> 24) as u8).collect()
}

fn batch(index: &[Option<usize>], replicas: usize) -> Batch<'_> {
    Batch { replicas, index, first_place: 12, owners: &[0, 1, 2][..replicas], stream: 5, seed: 9 }
}

#[test]
fn without_options_it_is_the_plain_gather() {
    let x = augmented_gather(&images(), SIZE, batch(&INDEX, 2), &MEAN, &STD, Augmentation::default());
    assert_eq!(x, gather(&images(), 60, &INDEX, &MEAN, &STD));
}

#[test]
fn bits_decide_as_documented() {
    let change = |bits| BOTH.change(bits);
    assert_eq!(change(0), Change { flipped: false, down: 0, right: 0 });
    assert_eq!(change(0x0004_0301), Change { flipped: true, down: (0x403) % 5, right: 4 });
    assert_eq!(change(u32::MAX), Change { flipped: true, down: 0xff_ffff % 5, right: 0xffff % 5 });
    let unchanged = Augmentation { flip: false, pad: 0, grayscale: false };
    assert_eq!(unchanged.change(u32::MAX), Change { flipped: false, down: 0, right: 0 });
    // From a separate implementation of the generator in Python.
    let bits: Vec<u32> = (12..16).map(|place| random::bits(place, 1, 5, 9)).collect();
    assert_eq!(bits, [0x7b3c_2389, 0x3471_a9d4, 0xc391_faee, 0x9104_7013]);
}

/// The same in two steps that a reader can follow: pad and cut, then mirror.
#[test]
fn an_image_is_cut_out_of_its_padding_and_then_mirrored() {
    let (images, plain) = (images(), gather(&images(), 60, &INDEX, &MEAN, &STD));
    let x = augmented_gather(&images, SIZE, batch(&INDEX, 2), &MEAN, &STD, BOTH);
    let (mut flipped, mut moved) = (0, 0);
    for sample in 0..8 {
        let change = BOTH.change(random::bits(12 + sample as u32 % 4, sample as u32 / 4, 5, 9));
        flipped += usize::from(change.flipped);
        moved += usize::from((change.down, change.right) != (2, 2));
        for c in 0..3 {
            let mut padded = [[0.0; 9]; 8];
            for h in 0..4 {
                padded[h + 2][2..7].copy_from_slice(&plain[((sample * 3 + c) * 4 + h) * 5..][..5]);
            }
            for h in 0..4 {
                let mut row = padded[h + change.down][change.right..change.right + 5].to_vec();
                if change.flipped {
                    row.reverse();
                }
                assert_eq!(x[((sample * 3 + c) * 4 + h) * 5..][..5], row, "sample {sample}, row {h}");
            }
        }
    }
    assert!((1..8).contains(&flipped) && moved > 0, "{flipped} flipped, {moved} moved");
}

#[test]
fn a_flip_worked_by_hand() {
    // Twenty draws of one image: each comes out as it is or mirrored, and both happen.
    let flip = Augmentation { flip: true, ..Augmentation::default() };
    let index = [Some(0); 20];
    let x = augmented_gather(&[0, 51, 255], [1, 1, 3], batch(&index, 1), &[0.0], &[1.0], flip);
    let mirrored = x.chunks(3).filter(|row| *row == [1.0, 0.2, 0.0]).count();
    let kept = x.chunks(3).filter(|row| *row == [0.0, 0.2, 1.0]).count();
    assert!(mirrored > 0 && kept > 0 && mirrored + kept == 20, "{mirrored} mirrored, {kept} kept");
}

#[test]
fn outside_is_the_mean_s_colour() {
    let shift = Augmentation { pad: 1, ..Augmentation::default() };
    let index = [Some(0); 100];
    let x = augmented_gather(&[0], [1, 1, 1], batch(&index, 1), &[0.5], &[0.25], shift);
    // One of nine cuts holds the only pixel: 11 of them, give or take five standard errors of 3.1.
    let hits = x.iter().filter(|&&x| x == -2.0).count();
    assert!(x.iter().all(|&x| x == -2.0 || x == 0.0) && (1..=27).contains(&hits), "{hits}");
}

#[test]
fn gray_is_the_luma_in_every_channel() {
    let gray = Augmentation { grayscale: true, ..Augmentation::default() };
    // A red pixel, then a green one.
    let x = augmented_gather(&[255, 0, 0, 255, 0, 0], [3, 1, 2], batch(&[Some(0)], 1), &MEAN, &STD, gray);
    let expected = [0.299, 0.587, 0.049 / 0.5, 0.337 / 0.5, -0.201 / 0.25, 0.087 / 0.25];
    for (x, expected) in x.iter().zip(expected) {
        assert!((x - expected).abs() < 1e-14, "{x} and {expected}");
    }
}

#[test]
fn an_epoch_may_be_cut_anywhere() {
    let images = images();
    let all = augmented_gather(&images, SIZE, batch(&INDEX[..4], 1), &MEAN, &STD, BOTH);
    let rest = Batch { first_place: 13, ..batch(&INDEX[1..4], 1) };
    assert_eq!(augmented_gather(&images, SIZE, rest, &MEAN, &STD, BOTH), all[60..]);
    let other = Batch { stream: 6, ..batch(&INDEX[..4], 1) };
    assert_ne!(augmented_gather(&images, SIZE, other, &MEAN, &STD, BOTH), all);
}

#[test]
#[should_panic(expected = "1 channels have no luma")]
fn gray_of_gray_is_refused() {
    let gray = Augmentation { grayscale: true, ..Augmentation::default() };
    augmented_gather(&[0], [1, 1, 1], batch(&[Some(0)], 1), &[0.0], &[1.0], gray);
}
