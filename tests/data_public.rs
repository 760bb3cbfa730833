//! The way an experiment takes: load, deal out, order.

use fedfunnel::data::{DataDir, Partitioner, epoch_order, load, partition};

#[test]
fn the_sample_dealt_out_to_collaborators() {
    // Nothing is there to read: the sample needs no folder.
    let data = load("mnist-sample", &DataDir::new("nowhere")).unwrap();
    let train = &data.train;
    let two_each = Partitioner::Pathological { classes_per_collaborator: 2 };
    let parts = partition(&train.labels, 5, &two_each, 7).unwrap();
    for part in &parts {
        let own = train.subset(part).unwrap();
        assert_eq!(own.len(), 1200);
        assert_eq!(own.class_counts().iter().filter(|&&count| count > 0).count(), 2);
        assert_eq!(own.image(0), train.image(part[0]));
        assert_eq!(epoch_order(own.len(), 7, 0, true).len(), own.len());
    }
}

#[test]
fn files_written_by_the_sample_script_load_as_a_folder() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/data/sample");
    let data_dir = DataDir::new("nowhere");
    let from_folder = load(folder, &data_dir).unwrap();
    let embedded = load("mnist-sample", &data_dir).unwrap();
    assert_eq!(from_folder.train.images, embedded.train.images);
    assert_eq!(from_folder.test.labels, embedded.test.labels);
    assert_eq!(from_folder.train.name, folder);
}
