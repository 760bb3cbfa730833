//! What the reader of LEAF's folders takes, and what it says about everything else.

use crate::support::{image, own};
use serde_json::{Value, json};
use std::path::Path;

fn write(folder: &Path, name: &str, content: &Value) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content.to_string()).unwrap();
}

/// A file of users with their labels; each image has four pixels, of which the first tells the label.
fn shard(users: &[(&str, &[u8])]) -> Value {
    let names: Vec<_> = users.iter().map(|(name, _)| *name).collect();
    let counts: Vec<_> = users.iter().map(|(_, labels)| labels.len()).collect();
    let data: serde_json::Map<String, Value> = users
        .iter()
        .map(|(name, labels)| {
            let images: Vec<_> =
                labels.iter().map(|label| json!([f64::from(*label) / 255.0, 0.0, 0.5, 1])).collect();
            ((*name).to_string(), json!({ "x": images, "y": labels }))
        })
        .collect();
    json!({ "users": names, "num_samples": counts, "user_data": data })
}

#[test]
fn users_are_the_groups_of_their_images() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "data/train/b.json", &shard(&[("f3", &[9])]));
    write(folder.path(), "data/train/a.json", &shard(&[("f10", &[0, 61]), ("f2", &[5])]));
    write(folder.path(), "data/test/a.json", &shard(&[("f2", &[0, 7])]));
    for place in [folder.path(), &folder.path().join("data")] {
        let data = own(place).unwrap();
        assert_eq!((&data.train.labels[..], &data.test.labels[..]), (&[0, 61, 5, 9][..], &[0, 7][..]));
        assert_eq!((data.train.classes, data.train.shape.height, data.train.shape.channels), (62, 2, 1));
        assert_eq!(image(&data.train, 1), [61, 0, 128, 255]);
        let groups = data.train.groups.unwrap();
        assert_eq!(groups.each().collect::<Vec<_>>(), ["f10", "f10", "f2", "f3"]);
        assert_eq!(data.test.groups, None);
    }
}

#[test]
fn what_is_no_image_is_named_with_its_file_and_its_user() {
    let good = shard(&[("u", &[0, 1])]);
    let changed = |at: &str, value: Value| {
        let mut shard = good.clone();
        *shard.pointer_mut(at).unwrap() = value;
        shard
    };
    let cases = [
        (changed("/user_data/u/x/1", json!([0, 0, 1])), "image 1 of user u has 3 pixels, and others 4"),
        (changed("/user_data/u/x/1", json!(vec![1; 9])), "image 1 of user u has 9 pixels, and others 4"),
        (changed("/user_data/u/x/0", json!([0, 0, 1.5, 0])), "image 0 of user u has a pixel of 1.5"),
        (changed("/user_data/u/y", json!([1])), "2 images and 1 label of user u"),
        (changed("/user_data/u/y/0", json!(300)), "it is not read (invalid value"),
        (changed("/user_data/u/x", json!(["a sentence", "another"])), "it is not read (invalid type"),
        (changed("/users/0", json!("v")), "there are no data of user v"),
        (json!({ "users": [], "user_data": {} }), "its files have no samples"),
    ];
    for (train, words) in cases {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "train/a.json", &train);
        write(folder.path(), "test/a.json", &good);
        let said = own(folder.path()).unwrap_err().to_string();
        assert!(said.contains("train") && said.contains(words), "{words}: {said}");
    }
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "train/a.json", &good);
    let said = own(folder.path()).unwrap_err().to_string();
    assert!(said.contains("test: there is no .json file in it"), "{said}");
}
