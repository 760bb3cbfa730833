//! What is listed around a learned stage and works with it as one: see [`Make::Around`].

use crate::codec::{About, CodePart, Make, OptionAbout, StageKind};

/// What the code cannot say comes from the global model.
pub(super) const PRIOR: StageKind = around(
    CodePart::Prior,
    About {
        summary: "before pca or autoencoder: what the code cannot say comes from the global model",
        good_for: "going on learning, at not one byte more",
        example: "prior+pca(floats=2)",
        ..About::NOTHING
    },
);

/// What the code misses goes through stages of its own.
pub(super) const RESIDUAL: StageKind = around(
    CodePart::Residual,
    About {
        summary: "behind pca or autoencoder: what the code misses goes through stages of its own, with feedback",
        options: &[OptionAbout::new("stages", "", "the codec of what is missed, such as ternary(count=90)")],
        good_for: "shares that differ, where what a code can say is not enough",
        example: "prior+pca(floats=2)+residual(stages=ternary(count=20))",
        ..About::NOTHING
    },
);

/// The code is trained through its decoder.
pub(super) const TUNE: StageKind = around(
    CodePart::Tune,
    About {
        summary: "last: the code is trained on the collaborator's images, through the decoder, for what arrives",
        options: &[
            OptionAbout::new(
                "epochs",
                "1",
                "times that a collaborator sees its images for it, in each round",
            ),
            OptionAbout::new("batch", "256, or fewer for an epoch of 32 steps", "images per step"),
            OptionAbout::new("lr", "0.03", "learning rate of the code"),
            OptionAbout::new("optimizer", "adam", "sgd, adam or adamw"),
            OptionAbout::new("decay", "0", "the power of the round's number by which the rate falls"),
        ],
        good_for: "coming to what raw updates come to, in messages of a code's bytes",
        example: "prior+pca(floats=2)+tune",
        ..About::NOTHING
    },
);

const fn around(part: CodePart, about: About) -> StageKind {
    StageKind::new(part.name(), Make::Around(part)).about(about)
}
