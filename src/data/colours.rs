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
                let (field, problem) =
                    (format!("grayscale of {name}"), format!("there is no sample {sample}"));
                Error::setting(field, problem, format!("choose from {count} samples"))
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
