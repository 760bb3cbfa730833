//! The shapes, and which kernels they are for.

use super::rig::Case;

const fn both(direction: [usize; 4]) -> [[usize; 4]; 2] {
    [direction; 2]
}

/// Shapes that only the kernels for any shape take: `[R, B, C, O]`, the size, and for each direction
/// `[kernel, stride, zeros before, zeros after]`. No two sizes alike, so that a swapped axis cannot pass.
pub const GENERAL: &[Case] = &[
    Case::new([1, 2, 3, 5], [7, 9], both([5, 2, 2, 2])),
    Case::new([3, 2, 3, 5], [7, 9], both([5, 2, 2, 2])).lead(3),
    // More zeros on one side than on the other.
    Case::new([3, 2, 3, 4], [7, 9], [[3, 1, 1, 0], [3, 1, 0, 1]]).lead(1),
    Case::new([1, 3, 5, 3], [7, 9], [[2, 3, 0, 1], [5, 2, 3, 2]]),
    // Rows and columns that are left over.
    Case::new([3, 1, 3, 5], [8, 10], [[3, 2, 0, 0], [4, 3, 1, 0]]),
    // A line, and a column.
    Case::new([3, 2, 3, 4], [1, 19], [[1, 1, 0, 0], [5, 2, 2, 2]]),
    Case::new([1, 2, 4, 3], [17, 1], [[4, 1, 2, 1], [1, 1, 0, 0]]),
    // One pixel to one pixel: a dense layer.
    Case::new([3, 2, 7, 5], [1, 1], both([1, 1, 0, 0])),
    Case::new([1, 1, 1, 1], [3, 2], [[3, 1, 0, 0], [2, 1, 0, 0]]),
    // A kernel larger than the image, over zeros mostly.
    Case::new([1, 2, 2, 3], [2, 3], both([7, 1, 3, 3])),
    // A stride larger than the kernel: pixels that no window sees.
    Case::new([3, 1, 2, 3], [9, 11], [[2, 4, 0, 0], [1, 3, 0, 0]]),
    // Upsampling, with and without rows that only the bias reaches.
    Case::new([1, 2, 2, 3], [8, 10], [[4, 2, 1, 1], [4, 2, 1, 1]]).transposed(),
    Case::new([3, 2, 5, 3], [8, 14], [[3, 2, 1, 0], [4, 3, 2, 0]]).transposed().lead(2),
    Case::new([3, 2, 4, 3], [1, 19], [[1, 1, 0, 0], [5, 2, 2, 2]]).transposed(),
];

/// Shapes whose products conv3x3.wgsl takes by the kernel for whole tiles, each with whether the gradient is taken so too.
pub const FAST: &[(Case, bool)] = &[
    (Case::same([1, 2, 3, 5], [4, 4]), false),
    (Case::same([3, 2, 8, 8], [4, 4]).lead(1), false),
    (Case::same([1, 2, 3, 5], [6, 8]), true),
    (Case::same([3, 2, 9, 17], [6, 8]).lead(3), true),
    (Case::same([3, 2, 8, 8], [2, 12]), false),
    (Case::same([1, 1, 9, 17], [2, 12]), false),
    (Case::same([3, 3, 8, 8], [16, 8]).lead(4), true),
    (Case::same([1, 2, 9, 17], [16, 8]), true),
    (Case::same([3, 1, 1, 1], [2, 4]), false),
    (Case::same([1, 1, 1, 1], [2, 8]), true),
    (Case::same([1, 1, 3, 9], [4, 32]), true),
    // Rows that do not end where a workgroup's 32 pixels end.
    (Case::same([1, 2, 3, 5], [6, 12]), false),
    (Case::same([3, 1, 3, 5], [8, 20]), false),
    (Case::same([1, 2, 3, 5], [4, 24]).lead(2), true),
    (Case::same([1, 1, 3, 5], [28, 28]), false),
    (Case::same([3, 1, 2, 9], [4, 40]), true),
    (Case::same([1, 1, 3, 5], [2, 64]), true),
    (Case::same([1, 1, 2, 3], [4, 100]), false),
    (Case::same([3, 2, 3, 5], [6, 8]).transposed().lead(1), true),
    (Case::same([1, 2, 17, 9], [6, 12]).transposed(), false),
];

/// Shapes without padding, which are taken whatever their size: tiles that end with the image, and tiles that end
/// beyond it.
pub const VALID: &[Case] = &[
    Case::valid([1, 2, 3, 5], [32, 32]),
    Case::valid([3, 1, 9, 17], [8, 12]).lead(3),
    Case::valid([1, 1, 5, 3], [30, 30]),
    Case::valid([3, 2, 3, 5], [7, 9]).lead(1),
    Case::valid([1, 5, 17, 9], [8, 12]),
    Case::valid([3, 5, 8, 8], [6, 10]).lead(2),
    Case::valid([1, 1, 1, 1], [3, 3]),
    // A line, a column, and a few pixels.
    Case::valid([1, 2, 3, 5], [3, 21]),
    Case::valid([3, 1, 2, 9], [19, 3]),
    Case::valid([2, 18, 3, 5], [5, 6]),
    // Back to a larger image.
    Case::valid([3, 2, 5, 3], [7, 9]).transposed().lead(1),
    Case::valid([1, 1, 9, 17], [30, 18]).transposed(),
];

/// Shapes with a pixel of zeros around whose tiles are not whole, in height, width or both.
pub const ODD: &[Case] = &[
    Case::same([3, 2, 3, 5], [6, 6]),
    Case::same([1, 2, 8, 8], [5, 8]),
    Case::same([1, 2, 9, 17], [14, 14]),
    Case::same([3, 1, 17, 9], [7, 7]).lead(3),
    Case::same([1, 1, 3, 5], [9, 33]),
    Case::same([3, 2, 5, 3], [7, 10]).transposed().lead(1),
    Case::same([1, 5, 1, 1], [1, 1]),
    // A line, and a column.
    Case::same([1, 2, 3, 9], [1, 19]),
    Case::same([3, 2, 2, 3], [19, 1]).lead(1),
];

/// Shapes that conv3x3_tiles.wgsl takes on a GPU: sizes, samples and channels that end within a tile, and some
/// that fill it.
pub const TILES: &[Case] = &[
    // Tiles of 16 by 16 pixels, strips that are wide and strips that are narrow.
    Case::same([1, 1, 3, 5], [33, 18]),
    Case::same([3, 2, 5, 9], [17, 9]).lead(3),
    Case::same([1, 2, 4, 8], [16, 32]),
    Case::same([3, 1, 17, 3], [9, 17]).transposed().lead(1),
    // Of 8 by 8 pixels, four samples at a time.
    Case::same([3, 5, 3, 5], [5, 7]).lead(2),
    Case::same([1, 4, 9, 17], [8, 8]),
    Case::same([1, 9, 17, 9], [6, 5]).transposed(),
    Case::same([3, 4, 5, 3], [20, 7]),
    // Of 4 by 4 pixels, sixteen samples at a time.
    Case::same([3, 18, 3, 5], [3, 4]).lead(1),
    Case::same([1, 16, 16, 16], [4, 4]),
    Case::same([1, 5, 1, 1], [1, 1]),
    Case::same([2, 9, 5, 17], [4, 3]).transposed(),
    // A line and a column.
    Case::same([1, 1, 3, 5], [1, 19]),
    Case::same([3, 2, 2, 3], [19, 1]).lead(1),
];

/// Shapes that miss one of the conditions for the kernels of 3x3 convolutions.
pub const NEAR_MISSES: &[Case] = &[
    Case::new([1, 2, 3, 5], [6, 8], both([3, 1, 0, 1])),
    Case::new([1, 2, 3, 5], [6, 8], [[3, 1, 0, 0], [3, 1, 1, 1]]),
    Case::new([1, 2, 3, 5], [6, 8], [[3, 1, 1, 0], [3, 1, 1, 1]]),
    Case::new([1, 2, 3, 5], [6, 8], [[3, 1, 0, 2], [3, 1, 1, 1]]),
    Case::new([1, 2, 3, 5], [6, 8], [[3, 1, 1, 1], [3, 1, 2, 0]]),
    Case::new([1, 2, 3, 5], [6, 8], both([3, 2, 1, 1])),
    Case::new([1, 2, 3, 5], [6, 8], [[3, 1, 1, 1], [5, 1, 2, 2]]),
    Case::new([1, 2, 3, 5], [6, 8], both([1, 1, 0, 0])),
];

/// Which kernels of a processor whose lanes can read each other's values are to take a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// conv.wgsl
    General,
    /// conv3x3.wgsl, whatever the size.
    Any,
    /// conv3x3.wgsl, where tiles are whole.
    Aligned,
}

/// Every shape, with what is to take its products and its gradient.
pub fn all() -> impl Iterator<Item = (Case, [Taken; 2])> {
    let general = GENERAL.iter().chain(NEAR_MISSES).map(|case| (*case, [Taken::General; 2]));
    let gradient = |aligned| if aligned { Taken::Aligned } else { Taken::Any };
    let fast = FAST.iter().map(move |(case, aligned)| (*case, [Taken::Aligned, gradient(*aligned)]));
    general.chain(fast).chain(VALID.iter().chain(ODD).map(|case| (*case, [Taken::Any; 2])))
}
