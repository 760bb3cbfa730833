//! The autoencoder that fits any classifier.

use fedfunnel::autoencoder::{AutoencoderSettings, LINEAR};

fn settings(latent: Option<usize>) -> AutoencoderSettings {
    AutoencoderSettings { model: LINEAR.into(), latent, epochs: 1, ..AutoencoderSettings::default() }
}

#[test]
fn it_has_the_widths_of_any_classifier() {
    for (parameters, latent, due) in [(301, None, 32), (20, None, 19), (301, Some(5), 5), (15_910, None, 32)]
    {
        let shape = settings(latent).shape(parameters).unwrap();
        assert_eq!((shape.inputs(), shape.latent()), (parameters, due));
    }
    let built_in = AutoencoderSettings { model: "ae-mnist".into(), ..settings(None) };
    let (own, named) = (settings(None).shape(15_910).unwrap(), built_in.shape(15_910).unwrap());
    assert_eq!((own.widths, own.scale_rates), (named.widths, named.scale_rates));
}

#[test]
fn a_latent_that_is_not_smaller_is_refused() {
    let error = settings(Some(301)).shape(301).unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("autoencoder.latent"), "{error}");
}
