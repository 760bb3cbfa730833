//! Images without their colours.

use super::Dataset;
use crate::{Error, Result};

/// The shares of red, green and blue in the luma (ITU-R BT.601), as in `shaders/augment.wgsl`.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

impl Dataset {
    /// Replaces the colours of these samples by their luma, rounded to a byte, in all three channels.
    pub fn take_colours_out(&mut self, samples: impl IntoIterator<Item = usize>) -> Result<()> {
        if self.shape.channels != LUMA.len() {
            let problem = format!("{} images have no colours to take out", self.shape);
            return Err(Error::setting("grayscale", problem, "leave it out, or choose data with 3 channels"));
        }
        let plane = self.shape.height * self.shape.width;
        for sample in samples {
            let start = sample * LUMA.len() * plane;
            let (name, count) = (&self.name, self.labels.len());
            let image = self.images.get_mut(start..start + LUMA.len() * plane).ok_or_else(|| {
                Error::setting(
                    format!("grayscale of {name}"),
                    format!("there is no sample {sample}"),
                    format!("choose from {count} samples"),
                )
            })?;
            for place in 0..plane {
                let channels = (0..LUMA.len()).map(|channel| channel * plane + place);
                let luma: f32 =
                    channels.clone().zip(LUMA).map(|(at, part)| part * f32::from(image[at])).sum();
                channels.for_each(|at| image[at] = luma.round() as u8);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::ImageShape;
    use super::*;

    /// Two images of 1 x 2 pixels.
    fn two(channels: usize, images: &[u8]) -> Dataset {
        let shape = ImageShape { channels, height: 1, width: 2 };
        Dataset { name: "two".into(), images: images.to_vec(), labels: vec![0, 1], shape, classes: 2 }
    }

    #[test]
    fn the_luma_is_in_all_three_channels_and_other_samples_stay() {
        let images = [255, 0, 0, 255, 0, 0, 10, 20, 30, 40, 50, 60];
        let mut data = two(3, &images);
        data.take_colours_out([0]).unwrap();
        // 0.299 of 255 is 76.2, 0.587 of it 149.7.
        assert_eq!(data.images[..6], [76, 150, 76, 150, 76, 150]);
        assert_eq!(data.images[6..], images[6..]);
        data.take_colours_out([1]).unwrap();
        // 2.99 + 17.61 + 5.7 and 5.98 + 23.48 + 6.84
        assert_eq!(data.images[6..], [26, 36, 26, 36, 26, 36]);
        // Grey stays grey to the byte, white and black too.
        let gray = data.images.clone();
        data.take_colours_out([0, 1]).unwrap();
        assert_eq!(data.images, gray);
        let mut ends = two(3, &[255, 0, 255, 0, 255, 0, 0, 255, 0, 255, 0, 255]);
        let before = ends.clone();
        ends.take_colours_out([0, 1]).unwrap();
        assert_eq!(ends, before);
    }

    #[test]
    fn what_has_no_colours_and_samples_that_are_not_there_are_refused() {
        let error = two(1, &[0; 4]).take_colours_out([0]).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains("1x1x2 images have no colours"), "{error}");
        let error = two(3, &[0; 12]).take_colours_out([2]).unwrap_err().to_string();
        assert!(error.contains("no sample 2"), "{error}");
    }
}
