//! What tuning alone comes to.

use crate::support::{run, spec};
use fedfunnel::federation::{Parts, RunSummary};

#[test]
fn what_each_comes_to_alone_is_known_where_codes_are_tuned() {
    let (folder, parts) = (tempfile::tempdir().unwrap(), Parts::default());
    let pca = "{stage=\"pca\",floats=3}";
    let codecs = format!(
        "codecs=[\"raw\",[\"prior\",{pca}],[\"prior\",{pca},\"tune\"],[\"prior\",{pca},{{stage=\"tune\",epochs=3}}]]"
    );
    let outcome = run(folder.path(), &spec(&parts, &[&codecs]), &parts);
    let [raw, untuned, once, thrice] = outcome.federations.as_slice() else { panic!("four federations") };
    assert!(raw.tuned_alone.is_none() && untuned.tuned_alone.is_none());
    assert_eq!([raw, untuned, once, thrice].map(|one| one.tuning_epochs), [0, 0, 1, 3]);
    let [once_alone, thrice_alone] = [once, thrice].map(|one| one.tuned_alone.unwrap());
    assert!((0.0..=1.0).contains(&once_alone.plain.accuracy) && once_alone.gray.is_none());
    assert_ne!(once_alone.plain.loss, thrice_alone.plain.loss, "more epochs come to something else");
    let all = [raw, untuned, once, thrice].map(|one| RunSummary::of(&outcome, one));
    let alone = [None, None, Some(once_alone.plain.accuracy), Some(thrice_alone.plain.accuracy)];
    assert_eq!(all.each_ref().map(|run| run.tuned_alone_accuracy), alone);
    // Two rounds of one epoch, and of as many more as codes are tuned in.
    assert_eq!(all.map(|run| run.local_epochs), [2, 2, 4, 8]);
}
