//! Control variates around a compressor: stochastic controlled averaging (Huang, Li and Li 2023, arXiv 2308.08165), which
//! is SCALLION for unbiased compressors and SCAFCOM for biased ones.
//!
//! Both sides keep a control variate `c` of each collaborator, which begins at zero. What is compressed is how far an
//! update is from it, and that becomes small where updates become alike. With `u` what there is to send and `C` the
//! stages behind this one:
//!
//! ```text
//! v = (1 - momentum) v + momentum u        the collaborator's own, from zero on
//! d = C(alpha (v - c))                     what is sent
//! c = c + d                                on both sides, and what arrives
//!
//! SCALLION: momentum = 1, and alpha below 1, so that c moves less than C is noisy
//! SCAFCOM:  alpha = 1, and momentum below 1, which averages the noise of local training
//! ```
//!
//! Where `C` changes nothing, both are the same average of a collaborator's updates. With `alpha` and `momentum` of 1 that
//! is SCAFFOLD (Karimireddy et al. 2020) with one variable on the way up in place of two.
//!
//! The paper's aggregator moves the model by the mean of all `c` before the round and the mean of `d`. Here all take part
//! in every round, so that this is the mean of what arrives; it is weighted by images. The paper's local steps are
//! corrected by the mean of `c` less a collaborator's own, which is a matter of the strategy's local rule and is not done
//! here: `u` is what training without it comes to.
//!
//! An average begins small: of updates that stay the same, `1 - (1 - alpha)^t` have arrived after `t` rounds. The paper
//! tunes the rate of the aggregator's step, which is `rate` of the strategy `fedavgm` here.

use super::held::Held;
use crate::codec::{
    About, Given, Incoming, Kept, Make, OptionAbout, Options, Outgoing, Pipeline, Round, Stage, StageKind,
    SubModel, Values, expect_length,
};
use crate::{Error, Result};
use serde::Deserialize;

pub(super) const CONTROL: StageKind = StageKind::new(
    "control",
    Make::HoldingAny(|_, options, tail| {
        let Settings { alpha, momentum } = options.parse()?;
        let (alpha, momentum) = (alpha.unwrap_or(1.0), momentum.unwrap_or(1.0));
        make(options, tail, alpha, momentum, format!("control({alpha}, {momentum})"))
    }),
)
.about(About {
    summary: "how far the stages behind it find an update from what both sides keep of the earlier ones",
    source: "Huang et al. 2023, stochastic controlled averaging (arXiv 2308.08165)",
    options: &[
        OptionAbout::new("alpha", "1", "how fast what is kept moves"),
        OptionAbout::new("momentum", "1", "how much of a new update counts; 1 is all of it"),
    ],
    good_for: "stages that leave much out, where shares differ; behind delta",
    example: "delta+control+topk(part=0.05)",
});

pub(super) const SCALLION: StageKind = StageKind::new(
    "scallion",
    Make::HoldingAny(|_, options, tail| {
        let Alpha { alpha } = options.parse()?;
        make(options, tail, alpha, 1.0, format!("scallion({alpha})"))
    }),
)
.about(About {
    summary: "control for stages that are right in the mean",
    source: "Huang et al. 2023, SCALLION (arXiv 2308.08165)",
    options: &[OptionAbout::new("alpha", "0.1", "how fast what is kept moves")],
    good_for: "unbiased stages such as quantize; behind delta",
    example: "delta+scallion+quantize(bits=4)",
});

pub(super) const SCAFCOM: StageKind = StageKind::new(
    "scafcom",
    Make::HoldingAny(|_, options, tail| {
        let Momentum { momentum } = options.parse()?;
        make(options, tail, 1.0, momentum, format!("scafcom({momentum})"))
    }),
)
.about(About {
    summary: "control with momentum, for stages that are not right in the mean",
    source: "Huang et al. 2023, SCAFCOM (arXiv 2308.08165)",
    options: &[OptionAbout::new("momentum", "0.2", "how much of a new update counts")],
    good_for: "biased stages such as topk; behind delta",
    example: "delta+scafcom+topk(part=0.05)",
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    alpha: Option<f32>,
    momentum: Option<f32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Alpha {
    #[serde(default = "usual_alpha")]
    alpha: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Momentum {
    #[serde(default = "usual_momentum")]
    momentum: f32,
}

fn usual_alpha() -> f32 {
    0.1
}

fn usual_momentum() -> f32 {
    0.2
}

fn make(
    options: &Options,
    tail: Pipeline,
    alpha: f32,
    momentum: f32,
    label: String,
) -> Result<Box<dyn Stage>> {
    for (name, value) in [("alpha", alpha), ("momentum", momentum)] {
        // Of a smaller one hardly anything is left of an update.
        if !(1e-3..=1.0).contains(&value) {
            let mend = format!("use 0.001 to 1, such as {}", usual_alpha());
            return Err(options.refuse(format!("{name} is {value}"), mend));
        }
    }
    Ok(Box::new(Control { alpha, momentum, tail: Held(tail), label }))
}

struct Control {
    alpha: f32,
    momentum: f32,
    tail: Held,
    label: String,
}

/// The control variate.
const CONTROL_VARIATE: &str = "control";
/// The average of the collaborator's own updates.
const AVERAGE: &str = "average";

/// The control variate from here on, which is what arrives. `sent` is what the stages made of the distance from it.
fn moved(control: Option<&[f32]>, sent: Vec<f32>) -> Vec<f32> {
    match control {
        None => sent,
        Some(control) => control.iter().zip(sent).map(|(control, sent)| control + sent).collect(),
    }
}

/// What is kept under this name, of so many values.
fn kept_of<'k>(kept: &'k Kept, name: &str, count: usize) -> Result<Option<&'k [f32]>> {
    let values = kept.get(name);
    values.iter().try_for_each(|values| expect_length(name, values.len(), count))?;
    Ok(values)
}

impl Stage for Control {
    fn keeps_arrivals(&self) -> bool {
        true
    }

    fn label(&self) -> String {
        self.tail.label(self.label.clone())
    }

    fn given(&mut self, given: Given) -> Result<()> {
        if !matches!(given, Given::Code | Given::Rest) {
            return Ok(());
        }
        let problem = "it keeps what each weight was sent as, and the stages before it leave something else";
        Err(Error::setting("codecs: control", problem, "list it before them, first or right behind delta"))
    }

    fn sub_model(&self, number: u32, seed: u64, who: u32) -> Option<SubModel> {
        self.tail.0.sub_model(number, seed, who)
    }

    fn leaves(&self, _: usize, _: &Kept) -> Option<usize> {
        Some(0)
    }

    fn encode(&self, round: &Round<'_>, batch: &mut [Outgoing<'_>]) -> Result<()> {
        let mut updates = Vec::with_capacity(batch.len());
        for outgoing in batch.iter_mut() {
            let mut values = outgoing.values.take(round.gpu)?;
            if self.momentum < 1.0 {
                let average = kept_of(outgoing.kept, AVERAGE, values.len())?;
                for (place, value) in values.iter_mut().enumerate() {
                    let average = average.map_or(0.0, |average| average[place]);
                    *value = (1.0 - self.momentum) * average + self.momentum * *value;
                }
                outgoing.kept.put(AVERAGE, values.clone());
            }
            let control = kept_of(outgoing.kept, CONTROL_VARIATE, values.len())?;
            for (place, value) in values.iter_mut().enumerate() {
                *value = self.alpha * (*value - control.map_or(0.0, |control| control[place]));
            }
            updates.push((outgoing.who, &mut *outgoing.kept, values));
        }
        let sent = self.tail.send_finite(round, &mut updates)?;
        for (outgoing, sent) in batch.iter_mut().zip(sent) {
            outgoing.side.append("control", sent.side);
            let control = moved(kept_of(outgoing.kept, CONTROL_VARIATE, sent.decoded.len())?, sent.decoded);
            outgoing.kept.put(CONTROL_VARIATE, control);
        }
        Ok(())
    }

    fn decode(&self, round: &Round<'_>, batch: &mut [Incoming<'_>]) -> Result<()> {
        self.tail.decode_finite(round, &mut batch.iter_mut().collect::<Vec<_>>())?;
        for incoming in batch {
            let sent = incoming.values.take(round.gpu)?;
            let control = moved(kept_of(incoming.kept, CONTROL_VARIATE, sent.len())?, sent);
            incoming.values = Values::Host(control.clone());
            incoming.news.put(CONTROL_VARIATE, control);
        }
        Ok(())
    }

    fn check_senders(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        check(count, kept)?;
        self.tail.check_senders(count, kept)
    }

    fn check_receivers(&self, count: Option<usize>, kept: &[&Kept]) -> Result<()> {
        check(count, kept)?;
        self.tail.check_receivers(count, kept)
    }
}

fn check(count: Option<usize>, kept: &[&Kept]) -> Result<()> {
    for name in [CONTROL_VARIATE, AVERAGE] {
        for values in kept.iter().filter_map(|kept| kept.get(name)) {
            expect_length(name, values.len(), count.unwrap_or(values.len()))?;
        }
    }
    Ok(())
}
