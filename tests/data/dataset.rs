//! Data sets in memory: limits, statistics.

use fedfunnel::data::{Dataset, ImageShape};

fn tiny() -> Dataset {
    Dataset {
        name: "tiny".into(),
        images: (0..18).collect(),
        labels: vec![2, 0, 1],
        shape: ImageShape { channels: 1, height: 2, width: 3 },
        classes: 3,
        groups: None,
    }
}

#[test]
fn the_first_samples() {
    let two = tiny().limit(2).unwrap();
    assert_eq!((two.labels, two.images), (vec![2, 0], (0..12).collect()));
    assert_eq!((two.shape, two.classes, two.name), (tiny().shape, 3, "tiny".into()));
    assert_eq!(tiny().limit(3).unwrap(), tiny());
    assert_eq!(tiny().limit(usize::MAX).unwrap(), tiny());
    let error = tiny().limit(0).unwrap_err();
    assert!(error.is_usage());
    assert_eq!(
        error.to_string(),
        "limit of tiny: 0 samples asked for; ask for one or more, or leave the limit out"
    );
}

#[test]
fn statistics_of_each_channel() {
    let shape = ImageShape { channels: 3, height: 2, width: 5 };
    let images: Vec<u8> = (0..7 * 30u32).map(|i| (i * i * 37 % 251 + i % 5) as u8).collect();
    let dataset = Dataset { images, labels: vec![0; 7], shape, ..tiny() };
    let statistics = dataset.channel_statistics();
    assert_eq!(statistics.len(), 3);
    for (channel, (mean, std)) in statistics.into_iter().enumerate() {
        let values = || {
            let of_channel = |place: usize| place / 10 % 3 == channel;
            let values = dataset.images.iter().enumerate();
            values.filter(move |(place, _)| of_channel(*place)).map(|(_, &v)| f64::from(v) / 255.0)
        };
        let direct = values().sum::<f64>() / 70.0;
        let deviation = (values().map(|v| (v - direct).powi(2)).sum::<f64>() / 70.0).sqrt();
        assert!((f64::from(mean) - direct).abs() < 1e-7, "{mean} {direct}");
        assert!((f64::from(std) - deviation).abs() < 1e-7, "{std} {deviation}");
        // What a mix-up of the channels would give.
        let others = (f64::from(mean) - values().take(10).sum::<f64>() / 10.0).abs();
        assert!(others > 1e-4);
    }
    let flat = Dataset { images: vec![255; 18], ..tiny() };
    assert_eq!(flat.channel_statistics(), [(1.0, 0.0)]);
    let empty = Dataset { images: vec![], labels: vec![], ..tiny() };
    assert!(empty.is_empty() && !tiny().is_empty());
    assert_eq!(empty.channel_statistics(), [(0.0, 0.0)]);
}
