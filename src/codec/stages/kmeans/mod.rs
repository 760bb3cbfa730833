//! Values by the nearest of a few centroids, as FedZip has it (Malekijoo et al. 2021, arXiv 2102.01593): a codebook for
//! each block, and for each value the number of its centroid in bits.
//!
//! FedZip is the pipeline `["delta", "feedback", "topk", "kmeans", "entropy"]`; [`entropy`](super::entropy) stands for
//! its Huffman code: it ships no table, and a frequent centroid takes less than a bit.
//!
//! The centroids are those of the least sum of squared distances, which on a line are found without chance: see
//! [`clusters`].
//!
//! Long blocks of updates that lie on a GPU are clustered there, by Lloyd's iterations that begin at such centroids: see
//! [`lines`]. Which of both it was is of no concern to who reads the message: values are what the codebook says.
//!
//! A message has, for each block, the number of its centroids less one as a byte and the centroids as f32; then, for each
//! value in order, the number of its centroid in as few bits as there are centroids for, none for a single one. Blocks
//! are tensors by default: see [`Blocks`].

mod clusters;
mod lines;

use super::blocks::{Blocks, Per, label};
use super::written::{Form, Written};
use crate::Result;
use crate::bits::{BitReader, BitWriter};
use crate::bytes::{Reader, Writer};
use crate::codec::refusals::malformed;
use crate::codec::{About, FreeOption, FreeRange, Make, OptionAbout, Outgoing, Round, StageKind};
use crate::gpu::Tensor;
use clusters::{centroids, nearest};
use lines::Block;
use serde::Deserialize;

pub(super) const KIND: StageKind = StageKind::new(
    KMeans::NAME,
    Make::Plain(|context, options| {
        let Given { clusters, per } = options.parse()?;
        if !(2..=256).contains(&clusters) {
            return Err(options.refuse(format!("{clusters} clusters"), "set clusters to 2 to 256"));
        }
        Ok(Box::new(Written(KMeans { clusters, blocks: Blocks::new(per, context.layout) })))
    }),
)
.about(About {
    summary: "the nearest of a few centroids in bits, and a codebook for each block",
    source: "Malekijoo et al. 2021, FedZip (arXiv 2102.01593)",
    options: &[
        OptionAbout::new("clusters", "", "2 to 256 centroids"),
        OptionAbout::new("per", "tensor", "a codebook for each tensor, each row, or so many values"),
    ],
    good_for: "values that lie in clumps, such as those that topk leaves; before entropy",
    example: "delta+feedback+topk(part=0.05)+kmeans(clusters=16)",
})
.free(FreeOption { name: "clusters", range: FreeRange::Between(2, 256), instead: &[] });

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    clusters: usize,
    #[serde(default)]
    per: Per,
}

struct KMeans {
    clusters: usize,
    blocks: Blocks,
}

/// Bits of the number of one of so many centroids.
fn bits_of(centroids: usize) -> u32 {
    usize::BITS - (centroids - 1).leading_zeros()
}

/// Writes a codebook, and the numbers of the values' centroids.
fn write_block(
    centroids: &[f32],
    numbers: impl Iterator<Item = usize>,
    side: &mut Writer,
    bits: &mut BitWriter,
) {
    side.byte((centroids.len() - 1) as u8);
    side.floats(centroids);
    let count = bits_of(centroids.len());
    numbers.for_each(|number| bits.bits(number as u64, count));
}

impl Form for KMeans {
    const NAME: &'static str = "kmeans";

    fn label(&self) -> String {
        label(Self::NAME, self.clusters, self.blocks.option())
    }

    fn write(&self, _: &Round<'_>, _: u32, values: &[f32], side: &mut Writer) -> Result<()> {
        let mut bits = BitWriter::default();
        for block in self.blocks.of(values) {
            let centroids = centroids(block, self.clusters);
            let nearest = nearest(&centroids);
            write_block(&centroids, block.iter().map(|value| nearest(*value)), side, &mut bits);
        }
        side.bytes(&bits.into_bytes());
        Ok(())
    }

    fn write_lines(&self, round: &Round<'_>, tensor: &Tensor, batch: &mut [Outgoing<'_>]) -> Result<bool> {
        let lengths = self.blocks.lengths(tensor.width);
        let Some(lines) = lines::clustered(round.gpu, tensor, lengths, self.clusters)? else {
            return Ok(false);
        };
        for (outgoing, blocks) in batch.iter_mut().zip(lines) {
            let (side, mut bits) = (&mut outgoing.side, BitWriter::default());
            for Block { centroids, numbers } in blocks {
                write_block(&centroids, numbers.into_iter().map(usize::from), side, &mut bits);
            }
            side.bytes(&bits.into_bytes());
        }
        Ok(true)
    }

    fn read(&self, due: usize, side: &mut Reader<'_>) -> Result<Vec<f32>> {
        let (mut counts, mut codebooks) = (Vec::new(), Vec::new());
        for length in self.blocks.lengths(due) {
            let last = side.byte()?;
            let count = usize::from(last) + 1;
            if count > self.clusters.min(length) {
                return Err(malformed(format!("an update has {count} centroids of {length} values")));
            }
            counts.push(last);
            codebooks.extend(side.floats(count)?);
        }
        if let Some(centroid) = codebooks.iter().find(|centroid| !centroid.is_finite()) {
            return Err(malformed(format!("an update has the centroid {centroid}")));
        }
        let (mut bits, mut left) = (BitReader::new(side), codebooks.as_slice());
        let mut values = Vec::with_capacity(due);
        for (length, last) in self.blocks.lengths(due).zip(counts) {
            let (codebook, rest) = left.split_at(usize::from(last) + 1);
            let count = bits_of(codebook.len());
            for _ in 0..length {
                let number = bits.bits(count)? as usize;
                let centroid = codebook.get(number);
                values.push(*centroid.ok_or_else(|| {
                    malformed(format!("an update has centroid {number} of {}", codebook.len()))
                })?);
            }
            left = rest;
        }
        bits.finish()?;
        Ok(values)
    }
}
