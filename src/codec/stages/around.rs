//! What is listed around a learned stage and works with it as one: see [`Make::Around`].

use crate::codec::{About, CodePart, Linear, Make, OptionAbout, StageKind};

/// What the code cannot say comes from the global model.
pub(super) const PRIOR: StageKind = around(
    CodePart::Prior,
    About {
        summary: "before pca or autoencoder: what the code cannot say comes from the global model",
        good_for: "going on learning, at not one byte more",
        example: "prior+pca(floats=2)",
        ..About::NOTHING
    },
)
.linear(Linear::Yes);

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

/// Values of filters and units go beside the code.
pub(super) const FILTERS: StageKind = around(
    CodePart::Filters,
    About {
        summary: "before tune: a scale and a bias for each filter and unit of the model are tuned and sent with the \
         code",
        options: &[
            OptionAbout::new("stages", "f16", "the codec of these values"),
            OptionAbout::new("lr", "0.003", "their learning rate"),
        ],
        good_for: "convolutions, of which a few axes say too little",
        example: "prior+pca(floats=2)+filters+tune",
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
)
.linear(Linear::Yes);

/// What codes have come to miss becomes axes.
pub(super) const REFRESH: StageKind = around(
    CodePart::Refresh,
    About {
        summary: "behind tune: what codes of pca have come to miss takes the place of their last axes, and is \
         shipped",
        options: &[
            OptionAbout::new("every", "", "rounds from one refresh to the next; or threshold"),
            OptionAbout::new(
                "threshold",
                "",
                "the part of an update that codes miss, past which they are; or every",
            ),
            OptionAbout::new("axes", "1", "how many are replaced at a time"),
        ],
        good_for: "shares that differ, where snapshots of one's own do not span what all come to",
        example: "prior+pca(floats=3)+tune+refresh(every=2)",
        ..About::NOTHING
    },
);

const fn around(part: CodePart, about: About) -> StageKind {
    StageKind::new(part.name(), Make::Around(part)).about(about)
}
