//! Factors on the optimiser's rate, by layer.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Factors on the optimiser's rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Rates {
    /// One for each layer.
    Layers(Vec<f32>),
    /// By the beginning of the names of tensors, such as "encoder" or "decoder.0". The longest decides;
    /// layers that none fits keep their own.
    Prefixes(BTreeMap<String, f32>),
}

/// Whether `prefix` stands for the layer: its modules, not the first digits of a number.
fn fits(prefix: &str, layer: &str) -> bool {
    layer.strip_prefix(prefix.trim_end_matches('.')).is_some_and(|rest| rest.starts_with('.'))
}

impl Rates {
    /// The factor of a layer, where there is one.
    pub(super) fn of(&self, place: usize, layer: &str) -> Option<f32> {
        match self {
            Self::Layers(factors) => factors.get(place).copied(),
            Self::Prefixes(factors) => {
                let fitting = factors.iter().filter(|(prefix, _)| fits(prefix, layer));
                fitting.max_by_key(|(prefix, _)| prefix.len()).map(|(_, factor)| *factor)
            }
        }
    }

    /// The same, each multiplied.
    pub fn times(mut self, by: f32) -> Self {
        match &mut self {
            Self::Layers(factors) => factors.iter_mut().for_each(|factor| *factor *= by),
            Self::Prefixes(factors) => factors.values_mut().for_each(|factor| *factor *= by),
        }
        self
    }

    /// Refuses rates that do not work, or that belong to no layer. `field` is where the user gave them.
    pub(super) fn check(&self, field: &str, layers: &[String]) -> Result<()> {
        let values: Vec<f32> = match self {
            Self::Layers(factors) => factors.clone(),
            Self::Prefixes(factors) => factors.values().copied().collect(),
        };
        if let Some(wrong) = values.iter().find(|value| !value.is_finite() || **value <= 0.0) {
            let mend = "use finite numbers above 0";
            return Err(Error::setting(field, format!("{wrong} is no rate"), mend));
        }
        match self {
            Self::Layers(factors) if factors.len() != layers.len() => Err(Error::setting(
                field,
                format!("{} rates for {} layers", factors.len(), layers.len()),
                "give one for each layer of encoder and decoder, or name them, as encoder and decoder",
            )),
            Self::Prefixes(factors) => {
                let lost = |prefix: &&String| !layers.iter().any(|layer| fits(prefix, layer));
                let Some(prefix) = factors.keys().find(lost) else { return Ok(()) };
                let mend = format!("use encoder, decoder, or one of {}", layers.join(", "));
                Err(Error::setting(field, format!("no layer is called {prefix:?}"), mend))
            }
            Self::Layers(_) => Ok(()),
        }
    }
}

impl std::str::FromStr for Rates {
    type Err = String;

    /// `1e-7,3e-3`, one for each layer, or `encoder=1e-7,decoder=3e-3`.
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let number = |text: &str| {
            text.trim().parse().map_err(|_| {
                format!("{text:?} is no number; give rates as 1e-7,3e-3 or encoder=1e-7,decoder=3e-3")
            })
        };
        if !text.contains('=') {
            return text.split(',').map(number).collect::<std::result::Result<_, _>>().map(Self::Layers);
        }
        let mut factors = BTreeMap::new();
        for part in text.split(',') {
            let (prefix, value) = part.split_once('=').unwrap_or(("", part));
            if prefix.trim().is_empty() {
                return Err(format!("{part:?} names no layer; give rates as encoder=1e-7,decoder=3e-3"));
            }
            if factors.insert(prefix.trim().to_string(), number(value)?).is_some() {
                return Err(format!("{} is given twice", prefix.trim()));
            }
        }
        Ok(Self::Prefixes(factors))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_decides_and_a_number_is_a_whole_one() {
        let rates: Rates = "encoder=0.5, encoder.1=2,decoder.=3".parse().unwrap();
        assert_eq!(rates.of(0, "encoder.0."), Some(0.5));
        assert_eq!(rates.of(1, "encoder.1."), Some(2.0));
        assert_eq!(rates.of(1, "encoder.10."), Some(0.5));
        assert_eq!(rates.of(2, "decoder.0."), Some(3.0));
        let rates: Rates = "1e-7, 3e-3".parse().unwrap();
        assert_eq!((rates.of(0, "encoder.0."), rates.of(2, "x.")), (Some(1e-7), None));
        assert_eq!(rates.times(2.0), Rates::Layers(vec![2e-7, 6e-3]));
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in ["", "a", "1,,2", "encoder=", "encoder=1,2", "=1", "encoder=1,encoder=2"] {
            assert!(text.parse::<Rates>().is_err(), "{text:?}");
        }
        let layers = ["encoder.0.".to_string(), "decoder.0.".to_string()];
        for text in ["1", "1,2,3", "0,1", "nan,1", "inf,1", "-1,1", "enc=1", "encoder.1=1", "encoder=-1"] {
            let rates: Rates = text.parse().unwrap();
            let error = rates.check("--layer-rates", &layers).unwrap_err().to_string();
            assert!(error.contains("--layer-rates"), "{error}");
        }
    }
}
